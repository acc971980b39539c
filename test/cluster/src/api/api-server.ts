import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { Daemon } from "../process/daemon.js";
import type { KeyPair } from "./certificates.js";

/** What an {@link ApiServer} is made of. */
export interface ApiServerOptions {
  readonly program: string;
  /** For its log and what it keeps. */
  readonly folder: string;
  readonly address: string;
  readonly port: number;
  /** etcd's. */
  readonly etcdUrl: string;
  /** The path of the certificate that its clients' are issued by, and its own. */
  readonly authority: string;
  readonly serving: KeyPair;
  /** A client certificate of the group system:masters. */
  readonly admin: KeyPair;
  /** The path of the private key that service accounts' tokens are signed with. */
  readonly tokenKey: string;
}

/** An emulated machine on a busy host takes minutes. */
const START_MS = 900_000;

/** A request for pods or events, as the API server saw it. */
export interface AuditedRequest {
  /** Such as "system:serviceaccount:kube-system:weir". */
  readonly user: string;
  /** Such as "list". */
  readonly verb: string;
  readonly resource: string;
  /** Path and query. */
  readonly uri: string;
  readonly status: number;
}

/** What kubelet, kubectl, helm and the chart use; the rest would make the start of an emulated machine's server longer. */
const API_GROUPS = [
  "api/v1",
  "admissionregistration.k8s.io/v1",
  "apiextensions.k8s.io/v1",
  "apiregistration.k8s.io/v1",
  "apps/v1",
  "authentication.k8s.io/v1",
  "authorization.k8s.io/v1",
  "coordination.k8s.io/v1",
  "networking.k8s.io/v1",
  "node.k8s.io/v1",
  "node.k8s.io/v1beta1",
  "policy/v1beta1",
  "rbac.authorization.k8s.io/v1",
  "scheduling.k8s.io/v1",
  "storage.k8s.io/v1",
];

/** What {@link ApiServer.requests} reads. */
const AUDIT_POLICY = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [
    { level: "Metadata", resources: [{ group: "", resources: ["pods", "events"] }] },
    { level: "None" },
  ],
};

/** kube-apiserver: RBAC and the node authorizer, one port, no anonymous write. It can be killed and started again. */
export class ApiServer implements AsyncDisposable {
  readonly #options: ApiServerOptions;
  #daemon: Daemon | undefined;

  constructor(options: ApiServerOptions) {
    this.#options = options;
  }

  get url(): string {
    return `https://${this.#options.address}:${this.#options.port}`;
  }

  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  get residentMib(): number {
    return this.#daemon?.residentMib ?? 0;
  }

  get log(): string {
    return this.#daemon?.log ?? "";
  }

  /** The requests for pods and events so far; a watch is among them once it has ended. */
  get requests(): AuditedRequest[] {
    const file = this.#auditLog;
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    const events = lines.filter(Boolean).flatMap((line) => {
      try {
        return [JSON.parse(line) as AuditEvent];
      } catch {
        // It was killed while it wrote.
        return [];
      }
    });
    // A watch is answered in two stages, everything else in one.
    return events
      .filter(({ stage, verb }) => verb !== "watch" || stage === "ResponseStarted")
      .map(({ user, verb, objectRef, requestURI, responseStatus }) => ({
        user: user.username,
        verb,
        resource: objectRef?.resource ?? "",
        uri: requestURI,
        status: responseStatus?.code ?? 0,
      }));
  }

  get #auditLog(): string {
    return join(this.#options.folder, "audit.log");
  }

  /**
   * Starts it on its port and waits until it is ready.
   * @param flags beside its own, such as "--min-request-timeout=5"
   */
  async start(flags: readonly string[] = []): Promise<void> {
    if (this.#daemon) throw new Error("the API server runs already");
    const { program, folder, address, port, etcdUrl, authority, serving, tokenKey } = this.#options;
    const policy = join(folder, "audit-policy.json");
    writeFileSync(policy, JSON.stringify(AUDIT_POLICY));
    this.#daemon = new Daemon({
      command: [
        program,
        ...[`--bind-address=${address}`, `--advertise-address=${address}`, `--secure-port=${port}`],
        // A loopback address is no endpoint that pods could reach; nobody in these clusters asks for it.
        "--endpoint-reconciler-type=none",
        ...[`--etcd-servers=${etcdUrl}`, "--etcd-compaction-interval=0"],
        ...[`--tls-cert-file=${serving.certificate}`, `--tls-private-key-file=${serving.key}`],
        ...[`--client-ca-file=${authority}`, `--cert-dir=${folder}`],
        ...["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"],
        // Without a controller manager no namespace gets its default service account.
        "--disable-admission-plugins=ServiceAccount",
        ...["--service-account-issuer=https://kubernetes.default.svc", "--api-audiences=api"],
        ...[`--service-account-key-file=${tokenKey}`, `--service-account-signing-key-file=${tokenKey}`],
        ...["--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true", "--profiling=false"],
        ...[`--audit-policy-file=${policy}`, `--audit-log-path=${this.#auditLog}`],
        ...[`--runtime-config=${["api/all=false", ...API_GROUPS.map((name) => `${name}=true`)].join(",")}`],
        "--enable-priority-and-fairness=false",
        ...flags,
      ],
      // Memory is there, and collecting it takes a good part of an emulated processor.
      env: { ...process.env, GOGC: "400" },
      logFile: join(folder, "kube-apiserver.log"),
    });
    try {
      await this.#daemon.until("it is ready", () => this.#isReady(), START_MS);
    } catch (error) {
      await this.stop("SIGKILL");
      throw error;
    }
  }

  /**
   * Ends it; etcd keeps what it knew.
   * @param signal SIGKILL breaks every connection, SIGTERM lets it close them
   */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#daemon?.stop(signal);
    this.#daemon = undefined;
  }

  #isReady(): Promise<boolean> {
    const { authority, admin } = this.#options;
    const tls = {
      ca: readFileSync(authority),
      cert: readFileSync(admin.certificate),
      key: readFileSync(admin.key),
    };
    return new Promise((resolve, reject) => {
      const asked = request(`${this.url}/readyz`, { ...tls, agent: false, timeout: 60_000 }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode === 200));
      });
      asked.on("timeout", () => asked.destroy(new Error("no answer from /readyz")));
      asked.on("error", reject);
      asked.end();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop("SIGKILL");
  }
}

/** https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/ */
interface AuditEvent {
  stage: string;
  verb: string;
  requestURI: string;
  user: { username: string };
  objectRef?: { resource?: string };
  responseStatus?: { code?: number };
}

import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiType, CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { ApiServer } from "./api/api-server.js";
import { CertificateAuthority } from "./api/certificates.js";
import { Etcd } from "./api/etcd.js";
import { type Credentials, writeKubeconfig } from "./api/kubeconfig.js";
import { TcpProxy } from "./api/tcp-proxy.js";
import { freePorts } from "./process/ports.js";
import { runProgram } from "./process/run.js";
import type { ClusterPrograms } from "./programs/index.js";

/** Who a kubeconfig is for. */
export type Identity =
  | "admin"
  /** A node's kubelet: a certificate of the group system:nodes. */
  | { readonly node: string }
  /** A service account that exists; its token is valid for an hour. */
  | { readonly namespace: string; readonly serviceAccount: string };

/** Options of {@link startCluster}. */
export interface ClusterOptions {
  /** From `fetchAndBuild`. */
  readonly programs: ClusterPrograms;
  /** Where the API server listens, and nothing else does. Default: 127.0.0.1. */
  readonly address?: string;
  /** Flags of the API server beside its own. */
  readonly flags?: readonly string[];
}

/**
 * Starts etcd and an API server with RBAC and the node authorizer, on loopback and free ports, with certificates of
 * its own, in a temporary folder. Where this process ends, they end too.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { programs, address = "127.0.0.1", flags = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), "weir-cluster-"));
  const parts: Parts = [
    { [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }) },
  ];
  try {
    return await start({ programs, address, flags, folder, parts });
  } catch (error) {
    await dispose(parts);
    throw error;
  }
}

/** What ends with the cluster, in the order in which it began. */
type Parts = AsyncDisposable[];

async function dispose(parts: Parts): Promise<void> {
  for (const part of parts.splice(0).reverse()) await part[Symbol.asyncDispose]();
}

async function start(options: Required<ClusterOptions> & { folder: string; parts: Parts }): Promise<Cluster> {
  const { programs, address, flags, folder, parts } = options;
  const authority = await CertificateAuthority.create(join(folder, "keys"));
  const hosts = [...new Set(["127.0.0.1", address, "localhost", "kubernetes.default.svc"])];
  const serving = await authority.issue("apiserver", { user: "kube-apiserver", hosts });
  const admin = await authority.issue("admin", { user: "admin", groups: ["system:masters"] });
  const tokenKey = join(folder, "keys/tokens.key");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(tokenKey, privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
  const etcd = await Etcd.start(programs.etcd, folder);
  parts.push(etcd);
  const [port] = (await freePorts(1, address)) as [number];
  const apiServer = new ApiServer({
    ...{ program: programs["kube-apiserver"], folder, address, port, etcdUrl: etcd.url },
    ...{ authority: authority.certificate, serving, admin, tokenKey },
  });
  parts.push(apiServer);
  await apiServer.start(flags);
  return new Cluster({ programs, folder, authority, admin, etcd, apiServer, parts });
}

/** A Kubernetes API for a test, and all that may happen to it. */
export class Cluster implements AsyncDisposable {
  /** Temporary; gone with the cluster. */
  readonly folder: string;
  readonly programs: ClusterPrograms;
  readonly authority: CertificateAuthority;
  readonly etcd: Etcd;
  readonly apiServer: ApiServer;
  readonly #admin: Credentials;
  readonly #parts: Parts;
  #files = 0;

  /** @internal see {@link startCluster} */
  constructor(options: {
    programs: ClusterPrograms;
    folder: string;
    authority: CertificateAuthority;
    admin: Credentials;
    etcd: Etcd;
    apiServer: ApiServer;
    parts: Parts;
  }) {
    this.programs = options.programs;
    this.folder = options.folder;
    this.authority = options.authority;
    this.etcd = options.etcd;
    this.apiServer = options.apiServer;
    this.#admin = options.admin;
    this.#parts = options.parts;
  }

  /** Forgets what was before now, and what the API server remembers: an older resourceVersion gives 410 from now on. */
  async forget(): Promise<void> {
    await this.apiServer.stop("SIGKILL");
    await this.etcd.compact();
    await this.apiServer.start();
  }

  /** A way to the API server on which things can go wrong; it ends with the cluster. */
  async proxy(): Promise<TcpProxy> {
    const { hostname, port } = new URL(this.apiServer.url);
    const way = await TcpProxy.open({ host: hostname, port: Number(port) });
    this.#parts.push(way);
    return way;
  }

  /**
   * Writes a kubeconfig.
   * @param way through which the API server is reached, rather than straight
   * @returns its path
   */
  async kubeconfig(identity: Identity, way?: TcpProxy): Promise<string> {
    const path = join(this.folder, `kubeconfig-${++this.#files}`);
    writeKubeconfig(path, {
      server: way ? `https://127.0.0.1:${way.port}` : this.apiServer.url,
      authority: this.authority.certificate,
      credentials: await this.#credentials(identity),
    });
    return path;
  }

  /** A client of the API; the administrator's where nothing else is said. */
  async api<Api extends ApiType>(
    kind: new (...args: never[]) => Api,
    identity: Identity = "admin",
  ): Promise<Api> {
    const config = new KubeConfig();
    config.loadFromFile(await this.kubeconfig(identity));
    return config.makeApiClient(kind as never) as Api;
  }

  /** Runs kubectl as the administrator. @param input what it reads with `-f -` @returns what it prints */
  async kubectl(args: readonly string[], input?: string): Promise<string> {
    return this.#commandLine(this.programs.kubectl, args, input);
  }

  /** Runs helm as the administrator. @returns what it prints */
  async helm(args: readonly string[]): Promise<string> {
    return this.#commandLine(this.programs.helm, args);
  }

  async #commandLine(program: string, args: readonly string[], input?: string): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      // Nothing of theirs goes into the user's home.
      HOME: this.folder,
      KUBECONFIG: await this.kubeconfig("admin"),
    };
    return runProgram(program, args, { env, ...(input === undefined ? {} : { input }) });
  }

  async #credentials(identity: Identity): Promise<Credentials> {
    if (identity === "admin") return this.#admin;
    if ("node" in identity) {
      const { node } = identity;
      return this.authority.issue(`node-${node}`, { user: `system:node:${node}`, groups: ["system:nodes"] });
    }
    const { namespace, serviceAccount: name } = identity;
    const core = await this.api(CoreV1Api);
    const { status } = await core.createNamespacedServiceAccountToken({
      ...{ namespace, name },
      body: { spec: { audiences: ["api"], expirationSeconds: 3600 } },
    });
    return { token: status!.token };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return dispose(this.#parts);
  }
}

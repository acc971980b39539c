import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CoreV1Api } from "@kubernetes/client-node";
import { PAUSE_IMAGE } from "@weir/test-e2e/clients";
import type { Cluster } from "../cluster.js";
import { Daemon } from "../process/daemon.js";
import { runProgram } from "../process/run.js";

/** How a {@link Kubelet} is started. */
export interface KubeletOptions {
  /** The node's name. */
  readonly node: string;
  /** The path of the node's network namespace, from which the API server must be reached. */
  readonly netns: string;
  /** The node's address. */
  readonly address: string;
  /** For all of its files. */
  readonly folder: string;
  /** The path of the container runtime's socket. */
  readonly runtime: string;
}

/** A kubelet on a node that is a network namespace: it makes cgroups and mounts, so it is for the VM. */
export class Kubelet implements AsyncDisposable {
  readonly #daemon: Daemon;

  readonly #root: string;

  private constructor(daemon: Daemon, root: string) {
    this.#daemon = daemon;
    this.#root = root;
  }

  /** Starts it and waits until its node is ready, which it is when the runtime has a network. */
  static async start(cluster: Cluster, options: KubeletOptions): Promise<Kubelet> {
    const { node, netns, address, folder, runtime } = options;
    mkdirSync(folder, { recursive: true });
    const root = join(folder, "root");
    const config = join(folder, "config.json");
    writeFileSync(config, JSON.stringify(configuration(cluster.authority.certificate)));
    const daemon = new Daemon({
      command: [
        cluster.programs.kubelet,
        ...["--config", config, "--kubeconfig", await cluster.kubeconfig({ node })],
        ...["--root-dir", root, "--cert-dir", join(folder, "keys")],
        ...["--hostname-override", node, "--node-ip", address],
        ...["--container-runtime=remote", "--container-runtime-endpoint", `unix://${runtime}`],
        ...["--pod-infra-container-image", PAUSE_IMAGE],
      ],
      logFile: join(folder, "kubelet.log"),
      netns,
    });
    const kubelet = new Kubelet(daemon, root);
    try {
      const core = await cluster.api(CoreV1Api);
      await daemon.until(
        "its node is ready",
        async () => {
          const { status } = await core.readNode({ name: node });
          const ready = status?.conditions?.find(({ type }) => type === "Ready");
          if (ready?.status !== "True") throw new Error(ready?.message ?? "it says nothing");
          return true;
        },
        600_000,
      );
      return kubelet;
    } catch (error) {
      await kubelet[Symbol.asyncDispose]();
      throw error;
    }
  }

  get residentMib(): number {
    return this.#daemon.residentMib;
  }

  get log(): string {
    return this.#daemon.log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop();
    // It mounts its folder over itself, so that what pods mount can be seen outside.
    await runProgram("umount", ["--recursive", this.#root]).catch(() => {});
  }
}

/** https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/: as little of the machine as it can do with. */
function configuration(authority: string): object {
  return {
    kind: "KubeletConfiguration",
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    address: "127.0.0.1",
    healthzPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: authority },
    },
    authorization: { mode: "AlwaysAllow" },
    cgroupDriver: "cgroupfs",
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    resolvConf: "",
    // A changed ConfigMap reaches its volume when the pod is looked at again.
    syncFrequency: "5s",
    // A full disk of the machine is no reason to throw test pods away.
    evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
    imageGCHighThresholdPercent: 100,
  };
}

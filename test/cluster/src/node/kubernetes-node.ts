import { rmSync } from "node:fs";
import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import {
  type Conflist,
  Containerd,
  conflists,
  fetchContainerd,
  installPlugins,
} from "@weir/test-e2e/clients";
import { Lab, UPLINK } from "@weir/test-e2e/lab";
import { type Cluster, type ClusterOptions, startCluster } from "../cluster.js";
import { runProgram } from "../process/run.js";
import { CONTAINERD_SUITE } from "../programs/prepare.js";
import { Kubelet } from "./kubelet.js";

/** The addresses of the machine and of the node on the wire between them. */
export const [MACHINE, NODE_ADDRESS] = ["198.51.100.1", "198.51.100.2"] as const;

const FOLDER = "/run/weir-cluster";

/**
 * A whole small cluster: an API server, and a node of the lab with containerd, a kubelet and a conflist of ipvlan,
 * as it is before weir is installed. For the VM.
 */
export class KubernetesNode implements AsyncDisposable {
  readonly name = "node-one";
  readonly lab: Lab;
  readonly cluster: Cluster;
  readonly containerd: Containerd;
  readonly kubelet: Kubelet;
  readonly #parts: AsyncDisposable[];

  private constructor(parts: {
    lab: Lab;
    cluster: Cluster;
    containerd: Containerd;
    kubelet: Kubelet;
    all: AsyncDisposable[];
  }) {
    this.lab = parts.lab;
    this.cluster = parts.cluster;
    this.containerd = parts.containerd;
    this.kubelet = parts.kubelet;
    this.#parts = parts.all;
  }

  /** The folder of its CNI plugins: the reference ones, and no weir yet. */
  static readonly binFolder = join(FOLDER, "bin");
  /** The folder of its conflist, that of a network "pods" with ipvlan alone. */
  static readonly confFolder = join(FOLDER, "containerd/net.d/pods");

  /** Starts all of it and waits until the node is ready. */
  static async start(programs: ClusterOptions["programs"]): Promise<KubernetesNode> {
    const all: AsyncDisposable[] = [];
    const keep = <Part extends AsyncDisposable>(part: Part): Part => {
      all.push(part);
      return part;
    };
    try {
      // As systemd has them: mounts of the node's reach the containers that ask for them.
      await runProgram("mount", ["--make-rshared", "/"]);
      const lab = keep(Lab.create({ mode: "l2", folder: join(FOLDER, "lab") }));
      const { netns } = lab.nodes[0];
      layManagementWire(netns);
      const cluster = keep(await startCluster({ programs, address: MACHINE }));
      const containerd = keep(
        await Containerd.start({
          netns,
          folder: join(FOLDER, "containerd"),
          programs: await fetchContainerd(CONTAINERD_SUITE),
          plugins: referencePluginsAlone(),
          networks: { pods: ipvlanAlone() },
          // An emulated machine takes a minute to copy the agent's image for each container.
          snapshotter: "overlayfs",
        }),
      );
      // What the kubelet leaves: a runtime that ends would leave the pods running.
      keep({
        [Symbol.asyncDispose]: async () => {
          for (const id of await containerd.cri.sandboxes()) await containerd.cri.removePod(id);
        },
      });
      const kubelet = keep(
        await Kubelet.start(cluster, {
          ...{ node: "node-one", netns, address: NODE_ADDRESS, folder: join(FOLDER, "kubelet") },
          runtime: containerd.socket,
        }),
      );
      return new KubernetesNode({ lab, cluster, containerd, kubelet, all });
    } catch (error) {
      for (const part of all.reverse()) await part[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The path of the node's network namespace. */
  get netns(): string {
    return this.lab.nodes[0].netns;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts.splice(0).reverse()) await part[Symbol.asyncDispose]();
  }
}

function referencePluginsAlone(): string {
  const folder = installPlugins(KubernetesNode.binFolder);
  rmSync(join(folder, "weir"));
  return folder;
}

function ipvlanAlone(): Conflist {
  const { ipvlan } = conflists({ uplink: UPLINK, cniVersion: "1.0.0" });
  return { ...ipvlan, plugins: ipvlan.plugins.slice(0, 1) };
}

/** A wire between this machine, where the API server is, and the node; it goes with the node's namespace. */
function layManagementWire(netns: string): void {
  using here = Rtnetlink.open();
  using there = Rtnetlink.open({ netns });
  here.links.add({ name: "mgmt0", kind: "veth", data: { peer: { name: "mgmt0", netns } } });
  for (const [rt, address] of [
    [here, MACHINE],
    [there, NODE_ADDRESS],
  ] as const) {
    rt.links.set("mgmt0", { up: true });
    rt.addresses.add({ index: rt.links.get("mgmt0").index, address: `${address}/24` });
  }
}

import { rmSync } from "node:fs";
import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace, Socket } from "@weir/syscall";
import type { Bandwidth, CniNetwork } from "./cni.js";
import { createNetwork } from "./cni.js";

/** How ipvlan passes packets between its devices and the master. */
export type IpvlanMode = "l2" | "l3" | "l3s";

/** The name of each node's network card; the other end of the wire is the other node's. */
export const UPLINK = "ens192";

/** A pod: one network namespace with one interface, made by a CNI chain. */
export interface Pod {
  name: string;
  /** The path of its namespace. */
  netns: string;
  containerId: string;
  address: string;
  node: Node;
  /** What made its interface. */
  network: CniNetwork;
}

/** A node: a network namespace with an uplink. */
export interface Node {
  name: string;
  netns: string;
  network: CniNetwork;
}

/** Two nodes on a wire, each a network namespace, and pods on them; everything is gone when it is disposed. */
export class Lab implements AsyncDisposable {
  readonly nodes: readonly [Node, Node];
  readonly #pods: Pod[] = [];
  readonly #folder: string;
  readonly #timestamps = keepTimestampsOn();

  private constructor(nodes: [Node, Node], folder: string) {
    this.nodes = nodes;
    this.#folder = folder;
  }

  /** @param options.mode ipvlan's; @param options.folder where CNI keeps its state, made and removed */
  static create(options: { mode: IpvlanMode; folder: string }): Lab {
    const { mode, folder } = options;
    const [one, two] = [1, 2].map((number) => {
      const name = `node${number}`;
      const netns = `/run/netns/${name}`;
      NetworkNamespace.create(netns).close();
      return { name, netns, network: createNetwork({ node: number, netns, uplink: UPLINK, mode, folder }) };
    }) as [Node, Node];
    layWire(one, two, mode);
    return new Lab([one, two], folder);
  }

  /**
   * Makes a pod as a container runtime does: a namespace, then the network's ADD.
   * @param network another one than the node's own
   */
  async addPod(name: string, node: Node, bandwidth?: Bandwidth, network = node.network): Promise<Pod> {
    const netns = `/run/netns/${name}`;
    NetworkNamespace.create(netns).close();
    {
      using rt = Rtnetlink.open({ netns });
      rt.links.set("lo", { up: true });
    }
    const containerId = `${name}-${process.pid}`;
    const pod: Pod = { name, netns, containerId, address: "", node, network };
    this.#pods.push(pod);
    const result = await network.add(pod, bandwidth);
    const address = result.ips?.[0]?.address?.split("/")[0];
    if (!address) throw new Error(`the CNI chain gave ${name} no address: ${JSON.stringify(result)}`);
    pod.address = address;
    return pod;
  }

  /** Takes a pod away: the network's DEL, then the namespace. */
  async removePod(pod: Pod): Promise<void> {
    this.#pods.splice(this.#pods.indexOf(pod), 1);
    await pod.network.delete(pod);
    NetworkNamespace.remove(pod.netns);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pod of [...this.#pods])
      await this.removePod(pod).catch(() => NetworkNamespace.remove(pod.netns));
    for (const { netns } of this.nodes) NetworkNamespace.remove(netns);
    this.#timestamps.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Keeps the kernel's receive timestamps switched on. Each ping would switch them on and off again by patching code that
 * the other CPU is running, which QEMU's emulation does not always survive ("Oops: int3" in netif_receive_skb).
 */
function keepTimestampsOn(): Socket {
  const [AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMP] = [2, 2, 1, 29];
  const socket = Socket.open(AF_INET, SOCK_DGRAM, 0, { name: "timestamped socket" });
  socket.setOption(SOL_SOCKET, SO_TIMESTAMP, 1);
  return socket;
}

function layWire(one: Node, two: Node, mode: IpvlanMode): void {
  using first = Rtnetlink.open({ netns: one.netns });
  using second = Rtnetlink.open({ netns: two.netns });
  first.links.add({ name: UPLINK, kind: "veth", data: { peer: { name: UPLINK, netns: two.netns } } });
  for (const [number, rt] of [
    [1, first],
    [2, second],
  ] as const) {
    rt.links.set("lo", { up: true });
    rt.links.set(UPLINK, { up: true });
    if (mode === "l2") continue;
    // In the L3 modes the nodes route: each knows the other's pods.
    const { index } = rt.links.get(UPLINK);
    rt.addresses.add({ index, address: `192.0.2.${number}/24` });
    rt.routes.add({ destination: `172.51.${3 - number}.0/24`, gateway: `192.0.2.${3 - number}` });
  }
}

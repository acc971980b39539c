import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";
import { type Bandwidth, CniNetwork, Lab, type Node, type Pod, UPLINK } from "@weir/test-e2e/lab";
import type { PeerName } from "./plan.js";

/** The wire of pods on a bridge: a device that has ipvlan devices on it cannot be a bridge's port. */
const BRIDGE_UPLINK = "ens224";
const BRIDGE = "cni0";

/** The pods of one peer: the one that is loaded, and its neighbour, each with a pod to talk to on the other node. */
export interface Pods {
  pod: Pod;
  neighbour: Pod;
  readonly far: Pod;
  readonly farNeighbour: Pod;
}

/** Two nodes and, for each peer, the pods that it shapes: on ipvlan, for the reference plugin on a bridge. */
export class Place implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #folder: string;
  readonly #networks = new Map<string, CniNetwork>();
  /** Receivers of each kind of wire, made with the first peer that needs them. */
  readonly #far = new Map<string, [Pod, Pod]>();

  constructor(folder: string) {
    this.#folder = folder;
    this.#lab = Lab.create({ mode: "l2", folder });
  }

  /** @param bandwidth the limits of pods whose network sets them; others are limited later */
  async pods(peer: PeerName, bandwidth?: Bandwidth): Promise<Pods> {
    const [one, two] = this.#lab.nodes;
    const bridged = peer === "bandwidth" || peer === "containerd";
    if (bridged && !this.#far.has(BRIDGE_UPLINK)) layBridge(one, two);
    const wire = bridged ? BRIDGE_UPLINK : UPLINK;
    const kind = bridged ? "bridge" : "ipvlan";
    let far = this.#far.get(wire);
    if (!far) {
      const network = this.#network("ipvlan", two, wire);
      const add = (name: string) => this.#lab.addPod(`${name}-${wire}`, two, undefined, network);
      far = [await add("far"), await add("far-neighbour")];
      this.#far.set(wire, far);
    }
    const network = this.#network(kind, one, wire);
    const pod = await this.#lab.addPod(peer, one, bandwidth, network);
    const neighbour = await this.#lab.addPod(`${peer}-neighbour`, one, bandwidth, network);
    return { pod, neighbour, far: far[0], farNeighbour: far[1] };
  }

  /** Makes a peer's pods anew, as a change of limits takes that their network sets. */
  async remake(pods: Pods, bandwidth?: Bandwidth): Promise<void> {
    for (const which of ["pod", "neighbour"] as const) {
      const { name, node, network } = pods[which];
      await this.#lab.removePod(pods[which]);
      pods[which] = await this.#lab.addPod(name, node, bandwidth, network);
    }
  }

  #network(kind: "ipvlan" | "bridge", node: Node, wire: string): CniNetwork {
    const key = `${kind}-${node.name}-${wire}`;
    const known = this.#networks.get(key);
    if (known) return known;
    const net = wire === UPLINK ? "172.61" : "172.62";
    const third = this.#lab.nodes.indexOf(node) + 1;
    const range = {
      subnet: `${net}.0.0/16`,
      rangeStart: `${net}.${third}.2`,
      rangeEnd: `${net}.${third}.250`,
    };
    const ipam = { type: "host-local", ranges: [[range]], dataDir: join(this.#folder, key) };
    const plugins =
      kind === "ipvlan"
        ? [{ type: "ipvlan", master: wire, mode: "l2", ipam }]
        : [
            { type: "bridge", bridge: BRIDGE, ipam },
            { type: "bandwidth", capabilities: { bandwidth: true } },
          ];
    const network = new CniNetwork(
      { cniVersion: "1.0.0", name: key, plugins },
      { netns: node.netns, cache: join(this.#folder, "cache", key) },
    );
    this.#networks.set(key, network);
    return network;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]();
  }
}

/** Sets whether TCP in a pod asks for ECN. */
export function setEcn(pod: Pod, on: boolean): void {
  using namespace = NetworkNamespace.open(pod.netns);
  // /proc/sys/net shows the namespace of the thread that looks.
  namespace.run(() => writeFileSync("/proc/sys/net/ipv4/tcp_ecn", on ? "1" : "0"));
}

/** A second wire, which ends in a bridge on the first node. */
function layBridge(one: Node, two: Node): void {
  using first = Rtnetlink.open({ netns: one.netns });
  using second = Rtnetlink.open({ netns: two.netns });
  first.links.add({
    name: BRIDGE_UPLINK,
    kind: "veth",
    data: { peer: { name: BRIDGE_UPLINK, netns: two.netns } },
  });
  first.links.add({ name: BRIDGE, kind: "bridge" });
  first.links.set(BRIDGE, { up: true });
  first.links.set(BRIDGE_UPLINK, { up: true, master: first.links.get(BRIDGE).index });
  second.links.set(BRIDGE_UPLINK, { up: true });
}

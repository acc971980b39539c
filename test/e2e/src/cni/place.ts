import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Link, Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";

/** The devices that a pod may have. */
export const devices = ["veth", "ipvlan", "macvlan"] as const;
/** What a pod's eth0 is. */
export type Device = (typeof devices)[number];

/** The other end of the pod's veth, or the device that its ipvlan or macvlan device lies on. */
const UPLINK = "uplink0";

/** A pod as the plugin before in the chain has left it, and the node that it lives on: two network namespaces. */
export class Place implements Disposable {
  readonly device: Device;
  /** The path of the pod's network namespace. */
  readonly netns: string;
  /** The path of the node's. */
  readonly node: string;
  /** The devices as a result lists them: the node's end of a veth pair, and eth0. */
  readonly #interfaces: { name: string; mac: string | undefined; sandbox?: string }[];
  readonly #mtu: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "cni-conformance-"));

  constructor(device: Device) {
    this.device = device;
    this.netns = join(this.#folder, "pod");
    this.node = join(this.#folder, "node");
    for (const path of [this.node, this.netns]) NetworkNamespace.create(path).close();
    using node = Rtnetlink.open({ netns: this.node });
    using pod = Rtnetlink.open({ netns: this.netns });
    node.links.set("lo", { up: true });
    pod.links.set("lo", { up: true });
    const far = device === "veth" ? { name: "eth0", netns: this.netns } : { name: "wire0" };
    node.links.add({ name: UPLINK, kind: "veth", data: { peer: far } });
    node.links.set(UPLINK, { up: true });
    const link = node.links.get(UPLINK).index;
    const name = "eth0";
    const { netns } = this;
    if (device === "ipvlan") node.links.add({ name, kind: "ipvlan", link, netns, data: { mode: "l2" } });
    if (device === "macvlan")
      node.links.add({ name, kind: "macvlan", link, netns, data: { mode: "bridge" } });
    if (device !== "veth") node.links.set("wire0", { up: true });
    pod.links.set(name, { up: true });
    const { index } = pod.links.get(name);
    pod.addresses.add({ index, address: "10.1.0.5/16" });
    pod.addresses.add({ index, address: "fd00:1::5/64" });
    pod.routes.add({ destination: "0.0.0.0/0", gateway: "10.1.0.1" });
    const { address: mac, mtu } = pod.links.get(name);
    const outside = { name: UPLINK, mac: node.links.get(UPLINK).address };
    this.#interfaces = [...(device === "veth" ? [outside] : []), { name, mac, sandbox: netns }];
    this.#mtu = mtu;
  }

  /** The result of the plugin before, in a version of the specification. */
  result(cniVersion: string): Record<string, unknown> {
    const before1 = cniVersion.startsWith("0.");
    const version = (family: string) => (before1 ? { version: family } : {});
    const mtu = cniVersion === "1.1.0" ? { mtu: this.#mtu } : {};
    const interfaces = this.#interfaces.map((one) => ({ ...one, ...(one.sandbox ? mtu : {}) }));
    const at = interfaces.length - 1;
    return {
      cniVersion,
      interfaces,
      ips: [
        { ...version("4"), address: "10.1.0.5/16", gateway: "10.1.0.1", interface: at },
        { ...version("6"), address: "fd00:1::5/64", interface: at },
      ],
      routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1" }],
      dns: { nameservers: ["10.1.0.1"], search: ["example"] },
    };
  }

  /** Removes the pod's device, as a person with a shell inside it could. */
  removeDevice(): void {
    using rt = Rtnetlink.open({ netns: this.netns });
    rt.links.remove("eth0");
  }

  /** Ends the pod: its namespace with everything in it. */
  endPod(): void {
    NetworkNamespace.remove(this.netns);
  }

  /** What a plugin could have changed of devices and traffic control in both namespaces, to compare before with after. */
  snapshot(): unknown {
    return [this.netns, this.node].map((netns) => {
      using rt = Rtnetlink.open({ netns });
      return [...rt.links.dump({ skipStats: true })].map((link) => describe(rt, link));
    });
  }

  [Symbol.dispose](): void {
    for (const path of [this.netns, this.node]) NetworkNamespace.remove(path);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function describe(rt: Rtnetlink, { index, name, kind, mtu, address, up }: Link): unknown {
  return {
    name,
    kind,
    mtu,
    address,
    up,
    qdiscs: [...rt.qdiscs.dump({ index })].map((qdisc) => [qdisc.kind, qdisc.parent]),
    filters: (["egress", "ingress"] as const).flatMap((parent) =>
      [...rt.filters.dump({ index, parent })].map((filter) => [parent, filter.kind, filter.priority]),
    ),
  };
}

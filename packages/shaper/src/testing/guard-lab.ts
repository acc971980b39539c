import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAddress, Rtnetlink } from "@weir/netlink";
import { mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import type { ShaperOptions } from "../options.js";
import { Shaper } from "../shaper.js";

/** How a pod's device is joined to its node. */
export type PodKind = "ipvlan l2" | "ipvlan l3" | "macvlan" | "veth";

/** A pod of the lab. */
export interface LabPod {
  id: string;
  netns: string;
  device: "eth0";
  address: string;
  address6: string;
}

/** The lab's link-layer addresses, so that senders need not ask for them. */
const UPLINK_MAC = "02:00:00:00:00:01";
const FAR_MAC = "02:00:00:00:00:02";
const FAR_ADDRESS = "10.79.0.1";
const FAR_ADDRESS6 = "fd79::1";
const NODE_ADDRESS = "10.79.0.2";
const NODE_ADDRESS6 = "fd79::2";

/** A node with an uplink to a far host, each a network namespace, and pods on the node. */
export class GuardLab implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-guard-lab-"));
  readonly options: Required<Pick<ShaperOptions, "bpffs" | "stateDirectory">>;
  readonly node: NetworkNamespace;
  readonly farNetns = join(this.folder, "far");
  readonly nodeNetns = join(this.folder, "node");
  readonly #pods: LabPod[] = [];

  constructor() {
    const bpffs = join(this.folder, "bpf");
    mkdirSync(bpffs);
    mountBpffs(bpffs);
    this.options = { bpffs, stateDirectory: join(this.folder, "run") };
    NetworkNamespace.create(this.farNetns).close();
    this.node = NetworkNamespace.create(this.nodeNetns);
    using rt = Rtnetlink.open({ netns: this.node });
    rt.links.add({
      name: "uplink",
      kind: "veth",
      address: UPLINK_MAC,
      data: { peer: { name: "far", netns: this.farNetns, address: FAR_MAC } },
    });
    rt.links.set("uplink", { up: true });
    rt.links.set("lo", { up: true });
    const { index } = rt.links.get("uplink");
    rt.addresses.add({ index, address: `${NODE_ADDRESS}/24` });
    rt.addresses.add({ index, address: `${NODE_ADDRESS6}/64`, flags: ["noDad"] });
    using far = Rtnetlink.open({ netns: this.farNetns });
    far.links.set("far", { up: true });
    const end = far.links.get("far").index;
    far.addresses.add({ index: end, address: `${FAR_ADDRESS}/16` });
    far.addresses.add({ index: end, address: `${FAR_ADDRESS6}/64`, flags: ["noDad"] });
  }

  get pods(): readonly LabPod[] {
    return this.#pods;
  }

  /** A shaper whose host is the lab's node. */
  shaper<T>(work: (shaper: Shaper) => T, options: ShaperOptions = {}): T {
    return this.node.run(() => {
      using shaper = Shaper.open({ ...this.options, ...options });
      return work(shaper);
    });
  }

  addPod(kind: PodKind): LabPod {
    const number = this.#pods.length + 1;
    const netns = join(this.folder, `pod${number}`);
    NetworkNamespace.create(netns).close();
    const [address, address6] = [`10.79.1.${number}`, `fd79::1:${number}`];
    const pod: LabPod = { id: `pod${number}/eth0`, netns, device: "eth0", address, address6 };
    this.#pods.push(pod);
    using host = Rtnetlink.open({ netns: this.node });
    const uplink = host.links.get("uplink").index;
    const made = { name: "eth0", netns } as const;
    if (kind === "veth") {
      host.links.add({ name: `veth${number}`, kind: "veth", data: { peer: made } });
      host.links.set(`veth${number}`, { up: true });
    } else if (kind === "macvlan") {
      host.links.add({ ...made, kind: "macvlan", link: uplink, data: { mode: "bridge" } });
    } else {
      const mode = kind === "ipvlan l2" ? "l2" : "l3";
      host.links.add({ ...made, kind: "ipvlan", link: uplink, data: { mode } });
    }
    if (kind === "ipvlan l3") {
      // Nobody answers for it on the wire: the far host must know that the node is the way.
      using far = Rtnetlink.open({ netns: this.farNetns });
      far.routes.add({ destination: `${address}/32`, gateway: NODE_ADDRESS });
      far.routes.add({ destination: `${address6}/128`, gateway: NODE_ADDRESS6 });
    }
    using rt = Rtnetlink.open({ netns });
    rt.links.set("lo", { up: true });
    rt.links.set("eth0", { up: true });
    const { index } = rt.links.get("eth0");
    rt.addresses.add({ index, address: `${address}/16` });
    rt.addresses.add({ index, address: `${address6}/64`, flags: ["noDad"] });
    return pod;
  }

  endPod(pod: LabPod): void {
    NetworkNamespace.remove(pod.netns);
    this.#pods.splice(this.#pods.indexOf(pod), 1);
  }

  /** Bytes and packets that have arrived at the far host. */
  arrived(): { bytes: bigint; ns: bigint } {
    using far = Rtnetlink.open({ netns: this.farNetns });
    const { stats } = far.links.get("far");
    return { bytes: stats?.rxBytes ?? 0n, ns: process.hrtime.bigint() };
  }

  /** All that the kernel says of traffic control on the node, to compare before with after. */
  snapshot(): unknown {
    using rt = Rtnetlink.open({ netns: this.node });
    return [...rt.links.dump({ skipStats: true })].map(({ index, name }) => ({
      name,
      qdiscs: [...rt.qdiscs.dump({ index })].map(({ kind, handle }) => [kind, handle]),
      filters: (["egress", "ingress"] as const).flatMap((parent) =>
        [...rt.filters.dump({ index, parent })].map((filter) => [
          parent,
          filter.kind,
          filter.priority,
          filter.handle,
        ]),
      ),
    }));
  }

  /**
   * Lets a process in a pod, with CAP_NET_RAW and no other capability, send past the device's qdiscs and filters for
   * as long as the work takes.
   * @param source the address that it claims to be
   * @param destination what is written on the packets, which all go to the far host
   */
  async sendPast<T>(
    pod: LabPod,
    source: string,
    work: () => Promise<T>,
    device = "eth0",
    destination = source.includes(":") ? FAR_ADDRESS6 : FAR_ADDRESS,
  ): Promise<T> {
    using rt = Rtnetlink.open({ netns: pod.netns });
    const { index, address = "" } = rt.links.get(device);
    const script = fileURLToPath(new URL("./bypass-child.js", import.meta.url));
    const caps = ["--bounding-set=-all,+net_raw", "--inh-caps=-all,+net_raw", "--ambient-caps=-all"];
    const args = [`--net=${pod.netns}`, "setpriv", ...caps, process.execPath, script];
    const frame = Buffer.from(udpFrame(address, source, destination)).toString("hex");
    const child = spawn("nsenter", [...args, String(index), frame], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    try {
      const [text] = (await Promise.race([once(child.stdout, "data"), ended])) as unknown[];
      if (!(text instanceof Buffer)) throw new Error(`the sender in ${pod.id} ended at once: ${text}`);
      return await work();
    } finally {
      child.kill();
      await ended;
    }
  }

  [Symbol.dispose](): void {
    for (const pod of [...this.#pods]) this.endPod(pod);
    this.node.close();
    for (const netns of [this.nodeNetns, this.farNetns]) NetworkNamespace.remove(netns);
    unmount(this.options.bpffs);
    rmSync(this.folder, { recursive: true });
  }
}

/** A frame with a UDP datagram, to the far host's link-layer address. */
function udpFrame(linkAddress: string, source: string, destination: string): Uint8Array {
  const payload = 1400;
  const isIpv6 = source.includes(":");
  const from = parseAddress(source).bytes;
  const to = parseAddress(destination).bytes;
  const word = (value: number) => [value >> 8, value & 0xff];
  const UDP = 17;
  const ip = isIpv6
    ? [0x60, 0, 0, 0, ...word(8 + payload), UDP, 64, ...from, ...to]
    : [0x45, 0, ...word(28 + payload), 0, 0, 0, 0, 64, UDP, 0, 0, ...from, ...to];
  const ether = [...macBytes(FAR_MAC), ...macBytes(linkAddress), ...(isIpv6 ? [0x86, 0xdd] : [0x08, 0x00])];
  const head = [...ether, ...ip, ...word(9), ...word(9), ...word(8 + payload), 0, 0];
  const frame = new Uint8Array(head.length + payload);
  frame.set(head);
  return frame;
}

function macBytes(text: string): number[] {
  return text.split(":").map((part) => Number.parseInt(part, 16));
}

/** Lets sockets have large buffers; the setting is the whole machine's, so it is for the VM. */
export function allowLargeBuffers(): void {
  if (process.env.WEIR_VM !== "1" || !statSync("/proc/sys/net/core/wmem_max")) return;
  for (const name of ["rmem_max", "wmem_max"]) writeFileSync(`/proc/sys/net/core/${name}`, "4000000");
}

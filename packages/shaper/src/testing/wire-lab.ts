import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Rtnetlink } from "@weir/netlink";
import { mountBpffs, NetworkNamespace, Socket, unmount } from "@weir/syscall";
import type { ShaperOptions } from "../options.js";

/** The kinds of devices that a pod may have. */
export const podDevices = [
  "ipvlan l2",
  "ipvlan l3",
  "ipvlan l3s",
  "macvlan bridge",
  "macvlan private",
  "macvlan vepa",
  "macvlan passthru",
  "veth ptp",
  "veth bridge",
] as const;

/** A kind of device that a pod may have. */
export type PodDevice = (typeof podDevices)[number];

/** One of the two ends of the wire. */
export interface End {
  netns: string;
  /** The address of its interface 0, 1 and so on. */
  address: (number: number) => string;
}

/** Bytes of a datagram's payload, and of the packet with all headers, the link's included. */
const PAYLOAD = 1400;
export const PACKET_BYTES = 14 + 20 + 8 + PAYLOAD;

const PORT = 9;
const POD_MAC = (number: number) => `02:00:00:00:01:0${number}`;
const NODE_MAC = "02:00:00:00:00:03";
const FAR_MAC = "02:00:00:00:00:02";

/** A pod with interfaces of one kind, a node that it is on, and a far host behind the node's uplink. */
export class WireLab implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-wire-"));
  readonly options: Required<Pick<ShaperOptions, "bpffs" | "stateDirectory">>;
  readonly pod: End = { netns: join(this.folder, "pod"), address: (number) => `10.81.0.${1 + number}` };
  readonly far: End = { netns: join(this.folder, "far"), address: () => "10.81.0.100" };
  readonly #node = join(this.folder, "node");

  /** @param interfaces how many the pod has: eth0, eth1 and so on */
  constructor(kind: PodDevice, interfaces = 1) {
    const bpffs = join(this.folder, "bpf");
    mkdirSync(bpffs);
    mountBpffs(bpffs);
    this.options = { bpffs, stateDirectory: join(this.folder, "run") };
    for (const netns of [this.pod.netns, this.far.netns, this.#node]) NetworkNamespace.create(netns).close();
    using node = Rtnetlink.open({ netns: this.#node });
    node.links.add({
      name: "uplink",
      kind: "veth",
      data: { peer: { name: "wire", netns: this.far.netns, address: FAR_MAC } },
    });
    node.links.set("uplink", { up: true });
    for (let number = 0; number < interfaces; number++) this.#addDevice(node, kind, number);
    this.#setUpPod(kind, interfaces);
    this.#setUpFar(kind, interfaces, node.links.get("uplink").address ?? "");
  }

  /**
   * Sends datagrams from one end to the other as fast as it can, and waits until as many have arrived as were let
   * through.
   * @param dropped tells how many were dropped, in all
   * @param meanwhile is called a dozen times while they are sent
   * @param number which interface of the pod they go through
   * @returns when each look was, in seconds since the first was sent, and how many had arrived by then
   */
  async flood(options: {
    from: End;
    to: End;
    count: number;
    number?: number;
    dropped: () => bigint;
    meanwhile?: (time: number) => void;
  }): Promise<{ seconds: number; packets: number }[]> {
    const { from, to, count, number = 0, dropped, meanwhile } = options;
    using receiver = open(to.netns, to.address(number), PORT + number);
    using sender = open(from.netns, from.address(number), 0);
    sender.connect(sockaddr(to.address(number), PORT + number));
    const before = dropped();
    const looks: { seconds: number; packets: number }[] = [];
    const payload = new Uint8Array(PAYLOAD);
    const start = process.hrtime.bigint();
    let packets = 0;
    const look = () => {
      packets += drain(receiver);
      looks.push({ seconds: Number(process.hrtime.bigint() - start) / 1e9, packets });
    };
    for (let i = 0; i < count; i++) {
      sender.send(payload);
      if (i % 16 === 15) look();
      if (i % Math.ceil(count / 12) === 5) meanwhile?.(Math.floor((i * 12) / count));
    }
    for (let tries = 0; tries < 400; tries++) {
      look();
      if (packets + Number(dropped() - before) >= count) return looks;
      await sleep(25);
    }
    throw new Error(
      `${packets} of ${count} arrived, ${dropped() - before} were dropped: the others are lost`,
    );
  }

  #addDevice(node: Rtnetlink, kind: PodDevice, number: number): void {
    const [type, mode = ""] = kind.split(" ");
    const uplink = node.links.get("uplink").index;
    const device = { name: `eth${number}`, netns: this.pod.netns };
    const address = POD_MAC(number);
    if (type === "ipvlan") {
      node.links.add({ ...device, kind: "ipvlan", link: uplink, data: { mode: mode as "l2" } });
    } else if (type === "macvlan") {
      node.links.add({ ...device, address, kind: "macvlan", link: uplink, data: { mode: mode as "bridge" } });
    } else {
      const end = `pod${number}`;
      node.links.add({ name: end, kind: "veth", address: NODE_MAC, data: { peer: { ...device, address } } });
      if (mode === "ptp") {
        this.#route(node, end, number);
        return;
      }
      if (!node.links.find("bridge")) {
        node.links.add({ name: "bridge", kind: "bridge" });
        node.links.set("bridge", { up: true });
        node.links.set("uplink", { master: node.links.get("bridge").index });
      }
      node.links.set(end, { up: true, master: node.links.get("bridge").index });
    }
  }

  /** Makes the node a router between the pod's wire and the uplink. */
  #route(node: Rtnetlink, end: string, number: number): void {
    using namespace = NetworkNamespace.open(this.#node);
    namespace.run(() => writeFileSync("/proc/sys/net/ipv4/ip_forward", "1"));
    node.links.set(end, { up: true });
    for (const [name, destination, address] of [
      [end, this.pod.address(number), POD_MAC(number)],
      ["uplink", this.far.address(0), FAR_MAC],
    ] as const) {
      const { index } = node.links.get(name);
      node.routes.replace({ destination: `${destination}/32`, index, scope: "link" });
      node.neighbours.replace({ index, destination, address });
    }
  }

  #setUpPod(kind: PodDevice, interfaces: number): void {
    using pod = Rtnetlink.open({ netns: this.pod.netns });
    for (let number = 0; number < interfaces; number++) {
      const name = `eth${number}`;
      pod.links.set(name, { up: true });
      const { index } = pod.links.get(name);
      pod.addresses.add({ index, address: `${this.pod.address(number)}/32` });
      // Each address has a way of its own, whichever interface the system would prefer.
      const table = 100 + number;
      pod.rules.add({ source: `${this.pod.address(number)}/32`, table });
      pod.routes.add({ destination: "10.81.0.0/24", index, table, scope: "link" });
      if (number === 0) pod.routes.add({ destination: "10.81.0.0/24", index, scope: "link" });
      const address = kind === "veth ptp" ? NODE_MAC : FAR_MAC;
      // ipvlan in its L3 modes asks for nobody's address.
      if (!kind.startsWith("ipvlan l3")) {
        pod.neighbours.add({ index, destination: this.far.address(0), address });
      }
    }
  }

  #setUpFar(kind: PodDevice, interfaces: number, uplink: string): void {
    using far = Rtnetlink.open({ netns: this.far.netns });
    far.links.set("wire", { up: true });
    const { index } = far.links.get("wire");
    far.addresses.add({ index, address: `${this.far.address(0)}/24` });
    for (let number = 0; number < interfaces; number++) {
      // The address of a macvlan device in passthru mode is the uplink's.
      const isUplinks = kind.startsWith("ipvlan") || kind === "macvlan passthru" || kind === "veth ptp";
      const address = isUplinks ? uplink : POD_MAC(number);
      far.neighbours.add({ index, destination: this.pod.address(number), address });
    }
  }

  [Symbol.dispose](): void {
    for (const netns of [this.pod.netns, this.#node, this.far.netns]) NetworkNamespace.remove(netns);
    unmount(this.options.bpffs);
    rmSync(this.folder, { recursive: true });
  }
}

/** A UDP socket with room for all that a test sends. */
function open(netns: string, address: string, port: number): Socket {
  const [AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_SNDBUFFORCE, SO_RCVBUFFORCE] = [2, 2, 1, 32, 33];
  const socket = Socket.open(AF_INET, SOCK_DGRAM, 0, { netns, name: "UDP socket" });
  for (const option of [SO_SNDBUFFORCE, SO_RCVBUFFORCE]) socket.setOption(SOL_SOCKET, option, 8_000_000);
  socket.bind(sockaddr(address, port));
  return socket;
}

/** `struct sockaddr_in`. */
function sockaddr(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([2, 0, port >> 8, port & 0xff, ...address.split(".").map(Number)]);
  return bytes;
}

/** Receives what is there. @returns how many datagrams that were */
function drain(socket: Socket): number {
  const MSG_DONTWAIT = 0x40;
  const bytes = new Uint8Array(2048);
  for (let count = 0; ; count++) {
    try {
      socket.receive(bytes, MSG_DONTWAIT);
    } catch (error) {
      if ((error as { code?: string }).code === "EAGAIN") return count;
      throw error;
    }
  }
}

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BpfObject, type LoadedObject } from "@weir/bpf-loader";
import { Rtnetlink } from "@weir/netlink";
import { Shaper } from "@weir/shaper";
import type { Bandwidth, Pod } from "@weir/test-e2e/lab";
import type { PeerName, Test } from "./plan.js";
import type { Place, Pods } from "./pods.js";

/** Something that limits pods. */
export interface Peer extends Disposable {
  /** Limits both pods in one direction to a rate, whatever they were limited to before; each has a limit of its own. */
  limit(pods: Pods, direction: Test["direction"], bitsPerSecond: number): Promise<void>;
}

/** What leaves at once after a pause, of shapers that must be told: enough for the largest packets, and for 2 ms. */
function burstBytes(bitsPerSecond: number): number {
  return Math.max(32_768, Math.round((bitsPerSecond / 8) * 0.002));
}

/** As Cilium polices ingress: 50 ms; less than the largest packet, and none of those would pass. */
function policeBurstBytes(bitsPerSecond: number): number {
  return Math.max(131_072, Math.round((bitsPerSecond / 8) * 0.05));
}

/** What containerd asks for where a pod's annotations name a rate, since they cannot name a burst. */
const CONTAINERD_BURST_BITS = 2 ** 32 - 1;

/** Makes what a name stands for. */
export function createPeer(name: PeerName, place: Place): Peer {
  switch (name) {
    case "weir":
      return weir();
    case "edt":
      return edt();
    case "bandwidth":
      return bandwidthPlugin(place, (rate) => burstBytes(rate) * 8);
    case "containerd":
      return bandwidthPlugin(place, () => CONTAINERD_BURST_BITS);
    case "police":
      return tc({
        ingress: (rate) => [
          "qdisc add dev eth0 clsact",
          `filter add dev eth0 ingress matchall action police rate ${rate}bit burst ${policeBurstBytes(rate)} drop`,
        ],
      });
    case "tbf":
      return tc({
        egress: (rate) => [
          `qdisc add dev eth0 root tbf rate ${rate}bit burst ${burstBytes(rate)} latency 25ms`,
        ],
      });
    case "htb":
      return tc({ egress: htb });
    case "fq_codel":
      return tc({
        egress: (rate) => [...htb(rate), "qdisc add dev eth0 parent 1:1 fq_codel"],
      });
    case "cake":
      return tc({ egress: (rate) => [`qdisc add dev eth0 root cake bandwidth ${rate}bit`] });
    case "unshaped":
      return tc({ egress: () => [] });
  }
}

function htb(rate: number): string[] {
  return [
    "qdisc add dev eth0 root handle 1: htb default 1",
    `class add dev eth0 parent 1: classid 1:1 htb rate ${rate}bit ceil ${rate}bit`,
  ];
}

/** What an operator would type. */
function tc(commands: { [K in Test["direction"]]?: (bitsPerSecond: number) => string[] }): Peer {
  return {
    async limit({ pod, neighbour }, direction, bitsPerSecond) {
      for (const each of [pod, neighbour]) {
        for (const old of ["qdisc del dev eth0 root", "qdisc del dev eth0 clsact"]) runTc(each, old);
        for (const command of commands[direction]?.(bitsPerSecond) ?? []) {
          const error = runTc(each, command);
          if (error !== undefined) throw new Error(`tc ${command}: ${error}`);
        }
      }
    },
    [Symbol.dispose]() {},
  };
}

/** What went wrong, if anything did. */
function runTc(pod: Pod, command: string): string | undefined {
  const args = [`--net=${pod.netns}`, "tc", ...command.split(" ")];
  const { status, stderr } = spawnSync("nsenter", args, { encoding: "utf8" });
  return status === 0 ? undefined : stderr;
}

function weir(): Peer {
  const shaper = Shaper.open();
  return {
    async limit({ pod, neighbour }, direction, bitsPerSecond) {
      for (const { name, netns } of [pod, neighbour])
        shaper.apply(
          { id: `bench/${name}`, netns, device: "eth0" },
          { [direction]: { bitsPerSecond: BigInt(bitsPerSecond) } },
        );
    },
    [Symbol.dispose]: () => shaper.close(),
  };
}

/** Departure times as Cilium's documentation describes them, before fq with its own defaults. */
function edt(): Peer {
  const object = fileURLToPath(new URL("../../fixtures/edt.bpf.o", import.meta.url));
  let loaded: LoadedObject | undefined;
  const attached = new Set<string>();
  return {
    async limit({ pod, neighbour }, direction, bitsPerSecond) {
      if (direction !== "egress") throw new Error("Cilium's departure times are egress's alone");
      loaded ??= BpfObject.parse(readFileSync(object)).load();
      const pods = loaded.map<number, Record<string, bigint>>("pods");
      for (const [index, { netns }] of [pod, neighbour].entries()) {
        pods.set(index + 1, { bytes_per_second: BigInt(bitsPerSecond) / 8n, next_ns: 0n });
        if (attached.has(netns)) continue;
        attached.add(netns);
        using rt = Rtnetlink.open({ netns });
        const device = rt.links.get("eth0").index;
        rt.qdiscs.replace({ index: device, parent: "root", kind: "fq" });
        rt.qdiscs.add({ index: device, kind: "clsact" });
        rt.filters.add({
          ...{ index: device, parent: "egress", kind: "bpf" },
          options: { fd: loaded.program("stamp").fd, name: "edt", classid: index + 1 },
        });
      }
    },
    [Symbol.dispose]: () => loaded?.close(),
  };
}

/** The reference plugin, which limits a veth pair when the pod is made. */
function bandwidthPlugin(place: Place, burstBits: (bitsPerSecond: number) => number): Peer {
  return {
    async limit(pods, direction, bitsPerSecond) {
      await place.remake(pods, bandwidthOf(direction, bitsPerSecond, burstBits(bitsPerSecond)));
    },
    [Symbol.dispose]() {},
  };
}

function bandwidthOf(direction: Test["direction"], rate: number, burst: number): Bandwidth {
  return direction === "egress"
    ? { egressRate: rate, egressBurst: burst }
    : { ingressRate: rate, ingressBurst: burst };
}

import { kernelVersion, NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import { Rtnetlink } from "../rtnetlink/rtnetlink.js";
import { gact, mirred } from "../tc/action.js";
import { bpfAction } from "../tc/actions/bpf.js";
import { pedit } from "../tc/actions/pedit.js";
import { police } from "../tc/actions/police.js";
import { skbedit } from "../tc/actions/skbedit.js";
import { vlan } from "../tc/actions/vlan.js";
import type { FilterRequest } from "../tc/filters.js";
import { loadPassProgram } from "./bpf-program.js";

/** Tries to make one object of each feature in a namespace that is thrown away. */
const probes = {
  root: () => {},
  bridge: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "bridge" }),
  bridge_vlan: (rt: Rtnetlink) =>
    rt.links.add({ name: "probe", kind: "bridge", data: { vlanFiltering: true } }),
  dummy: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "dummy" }),
  ifb: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "ifb" }),
  ipvlan: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "ipvlan", link: veth(rt) }),
  macvlan: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "macvlan", link: veth(rt) }),
  bond: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "bond" }),
  geneve: (rt: Rtnetlink) =>
    rt.links.add({ name: "probe", kind: "geneve", data: { id: 1, remote: "192.0.2.1" } }),
  gre: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "gretap", data: { remote: "192.0.2.1" } }),
  ip6gre: (rt: Rtnetlink) =>
    rt.links.add({ name: "probe", kind: "ip6gretap", data: { remote: "2001:db8::1" } }),
  ip6tnl: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "ip6tnl", data: { remote: "2001:db8::1" } }),
  ipip: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "ipip", data: { remote: "192.0.2.1" } }),
  mpls: (rt: Rtnetlink) => {
    rt.links.set("lo", { up: true });
    rt.routes.add({ destination: "10.0.0.0/8", index: 1, encapType: "mpls", encap: { labels: [100] } });
  },
  netkit: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "netkit" }),
  sit: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "sit", data: { remote: "192.0.2.1" } }),
  vlan: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "vlan", link: veth(rt), data: { id: 7 } }),
  vrf: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "vrf", data: { table: 7 } }),
  vti: (rt: Rtnetlink) =>
    rt.links.add({ name: "probe", kind: "vti", data: { remote: "192.0.2.1", inputKey: 1 } }),
  vxlan: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "vxlan", data: { id: 7, port: 4789 } }),
  wireguard: (rt: Rtnetlink) => rt.links.add({ name: "probe", kind: "wireguard" }),
  veth,
  sch_cake: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "cake" }),
  sch_codel: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "codel" }),
  sch_etf: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "etf", options: { deltaNs: 1 } }),
  sch_fq_codel: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "fq_codel" }),
  sch_mqprio: (rt: Rtnetlink) => {
    rt.links.add({ name: "probe", kind: "veth", numTxQueues: 2, data: { peer: { name: "probe-peer" } } });
    const queues = [{ count: 1, offset: 0 }];
    const options = { priomap: new Array(16).fill(0), queues, hardware: false };
    rt.qdiscs.add({ index: rt.links.get("probe").index, kind: "mqprio", options });
  },
  sch_netem: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "netem" }),
  sch_clsact: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "clsact" }),
  sch_fq: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "fq" }),
  sch_htb: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "htb" }),
  sch_prio: (rt: Rtnetlink) =>
    rt.qdiscs.add({ index: 1, kind: "prio", options: { bands: 3, priomap: new Array(16).fill(0) } }),
  sch_sfq: (rt: Rtnetlink) => rt.qdiscs.add({ index: 1, kind: "sfq" }),
  sch_tbf: (rt: Rtnetlink) =>
    rt.qdiscs.add({
      index: 1,
      kind: "tbf",
      options: { rateBitsPerSecond: 1_000_000, burstBytes: 10_000, limitBytes: 10_000 },
    }),
  act_bpf: (rt: Rtnetlink) => {
    using fd = loadPassProgram("probe", "action");
    filter(rt, { kind: "u32", options: { actions: [bpfAction({ fd })] } });
  },
  act_gact: (rt: Rtnetlink) => filter(rt, { kind: "u32", options: { actions: [gact("ok")] } }),
  act_mirred: (rt: Rtnetlink) => filter(rt, { kind: "u32", options: { actions: [mirred({ to: 1 })] } }),
  act_pedit: (rt: Rtnetlink) =>
    filter(rt, {
      kind: "u32",
      options: { actions: [pedit({ keys: [{ mask: 0, value: 1, offset: 0, header: "ip4" }] })] },
    }),
  act_police: (rt: Rtnetlink) =>
    filter(rt, {
      kind: "u32",
      options: { actions: [police({ rateBitsPerSecond: 1_000_000, burstBytes: 10_000 })] },
    }),
  act_skbedit: (rt: Rtnetlink) => filter(rt, { kind: "u32", options: { actions: [skbedit({ mark: 1 })] } }),
  act_vlan: (rt: Rtnetlink) =>
    filter(rt, { kind: "u32", options: { actions: [vlan({ operation: "pop" })] } }),
  cls_basic: (rt: Rtnetlink) => filter(rt, { kind: "basic", options: {} }),
  cls_flower: (rt: Rtnetlink) => filter(rt, { kind: "flower", options: {} }),
  cls_fw: (rt: Rtnetlink) => filter(rt, { kind: "fw", handle: 1, options: { classid: "1:1" } }),
  cls_bpf: (rt: Rtnetlink) => {
    using fd = loadPassProgram("probe");
    filter(rt, { kind: "bpf", options: { fd } });
  },
  cls_matchall: (rt: Rtnetlink) => filter(rt, { kind: "matchall", options: {} }),
  cls_u32: (rt: Rtnetlink) => filter(rt, { kind: "u32", options: {} }),
} as const;

/** Features that are younger than the oldest kernel supported here, with the version that brought them. */
const since: Partial<Record<Feature, readonly [major: number, minor: number]>> = { netkit: [6, 7] };

/** What a test needs of the kernel: a kind of link, or the name of a module of traffic control. */
export type Feature = keyof typeof probes;

function veth(rt: Rtnetlink): number {
  rt.links.add({ name: "probe-veth", kind: "veth", data: { peer: { name: "probe-peer" } } });
  return rt.links.get("probe-veth").index;
}

function filter<K extends string>(
  rt: Rtnetlink,
  request: Pick<FilterRequest<K>, "kind" | "options" | "handle">,
): void {
  rt.qdiscs.add({ index: 1, kind: "clsact" });
  rt.filters.add({ index: 1, parent: "egress", ...request });
}

/**
 * A test function for tests that need these features. Where the kernel lacks one, the tests are skipped and say so;
 * in the kernel VM nothing may be lacking, so there they run, and fail.
 */
export function needs(...features: Feature[]): (name: string, run: () => void | Promise<void>) => void {
  const missing = features.find((feature) => (process.env.WEIR_VM === "1" ? tooNew(feature) : !has(feature)));
  if (missing === undefined) return test;
  return (name, run) => {
    console.log(`skipped, for want of ${missing}: ${name}`);
    test.skip(name, run);
  };
}

function tooNew(feature: Feature): boolean {
  return !fromKernel(...(since[feature] ?? [0, 0]));
}

/** Whether the kernel is of that version or later. */
export function fromKernel(major: number, minor: number): boolean {
  const kernel = kernelVersion();
  return kernel.major > major || (kernel.major === major && kernel.minor >= minor);
}

function has(feature: Feature): boolean {
  if (process.getuid?.() !== 0) return false;
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  try {
    probes[feature](rt);
    return true;
  } catch {
    return false;
  }
}

/** Runs a test's work with an rtnetlink socket in a network namespace of its own, which ends with it. */
export function inNamespace<T>(work: (rt: Rtnetlink, namespace: NetworkNamespace) => T): T {
  const namespace = NetworkNamespace.createAnonymous();
  const rt = Rtnetlink.open({ netns: namespace });
  const end = () => {
    rt.close();
    namespace.close();
  };
  let result: T | undefined;
  try {
    result = work(rt, namespace);
    return result;
  } finally {
    if (result instanceof Promise) result.then(end, end);
    else end();
  }
}

import { execFileSync } from "node:child_process";
import type { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Rtnetlink } from "../rtnetlink/rtnetlink.js";
import { inNamespace, needs } from "../testing/needs.js";
import { type ActionInput, gact, mirred } from "./action.js";
import { pedit } from "./actions/pedit.js";
import { police } from "./actions/police.js";
import { skbedit } from "./actions/skbedit.js";
import { vlan } from "./actions/vlan.js";
import { isFilterKind } from "./filter.js";
import type { FilterRequest } from "./filters.js";
import {
  isQdiscKind,
  type QdiscKind,
  type QdiscOptionsByKind,
  type QdiscOptionsInputByKind,
} from "./qdisc.js";
import { gotoChain } from "./verdict.js";

type Json = Record<string, unknown>;

/** What tc(8) says, run in a namespace. */
function tc(namespace: NetworkNamespace, ...args: string[]): Json[] {
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", "pipe", "pipe", namespace.fd.number];
  const command = ["--net=/proc/self/fd/3", "tc", "-s", "-d", "-j", ...args];
  return JSON.parse(execFileSync("nsenter", command, { encoding: "utf8", stdio }));
}

/** The index of a veth device with four queues, up. */
function device(rt: Rtnetlink): number {
  rt.links.add({ name: "v0", kind: "veth", up: true, numTxQueues: 4, data: { peer: { name: "v1" } } });
  rt.links.set("v1", { up: true });
  return rt.links.get("v0").index;
}

/** Makes a qdisc, and compares what we and tc(8) read of it. */
function made<K extends QdiscKind>(
  kind: K,
  options: QdiscOptionsInputByKind[K & keyof QdiscOptionsInputByKind],
  ours: Partial<QdiscOptionsByKind[K]>,
  theirs: Json,
): void {
  inNamespace((rt, namespace) => {
    const index = device(rt);
    rt.qdiscs.replace({ index, kind, parent: "root", handle: "1:", options } as never);
    const qdisc = rt.qdiscs.find(index);
    assert.ok(qdisc && isQdiscKind(qdisc, kind));
    const read = (qdisc?.options ?? {}) as Json;
    for (const [name, value] of Object.entries(ours)) assert.equal(read[name], value, `${kind}: ${name}`);
    const shown = tc(namespace, "qdisc", "show", "dev", "v0", "root")[0]?.options as Json;
    for (const [name, value] of Object.entries(theirs))
      assert.equal(shown[name], value, `tc ${kind}: ${name}`);
    // What was read is good for making it again.
    rt.qdiscs.remove({ index, parent: "root" });
    rt.qdiscs.add({ index, kind, parent: "root", handle: "1:", options: qdisc?.options } as never);
    const again = rt.qdiscs.find(index)?.options;
    // The kernel keeps codel's times in units of 1024 ns, and drops a little each time; sfq has 128 flows where none are
    // asked for, and takes 127 at most.
    if (!/codel|sfq/.test(kind)) assert.equal(again, qdisc?.options);
  });
}

needs("sch_fq_codel", "sch_codel")(
  "fq_codel and codel have what they were given, as tc(8) reads them",
  () => {
    made(
      "fq_codel",
      { limit: 1000, targetUs: 3000, ecn: false, memoryLimitBytes: 4 << 20, flows: 512 },
      { limit: 1000, targetUs: 2999, ecn: false, memoryLimitBytes: 4 << 20, flows: 512 },
      { limit: 1000, target: 2999, memory_limit: 4 << 20, flows: 512 },
    );
    made(
      "codel",
      { limit: 500, intervalUs: 90_000, ecn: true },
      { limit: 500, ecn: true },
      { interval: 89_999 },
    );
  },
);

needs("sch_cake")("cake shapes to more than 4 GB/s, as tc(8) reads it", () => {
  const options = {
    bandwidthBitsPerSecond: 50_000_000_000n,
    diffserv: "besteffort",
    flowMode: "dualDsthost",
    overheadBytes: -4,
    atm: "ptm",
  } as const;
  made("cake", options, options, {
    bandwidth: 6_250_000_000,
    diffserv: "besteffort",
    flowmode: "dual-dsthost",
    overhead: -4,
    atm: "ptm",
  });
});

needs("sch_netem")(
  "netem has its delays to the nanosecond, its chances and its rate, as tc(8) reads them",
  () => {
    made(
      "netem",
      {
        delayUs: 10_000.001,
        jitterUs: 500,
        loss: { probability: 0.25 },
        rate: { bitsPerSecond: 50_000_000_000n, cellSizeBytes: 100 },
        gap: 5,
        reorder: { probability: 0.5 },
      },
      { delayUs: 10_000.001, jitterUs: 500, gap: 5, limit: 1000 },
      {
        "loss-random": { loss: 0.25, correlation: 0 },
        rate: { rate: 6_250_000_000, packetoverhead: 0, cellsize: 100, celloverhead: 0 },
      },
    );
    made("netem", {}, { delayUs: 0, limit: 1000, rate: undefined }, { limit: 1000 });
  },
);

needs(
  "sch_sfq",
  "sch_prio",
  "sch_mqprio",
  "sch_etf",
)("sfq, prio, mqprio, etf and fifos have what they were given, as tc(8) reads them", () => {
  const red = { limitBytes: 100_000, minBytes: 8000, maxBytes: 60_000, probability: 0.2, ecn: true };
  made(
    "sfq",
    { perturbSeconds: 10, depth: 60, red },
    { perturbSeconds: 10, depth: 60 },
    { ewma: 6, perturb: 10 },
  );
  made("prio", {}, { bands: 3 }, { bands: 3, priomap: [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] });
  const queues = [
    { count: 1, offset: 0 },
    { count: 3, offset: 1 },
  ];
  const priomap = Array.from({ length: 16 }, (_, priority) => priority & 1);
  inNamespace((rt, namespace) => {
    const index = device(rt);
    rt.qdiscs.add({
      index,
      kind: "mqprio",
      parent: "root",
      handle: "1:",
      options: { priomap, queues, hardware: false },
    });
    const qdisc = rt.qdiscs.find(index);
    assert.equal((qdisc!.options as { queues: unknown }).queues, queues);
    const [shown] = tc(namespace, "qdisc", "show", "dev", "v0", "root");
    assert.equal((shown!.options as Json).queues, [
      [0, 0],
      [1, 3],
    ]);
  });
  made("etf", { deltaNs: 200_000 }, { deltaNs: 200_000, clock: "tai" }, { delta: 200_000, clockid: "TAI" });
  made("pfifo", { limit: 50 }, { limit: 50 }, { limit: 50 });
  made("bfifo", { limit: 50_000 }, { limit: 50_000 }, { limit: 50_000 });
});

/** Makes a filter at the ingress of a device, and gives what we and tc(8) read of it. */
function filtered<const K extends string>(request: Omit<FilterRequest<K>, "index" | "parent">) {
  return inNamespace((rt, namespace) => {
    const index = device(rt);
    rt.qdiscs.add({ index, kind: "clsact" });
    rt.filters.add({ index, parent: "ingress", priority: 7, ...request } as FilterRequest<K>);
    const [ours] = rt.filters.dump({ index, parent: "ingress" });
    if (request.kind === "fw" || request.kind === "basic") return { ours, theirs: {} }; // tc has no JSON for them
    const theirs = tc(namespace, "filter", "show", "dev", "v0", "ingress").find(({ options }) => options);
    return { ours, theirs: theirs?.options as Json };
  });
}

needs("cls_flower", "act_gact")("flower has its keys, as tc(8) reads them", () => {
  const { ours, theirs } = filtered({
    kind: "flower",
    protocol: "ip",
    options: {
      ipProtocol: "tcp",
      ipv4Source: "10.1.0.0/16",
      tcpDestinationPort: 80,
      tcpFlags: 2,
      tcpFlagsMask: 7,
      actions: [gact("shot")],
    },
  });
  assert.ok(ours && isFilterKind(ours, "flower"));
  const options = ours?.options as unknown as Json;
  assert.is(options.ipv4Source, "10.1.0.0");
  assert.is(options.ipv4SourceMask, "255.255.0.0");
  assert.equal(theirs.keys, {
    eth_type: "ipv4",
    ip_proto: "tcp",
    src_ip: "10.1.0.0/16",
    dst_port: 80,
    tcp_flags: "0x2/7",
  });
});

needs("cls_fw", "cls_basic")("fw and basic are made, as we read them", () => {
  const { ours } = filtered({
    kind: "fw",
    handle: 6,
    protocol: "ip",
    options: { classid: "1:3", mask: 0xf },
  });
  assert.is(ours?.handle, 6);
  assert.equal(ours?.options, { classid: 0x10003, mask: 0xf, inputDevice: undefined, actions: [] });
  const all = filtered({ kind: "basic", options: { classid: "1:4" } });
  assert.is((all.ours!.options as unknown as Json).classid, 0x10004);
});

needs(
  "cls_matchall",
  "act_police",
  "act_skbedit",
  "act_vlan",
  "act_pedit",
  "act_gact",
  "act_mirred",
)("actions are carried in order with what they were given, as tc(8) reads them", () => {
  const actions: ActionInput[] = [
    police({ rateBitsPerSecond: 50_000_000_000n, burstBytes: 4 << 20, conform: "pipe", exceed: "shot" }),
    skbedit({ mark: 5, markMask: 0xff, priority: "1:3" }),
    vlan({ operation: "push", id: 5, protocol: "802.1ad" }),
    pedit({ keys: [{ mask: 0x00ff_ffff, value: 0x4000_0000, offset: 8, header: "ip4" }] }),
    { ...gact("pipe", { random: { type: "determ", every: 7, action: "ok" } }), cookie: Uint8Array.of(1, 2) },
    mirred({ to: 1, direction: "ingress" }),
  ];
  const { ours, theirs } = filtered({ kind: "matchall", protocol: "ip", options: { actions } });
  const read = (ours!.options as { actions: { kind: string; options: Json; cookie?: Uint8Array }[] }).actions;
  assert.equal(
    read.map(({ kind }) => kind),
    ["police", "skbedit", "vlan", "pedit", "gact", "mirred"],
  );
  assert.is(read[0]?.options.rate64, 6_250_000_000n);
  assert.is(read[1]?.options.mark, 5);
  assert.is(read[2]?.options.protocol, "802.1ad");
  assert.equal(read[4]?.cookie, Uint8Array.of(1, 2));
  const shown = theirs.actions as Json[];
  assert.is(shown[1]?.mark, 5);
  assert.is(shown[1]?.priority, "1:3");
  assert.is(shown[2]?.id, 5);
  assert.is(shown[2]?.protocol, "802.1ad");
  assert.equal((shown[3]!.keys as Json[])[0], {
    htype: "ipv4",
    offset: 8,
    cmd: "set",
    val: "40000000",
    mask: "ffffff",
  });
  assert.is(shown[4]?.cookie, "0102");
});

needs("cls_flower", "act_gact")("chains are made with a template, hold filters, and go", () => {
  inNamespace((rt, namespace) => {
    const index = device(rt);
    rt.qdiscs.add({ index, kind: "clsact" });
    const parent = "ingress";
    rt.chains.add({ index, parent, chain: 5 });
    rt.chains.add({
      index,
      parent,
      chain: 6,
      kind: "flower",
      protocol: "ip",
      template: { ipv4Destination: "0.0.0.0/24" },
    });
    const numbers = () =>
      [...rt.chains.dump({ index, parent })].map(({ chain, kind }) => [chain, kind] as const);
    assert.equal(numbers(), [
      [5, undefined],
      [6, "flower"],
    ]);
    assert.is(
      (rt.chains.get({ index, parent, chain: 6 }).template as unknown as Json).ipv4DestinationMask,
      "255.255.255.0",
    );
    assert.is(tc(namespace, "chain", "show", "dev", "v0", "ingress").length, 2);
    const options = { ipv4Destination: "192.0.2.0/24", actions: [gact(gotoChain(5))] };
    rt.filters.add({ index, parent, kind: "flower", protocol: "ip", chain: 6, options });
    const [filter] = rt.filters.dump({ index, parent, chain: 6 });
    assert.is(filter?.chain, 6);
    assert.is([...rt.filters.dump({ index, parent, chain: 5 })].length, 0);
    assert.is(rt.chains.removeIfPresent({ index, parent, chain: 6 }), true);
    assert.is(rt.chains.removeIfPresent({ index, parent, chain: 6 }), false);
    assert.equal(numbers(), [[5, undefined]]);
  });
});

needs("sch_clsact")("an empty chain is made, found and removed", () => {
  inNamespace((rt) => {
    const index = device(rt);
    rt.qdiscs.add({ index, kind: "clsact" });
    rt.chains.add({ index, parent: "egress", chain: 5 });
    assert.equal(rt.chains.get({ index, parent: "egress", chain: 5 }).chain, 5);
    assert.is(rt.chains.removeIfPresent({ index, parent: "egress", chain: 5 }), true);
    assert.is(rt.chains.removeIfPresent({ index, parent: "egress", chain: 5 }), false);
  });
});

test.run();

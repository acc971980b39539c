import { test } from "uvu";
import * as assert from "uvu/assert";
import { Input } from "../schema/index.js";
import { capturedTc } from "../testing/captured-tc.js";
import { shownByTc } from "../testing/shown-by-tc.js";
import { formatHandle } from "./handle.js";
import type { CakeStats } from "./kinds/cake.js";
import { type Qdisc, type QdiscOptionsByKind, qdiscReply } from "./qdisc.js";

type Json = Record<string, unknown>;

/** A rate in bytes per second, as tc has it. */
const bytes = (bits: bigint | "unlimited" | undefined) =>
  bits === "unlimited" ? bits : bits === undefined ? undefined : Number(bits / 8n);
/** A probability, as tc rounds it. */
const rounded = (value: number) => Number(value.toPrecision(6));
const chance = (name: string, one: { probability: number; correlation?: number | undefined } | undefined) =>
  one?.probability
    ? { [name]: rounded(one.probability), correlation: rounded(one.correlation ?? 0) }
    : undefined;
const rounds = (values: object | undefined) =>
  values && Object.fromEntries(Object.entries(values).map(([key, value]) => [key, rounded(value)]));

/** Our options in the words of tc. */
const words: { [K in keyof QdiscOptionsByKind]?: (options: QdiscOptionsByKind[K]) => Json } = {
  fq: (o) => ({
    limit: o.limit,
    flow_limit: o.flowLimit,
    buckets: 1 << (o.bucketsLog ?? 0),
    orphan_mask: o.orphanMask,
    quantum: o.quantumBytes,
    initial_quantum: o.initialQuantumBytes,
    maxrate: bytes(o.maxRateBitsPerSecond),
    low_rate_threshold: bytes(o.lowRateThresholdBitsPerSecond),
    refill_delay: o.flowRefillDelayUs,
    ce_threshold: o.ceThresholdUs,
    timer_slack: o.timerSlackNs,
    horizon: o.horizonUs,
    ...(o.horizonDrop ? { horizon_drop: null } : { horizon_cap: null }),
  }),
  codel: (o) => ({
    limit: o.limit,
    target: o.targetUs,
    ce_threshold: o.ceThresholdUs,
    interval: o.intervalUs,
    ecn: o.ecn || undefined,
  }),
  fq_codel: (o) => ({
    limit: o.limit,
    flows: o.flows,
    quantum: o.quantumBytes,
    target: o.targetUs,
    ce_threshold: o.ceThresholdUs,
    ce_threshold_selector: o.ceThresholdMask ? o.ceThresholdSelector : undefined,
    ce_threshold_mask: o.ceThresholdMask || undefined,
    interval: o.intervalUs,
    memory_limit: o.memoryLimitBytes,
    ecn: o.ecn || undefined,
    drop_batch: o.dropBatchSize,
  }),
  sfq: (o) => ({
    limit: o.limit,
    quantum: o.quantumBytes,
    depth: o.depth,
    headdrop: o.headDrop || undefined,
    flows: o.flows,
    divisor: o.divisor,
    perturb: o.perturbSeconds || undefined,
    ...(o.red && {
      ewma: o.red.wLog,
      min: o.red.minBytes,
      max: o.red.maxBytes,
      probability: rounded(o.red.probability),
      ecn: o.red.ecn,
      harddrop: o.red.hardDrop,
      adaptive: false,
      nodrop: false,
      prob_mark: o.redStats?.probabilityMarks,
      prob_mark_head: o.redStats?.probabilityHeadMarks,
      prob_drop: o.redStats?.probabilityDrops,
      forced_mark: o.redStats?.forcedMarks,
      forced_mark_head: o.redStats?.forcedHeadMarks,
      forced_drop: o.redStats?.forcedDrops,
    }),
  }),
  prio: (o) => ({ bands: o.bands, priomap: o.priomap, multiqueue: false }),
  mqprio: (o) => ({
    tc: o.queues.length,
    map: o.priomap,
    queues: o.queues.map(({ count, offset }) => [offset, offset + count - 1]),
    // The kernel does not send what was never set.
    mode: o.mode ?? "dcb",
    shaper: o.shaper ?? "dcb",
  }),
  netem: (o) => ({
    limit: o.limit,
    delay: o.delayUs
      ? { delay: o.delayUs / 1e6, jitter: o.jitterUs / 1e6, correlation: rounded(o.delayCorrelation) }
      : undefined,
    "loss-random": chance("loss", o.loss),
    "loss-state": rounds(o.lossState),
    "loss-gemodel": o.lossGemodel
      ? rounds({
          p: o.lossGemodel.p,
          r: o.lossGemodel.r,
          "1-h": 1 - o.lossGemodel.h,
          "1-k": o.lossGemodel.k1,
        })
      : undefined,
    duplicate: chance("duplicate", o.duplicate),
    reorder: chance("reorder", o.reorder),
    corrupt: chance("corrupt", o.corrupt),
    rate: o.rate && {
      rate: bytes(o.rate.bitsPerSecond),
      packetoverhead: o.rate.packetOverheadBytes,
      cellsize: o.rate.cellSizeBytes,
      celloverhead: o.rate.cellOverheadBytes,
    },
    slot:
      o.slot &&
      (o.slot.distributionDelayUs
        ? {
            distribution: o.slot.distributionDelayUs / 1e6,
            jitter: o.slot.distributionJitterUs / 1e6,
            packets: o.slot.maxPackets,
            bytes: o.slot.maxBytes,
          }
        : {
            "min-delay": o.slot.minDelayUs / 1e6,
            "max-delay": o.slot.maxDelayUs / 1e6,
            packets: o.slot.maxPackets,
            bytes: o.slot.maxBytes,
          }),
    ecn: o.ecn,
    gap: o.gap,
  }),
  cake: (o) => ({
    bandwidth: bytes(o.bandwidthBitsPerSecond),
    autorate: o.autorateIngress ? "autorate-ingress" : undefined,
    diffserv: o.diffserv,
    flowmode: String(o.flowMode).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    nat: o.nat,
    wash: o.wash,
    ingress: o.ingress,
    "ack-filter": { none: "disabled", filter: "enabled" }[String(o.ackFilter)] ?? o.ackFilter,
    split_gso: o.splitGso,
    rtt: o.rttUs,
    raw: o.raw ?? false,
    atm: o.atm === "none" ? undefined : o.atm,
    overhead: o.overheadBytes,
    mpu: o.mpuBytes || undefined,
    memlimit: o.memoryLimitBytes || undefined,
    fwmark: o.fwmarkMask ? `0x${o.fwmarkMask.toString(16)}` : "0",
  }),
  etf: (o) => ({
    clockid: String(o.clock).toUpperCase(),
    delta: o.deltaNs,
    offload: o.flags.includes("offload") ? "on" : "off",
    deadline_mode: o.flags.includes("deadlineMode") ? "on" : "off",
    skip_sock_check: o.flags.includes("skipSockCheck") ? "on" : "off",
  }),
  // tc writes bursts with units and reckons the latency.
  tbf: (o) => ({
    rate: bytes(o.rateBitsPerSecond),
    mpu: o.mpuBytes,
    overhead: o.overheadBytes || undefined,
    linklayer: o.linkLayer,
  }),
  htb: (o) => ({
    r2q: o.rateToQuantum,
    default: `0x${o.defaultClass.toString(16)}`,
    direct_packets_stat: o.directPackets,
    direct_qlen: o.directQueueLength,
  }),
};

/** What tc says of options that are compared elsewhere or not at all. */
const elsewhere = new Set(["burst", "lat", "mtu", "ver"]);

/** Our counters in the words of tc; the kinds' own are named as there. */
const xstats: Record<string, (xstats: never) => Json> = {
  codel: ({ count, lastCount, maxPacketBytes, ecnMarks, dropOverLimit }: Record<string, number>) => ({
    count,
    lastcount: lastCount,
    maxpacket: maxPacketBytes,
    ecn_mark: ecnMarks,
    drop_overlimit: dropOverLimit,
  }),
  fq: ({ flows, inactiveFlows, throttledFlows, gcFlows }: Record<string, number>) => ({
    flows,
    inactive: inactiveFlows,
    throttled: throttledFlows,
    gc: Number(gcFlows),
  }),
  fq_codel: ({ maxPacketBytes, newFlowCount, ecnMarks, oldFlowsLength }: Record<string, number>) => ({
    maxpacket: maxPacketBytes,
    new_flow_count: newFlowCount,
    ecn_mark: ecnMarks,
    old_flows_len: oldFlowsLength,
  }),
  cake: (stats: CakeStats) => ({
    memory_used: stats.memoryUsedBytes,
    memory_limit: stats.memoryLimitBytes,
    capacity_estimate: Number((stats.capacityEstimateBitsPerSecond ?? 0n) / 8n),
    max_network_size: stats.maxNetworkBytes,
    max_adj_size: stats.maxAdjustedBytes,
    tins: stats.tins?.slice(0, 2).map((tin) => ({
      threshold_rate: Number((tin.thresholdBitsPerSecond ?? 0n) / 8n),
      sent_bytes: Number(tin.sentBytes),
      backlog_bytes: tin.backlogBytes,
      target_us: tin.targetUs,
      interval_us: tin.intervalUs,
      peak_delay_us: tin.peakDelayUs,
      avg_delay_us: tin.averageDelayUs,
      base_delay_us: tin.baseDelayUs,
      sent_packets: tin.sentPackets,
      way_indirect_hits: tin.wayIndirectHits,
      way_misses: tin.wayMisses,
      way_collisions: tin.wayCollisions,
      drops: tin.droppedPackets,
      ecn_mark: tin.ecnMarkedPackets,
      ack_drops: tin.acksDroppedPackets,
      sparse_flows: tin.sparseFlows,
      bulk_flows: tin.bulkFlows,
      unresponsive_flows: tin.unresponsiveFlows,
      max_pkt_len: tin.maxPacketBytes,
      flow_quantum: tin.flowQuantumBytes,
    })),
  }),
};

/** The captured qdisc that tc shows. */
function qdiscAfter(command: string, kind: string): Qdisc {
  for (const { hex, command: after } of capturedTc) {
    if (after !== command) continue;
    const wire = new Uint8Array(Buffer.from(hex, "hex"));
    const qdisc = qdiscReply.decode(new Input(wire), 0, wire.length);
    if (qdisc?.kind === kind) return qdisc;
  }
  throw new Error(`no ${kind} was captured after ${command}`);
}

const defined = (value: Json): Json =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

/** The kinds whose own counters were compared. */
const compared = new Set<string>();

for (const { command, json } of shownByTc)
  test(`what we read after "${command}" is what tc reads`, () => {
    const theirs = JSON.parse(json) as Json & { kind: string; options: Json };
    const qdisc = qdiscAfter(command, theirs.kind);
    if (theirs.kind !== "noqueue") assert.is(formatHandle(qdisc.handle).replace("none", "0:"), theirs.handle);
    assert.is(qdisc.ingressBlock, theirs.ingress_block);
    assert.is(qdisc.egressBlock, theirs.egress_block);
    const convert = words[theirs.kind as keyof typeof words] as ((options: unknown) => Json) | undefined;
    const ours = defined(convert && qdisc.options ? convert(qdisc.options) : ((qdisc.options ?? {}) as Json));
    const expected = Object.fromEntries(
      Object.entries(theirs.options).filter(([key]) => !elsewhere.has(key)),
    );
    // The rate that cake guesses goes on changing, and htb counts packets here.
    for (const live of ours.autorate ? ["bandwidth"] : ["direct_packets_stat"]) {
      delete ours[live];
      delete expected[live];
    }
    assert.equal(ours, expected);
    assert.is(qdisc.stats?.requeues, theirs.requeues);
    // Some devices sent a packet between the two captures.
    const convertStats = xstats[theirs.kind] as ((xstats: unknown) => Json) | undefined;
    if (Number(qdisc.stats?.packets) !== theirs.packets || !convertStats || ours.autorate) return;
    assert.is(Number(qdisc.stats?.bytes), theirs.bytes);
    const counters = convertStats(qdisc.xstats);
    for (const [name, value] of Object.entries(counters)) assert.equal(value, theirs[name], name);
    compared.add(theirs.kind);
  });

test("the counters of all kinds that have their own were compared", () => {
  assert.equal([...compared].sort(), Object.keys(xstats).sort());
});

test.run();

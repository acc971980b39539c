import type { CakeStats } from "../tc/kinds/cake.js";
import type { QdiscOptionsByKind } from "../tc/qdisc.js";

/** What tc(8) says. */
export type Json = Record<string, unknown>;

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
export const qdiscWords: { [K in keyof QdiscOptionsByKind]?: (options: QdiscOptionsByKind[K]) => Json } = {
  fq: (o) => ({
    limit: o.limit,
    flow_limit: o.flowLimit,
    buckets: 1 << (o.bucketsLog ?? 0),
    orphan_mask: o.orphanMask,
    quantum: o.quantumBytes,
    initial_quantum: o.initialQuantumBytes,
    maxrate: o.maxRateBitsPerSecond === "unlimited" ? undefined : bytes(o.maxRateBitsPerSecond),
    pacing: o.pacing ? undefined : false,
    low_rate_threshold: bytes(o.lowRateThresholdBitsPerSecond),
    refill_delay: o.flowRefillDelayUs,
    // What is never reached is left out.
    ce_threshold: o.ceThresholdUs === 0xffff_ffff ? undefined : o.ceThresholdUs,
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
  pfifo_fast: (o) => ({ bands: o.bands, priomap: o.priomap, multiqueue: false }),
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
export const elsewhere = new Set(["burst", "lat", "mtu", "ver"]);

/** Our counters in the words of tc; the kinds' own are named as there. */
export const xstatsWords: Record<string, (xstats: never) => Json> = {
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

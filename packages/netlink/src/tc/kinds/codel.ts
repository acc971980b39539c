import { attributes } from "../../schema/attributes.js";
import { bool32, type Codec, type Decoded, type Encodable, once, s32, u8, u32 } from "../../schema/codec.js";
import { struct } from "../../schema/struct.js";

/** The codel qdisc: enum TCA_CODEL_* of include/uapi/linux/pkt_sched.h and net/sched/sch_codel.c. */
export const codelAttributes = once(() =>
  attributes({
    /** The delay that is acceptable as the lowest of an interval, in microseconds; default 5000. */
    targetUs: [1, "TCA_CODEL_TARGET", u32],
    /** Packets in the queue; default 1000. */
    limit: [2, "TCA_CODEL_LIMIT", u32],
    /** About the longest round trip, in microseconds; default 100000. */
    intervalUs: [3, "TCA_CODEL_INTERVAL", u32],
    /** Whether packets are marked with ECN CE in place of being dropped; default false. */
    ecn: [4, "TCA_CODEL_ECN", bool32],
    /** Packets later than this many microseconds are marked with ECN CE; absent: switched off. */
    ceThresholdUs: [5, "TCA_CODEL_CE_THRESHOLD", u32],
  }),
);

/** The fq_codel qdisc: enum TCA_FQ_CODEL_* of include/uapi/linux/pkt_sched.h and net/sched/sch_fq_codel.c. */
export const fqCodelAttributes = once(() =>
  attributes({
    /** The delay that is acceptable as the lowest of an interval, in microseconds; default 5000. */
    targetUs: [1, "TCA_FQ_CODEL_TARGET", u32],
    /** Packets in the whole queue; default 10240. */
    limit: [2, "TCA_FQ_CODEL_LIMIT", u32],
    /** About the longest round trip, in microseconds; default 100000. */
    intervalUs: [3, "TCA_FQ_CODEL_INTERVAL", u32],
    /** Whether packets are marked with ECN CE in place of being dropped; default true. */
    ecn: [4, "TCA_FQ_CODEL_ECN", bool32],
    /** Queues that flows are hashed into; default 1024. It can only be set when the qdisc is made. */
    flows: [5, "TCA_FQ_CODEL_FLOWS", u32],
    /** Bytes that a flow may send in its turn; default the MTU. */
    quantumBytes: [6, "TCA_FQ_CODEL_QUANTUM", u32],
    /** Packets later than this many microseconds are marked with ECN CE; absent: switched off. */
    ceThresholdUs: [7, "TCA_FQ_CODEL_CE_THRESHOLD", u32],
    /** Packets that are dropped at once when the limit is reached; default 64. */
    dropBatchSize: [8, "TCA_FQ_CODEL_DROP_BATCH_SIZE", u32],
    /** Memory for waiting packets, in bytes; default 32 MiB. */
    memoryLimitBytes: [9, "TCA_FQ_CODEL_MEMORY_LIMIT", u32],
    /** The DS field, masked, of packets that ceThresholdUs applies to; Linux 5.16. */
    ceThresholdSelector: [10, "TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR", u8],
    /** The mask to ceThresholdSelector; 0 applies the threshold to all packets. */
    ceThresholdMask: [11, "TCA_FQ_CODEL_CE_THRESHOLD_MASK", u8],
  }),
);

/** codel's own counters; packets unless the name says otherwise. */
export const codelXstats = struct("tc_codel_xstats", {
  maxPacketBytes: u32,
  /** Drops since the dropping state was entered last. */
  count: u32,
  lastCount: u32,
  /** How long the packet waited that left last, in microseconds. */
  delayUs: u32,
  /** Until the next drop, in microseconds; negative where that time is past. */
  dropNextUs: s32,
  dropOverLimit: u32,
  ecnMarks: u32,
  /** 1 in the dropping state. */
  dropping: u32,
  ceMarks: u32,
});

/** The counters of an fq_codel qdisc. */
export const fqCodelQdiscStats = struct("tc_fq_codel_qd_stats", {
  maxPacketBytes: u32,
  dropOverLimit: u32,
  ecnMarks: u32,
  /** How often a packet was the first of its flow. */
  newFlowCount: u32,
  /** Flows that have just begun. */
  newFlowsLength: u32,
  oldFlowsLength: u32,
  ceMarks: u32,
  memoryUsageBytes: u32,
  dropOverMemory: u32,
});

/** The counters of one flow, which fq_codel shows as a class. */
export const fqCodelFlowStats = struct("tc_fq_codel_cl_stats", {
  deficitBytes: s32,
  delayUs: u32,
  count: u32,
  lastCount: u32,
  dropping: u32,
  dropNextUs: s32,
});

/** fq_codel's own counters: of the qdisc, or of one flow. */
export type FqCodelStats =
  | ({ type: "qdisc" } & Decoded<typeof fqCodelQdiscStats>)
  | ({ type: "flow" } & Decoded<typeof fqCodelFlowStats>);

/** `struct tc_fq_codel_xstats`: which of the two structs follows, and that struct. */
export const fqCodelXstats: Codec<FqCodelStats> = {
  decode: (input, start, end) => {
    if (end - start < 4) return undefined;
    const type = u32.read(input, start);
    if (type === 0) return { type: "qdisc", ...fqCodelQdiscStats.decode(input, start + 4, end) };
    return type === 1 ? { type: "flow", ...fqCodelFlowStats.decode(input, start + 4, end) } : undefined;
  },
  encode: (output, { type, ...fields }) => {
    u32.encode(output, type === "qdisc" ? 0 : 1, undefined);
    if (type === "qdisc") fqCodelQdiscStats.encode(output, fields);
    else fqCodelFlowStats.encode(output, fields);
  },
};

/** The codel qdisc's parameters as the kernel reports them. */
export type CodelOptions = Decoded<ReturnType<typeof codelAttributes>>;
/** The codel qdisc's parameters to set. */
export type CodelOptionsInput = Encodable<ReturnType<typeof codelAttributes>>;
/** codel's own counters. */
export type CodelStats = Decoded<typeof codelXstats>;
/** The fq_codel qdisc's parameters as the kernel reports them. */
export type FqCodelOptions = Decoded<ReturnType<typeof fqCodelAttributes>>;
/** The fq_codel qdisc's parameters to set. */
export type FqCodelOptionsInput = Encodable<ReturnType<typeof fqCodelAttributes>>;

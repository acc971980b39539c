import { attributes } from "../schema/attributes.js";
import { bool8, bool32, type Decoded, type Encodable, s32, s64, u8, u32, u64 } from "../schema/codec.js";
import { array, struct } from "../schema/struct.js";
import { bitRate32 } from "./units.js";

/** Bands and which of them each priority goes to: of the qdiscs prio, pfifo_fast, and fq. */
export const prioQopt = struct("tc_prio_qopt", { bands: s32, priomap: array(u8, 16) });

/**
 * The fq qdisc: enum TCA_FQ_* of include/uapi/linux/pkt_sched.h and net/sched/sch_fq.c. What is left out gets or
 * keeps the kernel's value. Where an attribute is younger than Linux 5.10, its kernel stands beside it; older
 * kernels refuse or ignore it.
 */
export const fqAttributes = attributes({
  /** Packets in the whole queue; default 10000. */
  limit: [1, "TCA_FQ_PLIMIT", u32],
  /** Packets in one flow's queue; default 100. */
  flowLimit: [2, "TCA_FQ_FLOW_PLIMIT", u32],
  /** Bytes that a flow may send in one round; default 2 packets of the MTU. */
  quantumBytes: [3, "TCA_FQ_QUANTUM", u32],
  /** Bytes that a new flow may send at first; default 10 packets of the MTU. */
  initialQuantumBytes: [4, "TCA_FQ_INITIAL_QUANTUM", u32],
  /** Whether departure times and socket pacing rates are honoured; default true. */
  pacing: [5, "TCA_FQ_RATE_ENABLE", bool32],
  /** Obsolete; the kernel refuses or ignores it. */
  defaultRate: [6, "TCA_FQ_FLOW_DEFAULT_RATE", u32],
  /** The most that one flow may send, in bits per second, up to 34 Gbit/s; default "unlimited". */
  maxRateBitsPerSecond: [7, "TCA_FQ_FLOW_MAX_RATE", bitRate32],
  /** The binary logarithm of the number of hash buckets; default 10. */
  bucketsLog: [8, "TCA_FQ_BUCKETS_LOG", u32],
  /** How long an idle flow waits until its credit is filled up, in microseconds, to the timer tick; default 40000. */
  flowRefillDelayUs: [9, "TCA_FQ_FLOW_REFILL_DELAY", u32],
  /** The mask on the hash of packets without a socket; default 1023. */
  orphanMask: [10, "TCA_FQ_ORPHAN_MASK", u32],
  /** Flows below this rate in bits per second may send a packet at any time; default 550 kbit/s. */
  lowRateThresholdBitsPerSecond: [11, "TCA_FQ_LOW_RATE_THRESHOLD", bitRate32],
  /** Packets later than this many microseconds are marked with ECN CE; 0xffffffff switches it off. */
  ceThresholdUs: [12, "TCA_FQ_CE_THRESHOLD", u32],
  /** The slack of the timer, in nanoseconds; default 10000. */
  timerSlackNs: [13, "TCA_FQ_TIMER_SLACK", u32],
  /** Departure times further ahead than this many microseconds are dropped or capped; default 10 seconds. */
  horizonUs: [14, "TCA_FQ_HORIZON", u32],
  /** Whether a packet beyond the horizon is dropped (the default) or leaves at the horizon. */
  horizonDrop: [15, "TCA_FQ_HORIZON_DROP", bool8],
  /** Which band each priority goes to; Linux 6.7. */
  priomap: [16, "TCA_FQ_PRIOMAP", prioQopt],
  /** Bytes that each band may send in one round; Linux 6.7. */
  weights: [17, "TCA_FQ_WEIGHTS", array(s32, 3)],
  /** How far ahead the device itself paces, in microseconds; Linux 6.13. */
  offloadHorizonUs: [18, "TCA_FQ_OFFLOAD_HORIZON", u32],
});

/** fq's own counters. */
export const fqStats = struct("tc_fq_qd_stats", {
  gcFlows: u64,
  highPriorityPackets: u64,
  tcpRetransmits: u64,
  throttled: u64,
  flowLimitDrops: u64,
  tooLongPackets: u64,
  allocationErrors: u64,
  timeNextDelayedFlowNs: s64,
  flows: u32,
  inactiveFlows: u32,
  throttledFlows: u32,
  unthrottleLatencyNs: u32,
  ceMarks: u64,
  horizonDrops: u64,
  horizonCaps: u64,
  fastpathPackets: u64,
  bandDrops: array(u64, 3),
  bandPackets: array(u32, 3),
});

/** The fq qdisc's parameters as the kernel reports them. */
export type FqOptions = Decoded<typeof fqAttributes>;
/** The fq qdisc's parameters to set. */
export type FqOptionsInput = Encodable<typeof fqAttributes>;
/** fq's own counters; fields that the kernel is too old for read zero. */
export type FqStats = Decoded<typeof fqStats>;

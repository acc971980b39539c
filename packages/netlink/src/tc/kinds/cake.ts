import { attributes } from "../../schema/attributes.js";
import {
  binary,
  bool32,
  type Codec,
  type Decoded,
  type Encodable,
  once,
  s32,
  u32,
  u64,
} from "../../schema/codec.js";
import { indexed } from "../../schema/indexed.js";
import { enumeration } from "../../schema/names.js";
import { bitRate64, bitRateOrUnlimited } from "../units.js";

/** A 32-bit attribute whose presence alone counts: tc(8) and the kernel send it with a zero. */
const presentWithZero: Codec<true, boolean> = {
  decode: (_input, start, end) => (end - start === 4 ? true : undefined),
  encode: (output) => u32.encode(output, 0, undefined),
  omits: (value) => value === false,
  exact: (input, start) => u32.read(input, start) === 0,
};

/** The cake qdisc: enum TCA_CAKE_* of include/uapi/linux/pkt_sched.h and net/sched/sch_cake.c. */
export const cakeAttributes = once(() =>
  attributes({
    /** The rate that cake shapes to, in bits per second; default "unlimited". */
    bandwidthBitsPerSecond: [2, "TCA_CAKE_BASE_RATE64", bitRateOrUnlimited],
    /** Which tins packets go to by their DS field; default "diffserv3". */
    diffserv: [
      3,
      "TCA_CAKE_DIFFSERV_MODE",
      enumeration(u32, { diffserv3: 0, diffserv4: 1, diffserv8: 2, besteffort: 3, precedence: 4 }),
    ],
    /** How sizes on the wire come about; default "none". */
    atm: [4, "TCA_CAKE_ATM", enumeration(u32, { none: 0, atm: 1, ptm: 2 })],
    /** What is kept apart; default "tripleIsolate". */
    flowMode: [
      5,
      "TCA_CAKE_FLOW_MODE",
      enumeration(u32, {
        flowblind: 0,
        srchost: 1,
        dsthost: 2,
        hosts: 3,
        flows: 4,
        dualSrchost: 5,
        dualDsthost: 6,
        tripleIsolate: 7,
      }),
    ],
    /** Bytes added to each packet's size, or taken from it. */
    overheadBytes: [6, "TCA_CAKE_OVERHEAD", s32],
    /** About the longest round trip, in microseconds; default 100000. */
    rttUs: [7, "TCA_CAKE_RTT", u32],
    /** The delay that is acceptable, in microseconds; default 5000. */
    targetUs: [8, "TCA_CAKE_TARGET", u32],
    /** Whether the rate is guessed from what arrives; default false. */
    autorateIngress: [9, "TCA_CAKE_AUTORATE", bool32],
    /** Memory for waiting packets, in bytes; 0 is the kernel's choice by the rate. */
    memoryLimitBytes: [10, "TCA_CAKE_MEMORY", u32],
    /** Whether hosts are told apart before NAT; default false. */
    nat: [11, "TCA_CAKE_NAT", bool32],
    /** Sizes as the kernel has them, without overhead. */
    raw: [12, "TCA_CAKE_RAW", presentWithZero],
    /** Whether the DS field is cleared; default false. */
    wash: [13, "TCA_CAKE_WASH", bool32],
    /** The smallest size that a packet counts as, in bytes. */
    mpuBytes: [14, "TCA_CAKE_MPU", u32],
    /** Whether what arrives is shaped, and drops count as sent; default false. */
    ingress: [15, "TCA_CAKE_INGRESS", bool32],
    /** Which TCP acknowledgements are left out; default "none". */
    ackFilter: [16, "TCA_CAKE_ACK_FILTER", enumeration(u32, { none: 0, filter: 1, aggressive: 2 })],
    /** Whether packets of GSO are split; default true. */
    splitGso: [17, "TCA_CAKE_SPLIT_GSO", bool32],
    /** The mask on the packet's mark that gives the tin; 0 switches it off. */
    fwmarkMask: [18, "TCA_CAKE_FWMARK", u32],
  }),
);

/** The counters of one tin: enum TCA_CAKE_TIN_STATS_*. */
export const cakeTinStats = once(() =>
  attributes({
    sentPackets: [2, "TCA_CAKE_TIN_STATS_SENT_PACKETS", u32],
    sentBytes: [3, "TCA_CAKE_TIN_STATS_SENT_BYTES64", u64],
    droppedPackets: [4, "TCA_CAKE_TIN_STATS_DROPPED_PACKETS", u32],
    droppedBytes: [5, "TCA_CAKE_TIN_STATS_DROPPED_BYTES64", u64],
    acksDroppedPackets: [6, "TCA_CAKE_TIN_STATS_ACKS_DROPPED_PACKETS", u32],
    acksDroppedBytes: [7, "TCA_CAKE_TIN_STATS_ACKS_DROPPED_BYTES64", u64],
    ecnMarkedPackets: [8, "TCA_CAKE_TIN_STATS_ECN_MARKED_PACKETS", u32],
    ecnMarkedBytes: [9, "TCA_CAKE_TIN_STATS_ECN_MARKED_BYTES64", u64],
    backlogPackets: [10, "TCA_CAKE_TIN_STATS_BACKLOG_PACKETS", u32],
    backlogBytes: [11, "TCA_CAKE_TIN_STATS_BACKLOG_BYTES", u32],
    thresholdBitsPerSecond: [12, "TCA_CAKE_TIN_STATS_THRESHOLD_RATE64", bitRate64],
    targetUs: [13, "TCA_CAKE_TIN_STATS_TARGET_US", u32],
    intervalUs: [14, "TCA_CAKE_TIN_STATS_INTERVAL_US", u32],
    wayIndirectHits: [15, "TCA_CAKE_TIN_STATS_WAY_INDIRECT_HITS", u32],
    wayMisses: [16, "TCA_CAKE_TIN_STATS_WAY_MISSES", u32],
    wayCollisions: [17, "TCA_CAKE_TIN_STATS_WAY_COLLISIONS", u32],
    peakDelayUs: [18, "TCA_CAKE_TIN_STATS_PEAK_DELAY_US", u32],
    averageDelayUs: [19, "TCA_CAKE_TIN_STATS_AVG_DELAY_US", u32],
    baseDelayUs: [20, "TCA_CAKE_TIN_STATS_BASE_DELAY_US", u32],
    sparseFlows: [21, "TCA_CAKE_TIN_STATS_SPARSE_FLOWS", u32],
    bulkFlows: [22, "TCA_CAKE_TIN_STATS_BULK_FLOWS", u32],
    unresponsiveFlows: [23, "TCA_CAKE_TIN_STATS_UNRESPONSIVE_FLOWS", u32],
    maxPacketBytes: [24, "TCA_CAKE_TIN_STATS_MAX_SKBLEN", u32],
    flowQuantumBytes: [25, "TCA_CAKE_TIN_STATS_FLOW_QUANTUM", u32],
    padding: [1, "TCA_CAKE_TIN_STATS_PAD", binary],
  }),
);

/** cake's own counters: enum TCA_CAKE_STATS_*; the last six are of one flow, which cake shows as a class. */
export const cakeXstats = once(() =>
  attributes({
    capacityEstimateBitsPerSecond: [2, "TCA_CAKE_STATS_CAPACITY_ESTIMATE64", bitRate64],
    memoryLimitBytes: [3, "TCA_CAKE_STATS_MEMORY_LIMIT", u32],
    memoryUsedBytes: [4, "TCA_CAKE_STATS_MEMORY_USED", u32],
    /** Where the network header starts on average, in bytes. */
    averageNetworkOffset: [5, "TCA_CAKE_STATS_AVG_NETOFF", u32],
    minNetworkBytes: [6, "TCA_CAKE_STATS_MIN_NETLEN", u32],
    maxNetworkBytes: [7, "TCA_CAKE_STATS_MAX_NETLEN", u32],
    /** With overhead and link layer. */
    minAdjustedBytes: [8, "TCA_CAKE_STATS_MIN_ADJLEN", u32],
    maxAdjustedBytes: [9, "TCA_CAKE_STATS_MAX_ADJLEN", u32],
    tins: [10, "TCA_CAKE_STATS_TIN_STATS", indexed(cakeTinStats())],
    deficitBytes: [11, "TCA_CAKE_STATS_DEFICIT", s32],
    cobaltCount: [12, "TCA_CAKE_STATS_COBALT_COUNT", u32],
    dropping: [13, "TCA_CAKE_STATS_DROPPING", bool32],
    dropNextUs: [14, "TCA_CAKE_STATS_DROP_NEXT_US", s32],
    /** The probability of a drop; 2^32 - 1 is certainty. */
    dropProbability: [15, "TCA_CAKE_STATS_P_DROP", u32],
    blueTimerUs: [16, "TCA_CAKE_STATS_BLUE_TIMER_US", s32],
    padding: [1, "TCA_CAKE_STATS_PAD", binary],
  }),
);

/** The cake qdisc's parameters as the kernel reports them. */
export type CakeOptions = Decoded<ReturnType<typeof cakeAttributes>>;
/** The cake qdisc's parameters to set. */
export type CakeOptionsInput = Encodable<ReturnType<typeof cakeAttributes>>;
/** cake's own counters. */
export type CakeStats = Decoded<ReturnType<typeof cakeXstats>>;

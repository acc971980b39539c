import { type Codec, type Decoded, s32, u8, u32 } from "../../schema/codec.js";
import { NetlinkEncodeError } from "../../schema/errors.js";
import { flags } from "../../schema/names.js";
import { struct } from "../../schema/struct.js";
import { probability32 } from "../units.js";

/** The sfq qdisc's parameters of old. */
export const sfqQopt = struct("tc_sfq_qopt", {
  quantumBytes: u32,
  perturbSeconds: s32,
  limit: u32,
  divisor: u32,
  flows: u32,
});
/** What sfq's random early detection did; packets. */
export const sfqRedStats = struct("tc_sfqred_stats", {
  probabilityDrops: u32,
  forcedDrops: u32,
  probabilityMarks: u32,
  forcedMarks: u32,
  probabilityHeadMarks: u32,
  forcedHeadMarks: u32,
});
/** The sfq qdisc's parameters: include/uapi/linux/pkt_sched.h and net/sched/sch_sfq.c. */
export const sfqQoptV1 = struct("tc_sfq_qopt_v1", {
  v0: sfqQopt,
  depth: u32,
  headDrop: u32,
  redLimitBytes: u32,
  redMinBytes: u32,
  redMaxBytes: u32,
  wLog: u8,
  pLog: u8,
  cellLog: u8,
  flags: flags(u8, { ecn: 1, hardDrop: 2 }),
  maxProbability: probability32,
  stats: sfqRedStats,
});
/** A flow of sfq, which it shows as a class. */
export const sfqXstats = struct("tc_sfq_xstats", { allotBytes: s32 });

/** The parameters of the sfq qdisc: the shorter struct is taken too. */
export const sfqOptions: Codec<Decoded<typeof sfqQoptV1>> = sfqQoptV1 as Codec<Decoded<typeof sfqQoptV1>>;

/** Random early detection in each flow of sfq. */
export interface SfqRed {
  /** Bytes in one flow's queue. */
  readonly limitBytes: number;
  /** Average length of a flow's queue, in bytes, below which nothing happens. */
  readonly minBytes: number;
  /** Average length, in bytes, above which every packet is dropped or marked. */
  readonly maxBytes: number;
  /** The probability of a drop at maxBytes, from 0 to 1. */
  readonly probability: number;
  /** Whether packets are marked with ECN CE in place of being dropped. */
  readonly ecn: boolean;
  /** Whether packets above maxBytes are dropped all the same. */
  readonly hardDrop: boolean;
  /** The binary logarithm of 1 / weight of the moving average. */
  readonly wLog: number;
}

/** The sfq qdisc: stochastic fairness. */
export interface SfqOptions {
  /** Packets in the whole queue; default 127. */
  readonly limit: number;
  /** Bytes that a flow may send in its turn; default the MTU. */
  readonly quantumBytes: number;
  /** After how many seconds flows are hashed anew; 0 is never. */
  readonly perturbSeconds: number;
  /** Buckets of the hash, a power of two; default 1024. */
  readonly divisor: number;
  /** Flows that may wait at once; default 127. */
  readonly flows: number;
  /** Packets of one flow; default 127. */
  readonly depth: number;
  /** Whether a full flow loses its first packet in place of the last. */
  readonly headDrop: boolean;
  readonly red?: SfqRed | undefined;
  /** What random early detection did. */
  readonly redStats?: Decoded<typeof sfqRedStats> | undefined;
}

/** What to set on an sfq qdisc; what is left out has the kernel's value. */
export type SfqOptionsInput = Partial<Omit<SfqOptions, "red" | "redStats">> & {
  readonly red?:
    | (Partial<Omit<SfqRed, "wLog">> & {
        readonly limitBytes: number;
        /** Packets that may come at once without a drop; default (2 minBytes + maxBytes) / (3 averagePacketBytes). */
        readonly burstPackets?: number | undefined;
        /** Default 1000. */
        readonly averagePacketBytes?: number | undefined;
      })
    | undefined;
};

/** The options as the kernel takes them. */
export function sfqToWire(options: SfqOptionsInput): Decoded<typeof sfqQoptV1> {
  const { quantumBytes = 0, perturbSeconds = 0, limit = 0, divisor = 0, flows = 0, depth = 0 } = options;
  const { headDrop = false, red } = options;
  return {
    v0: { quantumBytes, perturbSeconds, limit, divisor, flows },
    depth,
    headDrop: headDrop ? 1 : 0,
    ...redToWire(red),
    stats: noStats,
  };
}

/** The options as the kernel reports them. */
export function sfqFromWire(wire: Decoded<typeof sfqQoptV1>): SfqOptions {
  const { v0, depth, headDrop, redLimitBytes, redMinBytes, redMaxBytes, maxProbability, wLog, stats } = wire;
  return {
    limit: v0.limit,
    quantumBytes: v0.quantumBytes,
    perturbSeconds: v0.perturbSeconds,
    divisor: v0.divisor,
    flows: v0.flows,
    depth,
    headDrop: headDrop !== 0,
    red:
      redMinBytes === 0
        ? undefined
        : {
            limitBytes: redLimitBytes,
            minBytes: redMinBytes,
            maxBytes: redMaxBytes,
            probability: maxProbability,
            ecn: wire.flags.includes("ecn"),
            hardDrop: wire.flags.includes("hardDrop"),
            wLog,
          },
    redStats: redMinBytes === 0 ? undefined : stats,
  };
}

const noStats = {
  probabilityDrops: 0,
  forcedDrops: 0,
  probabilityMarks: 0,
  forcedMarks: 0,
  probabilityHeadMarks: 0,
  forcedHeadMarks: 0,
};

function redToWire(red: SfqOptionsInput["red"]) {
  const none = { redLimitBytes: 0, redMinBytes: 0, redMaxBytes: 0, wLog: 0, pLog: 0, cellLog: 0 };
  if (!red) return { ...none, flags: [], maxProbability: 0 };
  const { limitBytes, probability = 0.02, ecn = false, hardDrop = false, averagePacketBytes = 1000 } = red;
  const maxBytes = red.maxBytes ?? Math.floor(limitBytes / 4);
  const minBytes = red.minBytes ?? Math.floor(maxBytes / 3);
  const burst = red.burstPackets ?? Math.floor((2 * minBytes + maxBytes) / (3 * averagePacketBytes));
  const range = maxBytes - minBytes;
  if (!(range > 0)) throw new NetlinkEncodeError(`sfq's minBytes ${minBytes} must be below ${maxBytes}`);
  return {
    redLimitBytes: limitBytes,
    redMinBytes: minBytes,
    redMaxBytes: maxBytes,
    wLog: averageLog(minBytes, burst, averagePacketBytes),
    // The probability for each byte above minBytes: the next power of two below it.
    pLog: Math.max(0, Math.floor(Math.log2(range / probability)) + 1),
    cellLog: 0,
    flags: [...(ecn ? (["ecn"] as const) : []), ...(hardDrop ? (["hardDrop"] as const) : [])],
    maxProbability: probability,
  };
}

/**
 * The weight of the moving average, as a negative binary logarithm, with which a burst of that many packets ends at
 * the lower threshold: S. Floyd and V. Jacobson, "Random Early Detection Gateways", section 6.
 */
function averageLog(minBytes: number, burst: number, packetBytes: number): number {
  const excess = burst + 1 - minBytes / packetBytes;
  if (excess < 1)
    throw new NetlinkEncodeError(`a burst of ${burst} packets stays below sfq's minBytes ${minBytes}`);
  for (let log = 1; log < 32; log++) {
    const weight = 2 ** -log;
    if (excess <= (1 - (1 - weight) ** burst) / weight) return log;
  }
  throw new NetlinkEncodeError(`a burst of ${burst} packets is too large for sfq's minBytes ${minBytes}`);
}

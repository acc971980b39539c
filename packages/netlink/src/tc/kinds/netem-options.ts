import type { Decoded, Encodable } from "../../schema/codec.js";
import { NetlinkEncodeError } from "../../schema/errors.js";
import { MAX_U32, toBytesPerSecond } from "../units.js";
import type { netemBody, netemGeModel, netemGiModel } from "./netem.js";

/** A probability from 0 to 1, and how much each draw depends on the one before, from 0 to 1. */
export interface NetemChance {
  readonly probability: number;
  readonly correlation?: number | undefined;
}

/** The netem qdisc, which makes a network worse. Times are in microseconds, to the nanosecond. */
export interface NetemOptions {
  /** Packets in the queue; default 1000. */
  readonly limit: number;
  readonly delayUs: number;
  /** How far the delay varies. */
  readonly jitterUs: number;
  /** How much each delay depends on the one before, from 0 to 1. */
  readonly delayCorrelation: number;
  readonly loss: NetemChance;
  /** In place of `loss`: a model of four states. */
  readonly lossState?: Decoded<typeof netemGiModel> | undefined;
  /** In place of `loss`: the model of Gilbert and Elliott. */
  readonly lossGemodel?: Decoded<typeof netemGeModel> | undefined;
  readonly duplicate: NetemChance;
  readonly corrupt?: NetemChance | undefined;
  /** How often packets leave at once. */
  readonly reorder?: NetemChance | undefined;
  /** Every packet of this number leaves at once. */
  readonly gap: number;
  /** Whether packets are marked with ECN CE in place of being lost. */
  readonly ecn: boolean;
  readonly rate?: NetemRate | undefined;
  readonly slot?: NetemSlot | undefined;
  /** What the generator of random numbers started from; Linux 6.6. */
  readonly seed?: bigint | undefined;
}
/** A rate, and how sizes are reckoned, in bytes. */
export interface NetemRate {
  readonly bitsPerSecond: bigint;
  readonly packetOverheadBytes: number;
  readonly cellSizeBytes: number;
  readonly cellOverheadBytes: number;
}
/** Packets are let go in bunches, after a time between two bounds, or after one that is spread. */
export interface NetemSlot {
  readonly minDelayUs: number;
  readonly maxDelayUs: number;
  readonly maxPackets: number;
  readonly maxBytes: number;
  readonly distributionDelayUs: number;
  readonly distributionJitterUs: number;
}
/** What to set on a netem qdisc. */
export type NetemOptionsInput = {
  readonly [K in Exclude<keyof NetemOptions, "rate" | "slot">]?: NetemOptions[K] | undefined;
} & {
  readonly rate?:
    | (Partial<Omit<NetemRate, "bitsPerSecond">> & { readonly bitsPerSecond: bigint | number })
    | undefined;
  readonly slot?: Partial<NetemSlot> | undefined;
  /**
   * How delays are spread around the mean: a sample of values, 8192 standing for one standard deviation. tc(8) has
   * such tables in /usr/lib/tc. The kernel does not report it.
   */
  readonly delayDistribution?: readonly number[] | undefined;
  /** The same for the times between slots. */
  readonly slotDistribution?: readonly number[] | undefined;
};

type Wire = ReturnType<typeof netemBody>;

/** The options as the kernel takes them. */
export function netemToWire(options: NetemOptionsInput): Encodable<Wire> {
  const { limit = 1000, delayUs = 0, jitterUs = 0, delayCorrelation = 0, loss, duplicate } = options;
  const { lossState, lossGemodel, corrupt, reorder, ecn, rate, slot, seed } = options;
  if (lossState && lossGemodel) throw new NetlinkEncodeError("netem takes one loss model, not two");
  if (reorder && delayUs === 0) throw new NetlinkEncodeError("reordering takes a delay (delayUs)");
  if (options.gap && !reorder) throw new NetlinkEncodeError("a gap takes reorder too");
  const correlated = delayCorrelation || loss?.correlation || duplicate?.correlation;
  const bytes = rate && toBytesPerSecond(rate.bitsPerSecond);
  return {
    header: {
      latency: ticks(delayUs),
      limit,
      loss: loss?.probability ?? 0,
      // Without a gap the kernel would take every packet for the one that leaves at once.
      gap: options.gap || (reorder ? 1 : 0),
      duplicate: duplicate?.probability ?? 0,
      jitter: ticks(jitterUs),
    },
    attributes: {
      latencyNs: beyondTicks(delayUs),
      jitterNs: beyondTicks(jitterUs),
      correlation: correlated
        ? {
            delay: delayCorrelation,
            loss: loss?.correlation ?? 0,
            duplicate: duplicate?.correlation ?? 0,
          }
        : undefined,
      reorder: reorder && { correlation: 0, ...reorder },
      ecn: ecn ? 1 : undefined,
      corrupt: corrupt && { correlation: 0, ...corrupt },
      loss: lossState ? { state: lossState } : lossGemodel && { gemodel: lossGemodel },
      slot: slot && {
        minDelayNs: nanoseconds(slot.minDelayUs ?? 0),
        maxDelayNs: nanoseconds(slot.maxDelayUs ?? slot.minDelayUs ?? 0),
        maxPackets: slot.maxPackets ?? 0,
        maxBytes: slot.maxBytes ?? 0,
        distributionDelayNs: nanoseconds(slot.distributionDelayUs ?? 0),
        distributionJitterNs: nanoseconds(slot.distributionJitterUs ?? 0),
      },
      rate64: bytes !== undefined && bytes >= BigInt(MAX_U32) ? bytes : undefined,
      rate: rate && {
        rate: Math.min(Number(bytes), MAX_U32),
        packetOverheadBytes: rate.packetOverheadBytes ?? 0,
        cellSizeBytes: rate.cellSizeBytes ?? 0,
        cellOverheadBytes: rate.cellOverheadBytes ?? 0,
      },
      delayDistribution: options.delayDistribution,
      slotDistribution: options.slotDistribution,
      seed,
    },
  };
}

/** The options as the kernel reports them. */
export function netemFromWire({ header, attributes }: Decoded<Wire>): NetemOptions {
  const { correlation, reorder, corrupt, loss, rate, rate64, slot, latencyNs, jitterNs } = attributes;
  return {
    limit: header.limit,
    delayUs: latencyNs === undefined ? header.latency * TICK_US : Number(latencyNs) / 1000,
    jitterUs: jitterNs === undefined ? header.jitter * TICK_US : Number(jitterNs) / 1000,
    delayCorrelation: correlation?.delay ?? 0,
    loss: { probability: header.loss, correlation: correlation?.loss ?? 0 },
    lossState: loss?.state,
    lossGemodel: loss?.gemodel,
    duplicate: { probability: header.duplicate, correlation: correlation?.duplicate ?? 0 },
    corrupt: chance(corrupt),
    reorder: chance(reorder),
    gap: header.gap,
    ecn: (attributes.ecn ?? 0) !== 0,
    rate: rate?.rate
      ? {
          bitsPerSecond: (rate64 ?? BigInt(rate.rate)) * 8n,
          packetOverheadBytes: rate.packetOverheadBytes,
          cellSizeBytes: rate.cellSizeBytes,
          cellOverheadBytes: rate.cellOverheadBytes,
        }
      : undefined,
    slot: slot && {
      minDelayUs: Number(slot.minDelayNs) / 1000,
      maxDelayUs: Number(slot.maxDelayNs) / 1000,
      maxPackets: slot.maxPackets,
      maxBytes: slot.maxBytes,
      distributionDelayUs: Number(slot.distributionDelayNs) / 1000,
      distributionJitterUs: Number(slot.distributionJitterNs) / 1000,
    },
    seed: attributes.seed,
  };
}

/** What never happens the kernel reports too. */
function chance(value: NetemChance | undefined): NetemChance | undefined {
  return value?.probability ? value : undefined;
}

/** PSCHED_SHIFT, include/net/pkt_sched.h: a tick is 64 ns. */
const TICK_US = 0.064;

/** A time in ticks, for the struct. */
function ticks(us: number): number {
  const count = nanoseconds(us) / 64n;
  return count > BigInt(MAX_U32) ? MAX_U32 : Number(count);
}

/** The time in nanoseconds, where ticks cannot say it. */
function beyondTicks(us: number): bigint | undefined {
  const ns = nanoseconds(us);
  return ns % 64n === 0n && ns / 64n <= BigInt(MAX_U32) ? undefined : ns;
}

function nanoseconds(us: number): bigint {
  const ns = Math.round(us * 1000);
  if (!Number.isSafeInteger(ns) || ns < 0)
    throw new NetlinkEncodeError(`${us} is not a time in microseconds`);
  return BigInt(ns);
}

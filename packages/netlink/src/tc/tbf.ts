import { attributes } from "../schema/attributes.js";
import { binary, type Decoded, type Encodable, u32, u64 } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { struct } from "../schema/struct.js";
import { type LinkLayer, rate64, ratespec, transmitBytes, transmitTicks, wireRate } from "./rate.js";
import { toBytesPerSecond } from "./units.js";

/** The token bucket's parameters; `buffer` and `mtu` are times in ticks. */
export const tbfQopt = struct("tc_tbf_qopt", {
  rate: ratespec,
  peakRate: ratespec,
  limit: u32,
  buffer: u32,
  mtu: u32,
});

/** The tbf qdisc on the wire: enum TCA_TBF_*. */
export const tbfAttributes = attributes({
  parms: [1, "TCA_TBF_PARMS", tbfQopt],
  rateTable: [2, "TCA_TBF_RTAB", binary],
  peakRateTable: [3, "TCA_TBF_PTAB", binary],
  rate64: [4, "TCA_TBF_RATE64", u64],
  peakRate64: [5, "TCA_TBF_PRATE64", u64],
  burst: [6, "TCA_TBF_BURST", u32],
  peakBurst: [7, "TCA_TBF_PBURST", u32],
});

/** The tbf qdisc, a token bucket. */
export interface TbfOptions {
  /** The rate. */
  readonly rateBitsPerSecond: bigint;
  /** The bucket's size: what may go out at once. At least rate / HZ, and a packet. */
  readonly burstBytes: number;
  /** Bytes that may wait; more is dropped. */
  readonly limitBytes: number;
  /** The rate at which the bucket may empty. */
  readonly peakRateBitsPerSecond?: bigint | undefined;
  /** The second bucket's size, where there is a peak rate: the MTU. */
  readonly peakBurstBytes?: number | undefined;
  /** Bytes added to each packet. */
  readonly overheadBytes?: number | undefined;
  /** The smallest size that a packet counts as, in bytes. */
  readonly mpuBytes?: number | undefined;
  /** How sizes on the wire come about; default "ethernet". */
  readonly linkLayer?: LinkLayer | "unaware" | number | undefined;
}

/** What to set on a tbf qdisc: the limit in bytes, or as the longest time that a packet may wait. */
export interface TbfOptionsInput
  extends Omit<TbfOptions, "limitBytes" | "rateBitsPerSecond" | "peakRateBitsPerSecond" | "linkLayer"> {
  /** Default "ethernet". */
  readonly linkLayer?: LinkLayer | undefined;
  readonly rateBitsPerSecond: bigint | number;
  readonly peakRateBitsPerSecond?: bigint | number | undefined;
  /** Bytes that may wait. */
  readonly limitBytes?: number | undefined;
  /** In place of limitBytes: the longest wait, in microseconds. */
  readonly latencyUs?: number | undefined;
}

/** iproute2's cell size where no MTU is given: tc_calc_rtable. */
const DEFAULT_MTU = 2047;

/** The options as the kernel takes them. */
export function tbfToWire(options: TbfOptionsInput): Encodable<typeof tbfAttributes> {
  const { burstBytes, peakBurstBytes = 0, overheadBytes, mpuBytes, linkLayer, latencyUs } = options;
  const sizes = { mtuBytes: peakBurstBytes || DEFAULT_MTU, overheadBytes, mpuBytes, linkLayer };
  const rate = wireRate(toBytesPerSecond(options.rateBitsPerSecond), sizes);
  const peak =
    options.peakRateBitsPerSecond === undefined
      ? undefined
      : wireRate(toBytesPerSecond(options.peakRateBitsPerSecond), sizes);
  if (peak && !peakBurstBytes) throw new NetlinkEncodeError("a peak rate takes peakBurstBytes (the MTU) too");
  const limit =
    options.limitBytes ??
    limitFor(latencyUs, rate.bytesPerSecond, burstBytes, peak?.bytesPerSecond, peakBurstBytes);
  return {
    parms: {
      rate: rate.spec,
      ...(peak ? { peakRate: peak.spec, mtu: transmitTicks(peak.bytesPerSecond, peakBurstBytes) } : {}),
      limit,
      buffer: transmitTicks(rate.bytesPerSecond, burstBytes),
    },
    burst: burstBytes,
    rate64: rate64(rate.bytesPerSecond),
    rateTable: rate.table,
    peakRate64: peak && rate64(peak.bytesPerSecond),
    peakBurst: peak && peakBurstBytes,
    peakRateTable: peak?.table,
  };
}

/** The options as the kernel reports them. */
export function tbfFromWire(wire: Decoded<typeof tbfAttributes>): TbfOptions | undefined {
  const { parms } = wire;
  if (!parms) return undefined;
  const rate = wire.rate64 ?? BigInt(parms.rate.rate);
  const peak = wire.peakRate64 ?? BigInt(parms.peakRate.rate);
  return {
    rateBitsPerSecond: rate * 8n,
    burstBytes: wire.burst ?? transmitBytes(rate, parms.buffer),
    limitBytes: parms.limit,
    peakRateBitsPerSecond: peak === 0n ? undefined : peak * 8n,
    peakBurstBytes: peak === 0n ? undefined : (wire.peakBurst ?? transmitBytes(peak, parms.mtu)),
    overheadBytes: parms.rate.overhead,
    mpuBytes: parms.rate.mpu,
    linkLayer: parms.rate.linkLayer,
  };
}

function limitFor(
  latencyUs: number | undefined,
  rate: bigint,
  burst: number,
  peak: bigint | undefined,
  peakBurst: number,
): number {
  if (latencyUs === undefined) throw new NetlinkEncodeError("tbf takes limitBytes or latencyUs");
  const seconds = latencyUs / 1_000_000;
  const limit = Number(rate) * seconds + burst;
  return Math.floor(peak === undefined ? limit : Math.min(limit, Number(peak) * seconds + peakBurst));
}

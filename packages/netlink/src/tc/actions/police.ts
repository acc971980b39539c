import { attributes } from "../../schema/attributes.js";
import { binary, type Decoded, type Encodable, once, s32, u32, u64 } from "../../schema/codec.js";
import { NetlinkEncodeError } from "../../schema/errors.js";
import { struct } from "../../schema/struct.js";
import type { Action, ActionInput } from "../action.js";
import { type LinkLayer, rate64, ratespec, transmitBytes, transmitTicks, wireRate } from "../rate.js";
import { toBytesPerSecond } from "../units.js";
import { actionTimes, type Verdict, verdict } from "../verdict.js";

/** police: rates, whose `burst` is a time in ticks. */
export const policeParms = struct("tc_police", {
  index: u32,
  action: verdict,
  limit: u32,
  burst: u32,
  mtu: u32,
  rate: ratespec,
  peakRate: ratespec,
  references: s32,
  bindings: s32,
  capabilities: u32,
});

/** police: enum TCA_POLICE_* of include/uapi/linux/pkt_cls.h. */
export const policeAttributes = once(() =>
  attributes({
    parms: [1, "TCA_POLICE_TBF", policeParms],
    rateTable: [2, "TCA_POLICE_RATE", binary],
    peakRateTable: [3, "TCA_POLICE_PEAKRATE", binary],
    /** Bytes per second, by an estimator. */
    averageRate: [4, "TCA_POLICE_AVRATE", u32],
    conform: [5, "TCA_POLICE_RESULT", verdict],
    times: [6, "TCA_POLICE_TM", actionTimes],
    rate64: [8, "TCA_POLICE_RATE64", u64],
    peakRate64: [9, "TCA_POLICE_PEAKRATE64", u64],
    packetsPerSecond: [10, "TCA_POLICE_PKTRATE64", u64],
    /** A time in ticks. */
    packetBurst: [11, "TCA_POLICE_PKTBURST64", u64],
  }),
);

/** What police takes; a rate in bits or in packets, not both. */
export interface PoliceOptions {
  readonly rateBitsPerSecond?: bigint | number | undefined;
  /** What may pass at once, in bytes; needed with a rate. */
  readonly burstBytes?: number | undefined;
  /** A second rate, that a burst may not exceed; takes mtuBytes too. */
  readonly peakRateBitsPerSecond?: bigint | number | undefined;
  /** The largest packet that conforms, in bytes. */
  readonly mtuBytes?: number | undefined;
  /** The smallest size that a packet counts as, in bytes. */
  readonly mpuBytes?: number | undefined;
  /** Bytes added to each packet. */
  readonly overheadBytes?: number | undefined;
  /** Default "ethernet". */
  readonly linkLayer?: LinkLayer | undefined;
  /** Packets per second; Linux 5.13. */
  readonly packetsPerSecond?: bigint | number | undefined;
  /** Packets that may pass at once; needed with packetsPerSecond. */
  readonly packetBurst?: number | undefined;
  /** What becomes of packets above the rate; default "reclassify", as tc(8) has it. */
  readonly exceed?: Verdict | undefined;
  /** What becomes of the others; default "ok". */
  readonly conform?: Verdict | undefined;
  /** The policer's number: filters that name the same share it. */
  readonly index?: number | undefined;
}

/** Drops, or otherwise treats, what exceeds a rate. @throws NetlinkEncodeError where the options do not fit together */
export function police(options: PoliceOptions): ActionInput {
  return { kind: "police", options: policeToWire(options) };
}

/** What police has, read from an action that the kernel reports. */
export interface PoliceSettings {
  readonly rateBitsPerSecond: bigint | undefined;
  readonly burstBytes: number | undefined;
  readonly peakRateBitsPerSecond: bigint | undefined;
  readonly mtuBytes: number;
  readonly mpuBytes: number;
  readonly overheadBytes: number;
  readonly linkLayer: LinkLayer | "unaware" | number;
  readonly packetsPerSecond: bigint | undefined;
  readonly packetBurst: number | undefined;
  /** What becomes of packets above the rate. */
  readonly exceed: Verdict;
  /** What becomes of the others. */
  readonly conform: Verdict;
  readonly index: number;
}

/** What a police action does, in bits per second and bytes; undefined where the action is none. */
export function policeSettings(action: Action): PoliceSettings | undefined {
  if (action.kind !== "police" || !action.options || action.options instanceof Uint8Array) return undefined;
  const wire = action.options as Decoded<ReturnType<typeof policeAttributes>>;
  const { parms, packetsPerSecond, packetBurst } = wire;
  if (!parms) return undefined;
  const rate = wire.rate64 ?? BigInt(parms.rate.rate);
  const peak = wire.peakRate64 ?? BigInt(parms.peakRate.rate);
  return {
    rateBitsPerSecond: rate === 0n ? undefined : rate * 8n,
    burstBytes: rate === 0n ? undefined : transmitBytes(rate, parms.burst),
    peakRateBitsPerSecond: peak === 0n ? undefined : peak * 8n,
    mtuBytes: parms.mtu,
    mpuBytes: parms.rate.mpu,
    overheadBytes: parms.rate.overhead,
    linkLayer: parms.rate.linkLayer,
    packetsPerSecond,
    packetBurst:
      packetsPerSecond === undefined || packetBurst === undefined
        ? undefined
        : Number((packetBurst * packetsPerSecond + TICKS_PER_SECOND / 2n) / TICKS_PER_SECOND),
    exceed: parms.action,
    conform: wire.conform ?? "ok",
    index: parms.index,
  };
}

/** The table that a rate is looked up in covers packets of this size where none is given: tc_calc_rtable of iproute2. */
const DEFAULT_MTU = 2047;
const TICKS_PER_SECOND = 15_625_000n;

/** police's options as the kernel takes them. */
export function policeToWire(options: PoliceOptions): Encodable<ReturnType<typeof policeAttributes>> {
  const {
    burstBytes = 0,
    mtuBytes = 0,
    mpuBytes,
    overheadBytes,
    linkLayer,
    exceed,
    conform,
    index,
  } = options;
  const { packetsPerSecond, packetBurst } = options;
  const sizes = { mtuBytes: mtuBytes || DEFAULT_MTU, mpuBytes, overheadBytes, linkLayer };
  const rateOf = (bits: bigint | number | undefined) =>
    bits === undefined ? undefined : wireRate(toBytesPerSecond(bits), sizes);
  const rate = rateOf(options.rateBitsPerSecond);
  const peak = rateOf(options.peakRateBitsPerSecond);
  if (rate && packetsPerSecond !== undefined)
    throw new NetlinkEncodeError("police takes rateBitsPerSecond or packetsPerSecond, not both");
  if (rate && burstBytes === 0)
    throw new NetlinkEncodeError("police's rateBitsPerSecond takes burstBytes too");
  if (peak && (!rate || mtuBytes === 0))
    throw new NetlinkEncodeError("police's peakRateBitsPerSecond takes rateBitsPerSecond and mtuBytes too");
  if ((packetsPerSecond === undefined) !== (packetBurst === undefined))
    throw new NetlinkEncodeError("police takes packetsPerSecond and packetBurst together");
  return {
    parms: {
      index,
      action: exceed ?? "reclassify",
      mtu: mtuBytes,
      ...(rate ? { rate: rate.spec, burst: transmitTicks(rate.bytesPerSecond, burstBytes) } : {}),
      ...(peak ? { peakRate: peak.spec } : {}),
    },
    rateTable: rate?.table,
    rate64: rate && rate64(rate.bytesPerSecond),
    peakRateTable: peak?.table,
    peakRate64: peak && rate64(peak.bytesPerSecond),
    conform,
    packetsPerSecond,
    packetBurst:
      packetBurst === undefined ? undefined : packetTicks(BigInt(packetsPerSecond ?? 1), packetBurst),
  };
}

/** The time in ticks that so many packets take at a rate. */
function packetTicks(packetsPerSecond: bigint, packets: number): bigint {
  if (packetsPerSecond < 1n) throw new NetlinkEncodeError(`${packetsPerSecond} is not a rate in packets`);
  return (BigInt(packets) * TICKS_PER_SECOND) / packetsPerSecond;
}

import type { Limit } from "./limits.js";
import { DEFAULT_WEIGHT } from "./uplink/rates.js";

/** One direction's entry in the limits map: `struct limit` of bpf/weir.bpf.c. */
export interface LimitEntry {
  bitsPerSecond: bigint;
  horizonNs: bigint;
  burstNs: bigint;
  markNs: bigint;
  quantumNs: bigint;
  passNs: bigint;
  tickShift: number;
  /** Flows of an earlier generation are forgotten. */
  generation: number;
  /** The entry of the uplink that its packets share; 0 where they share none. */
  uplink: number;
  weight: number;
  guaranteeBitsPerSecond: bigint;
  /** The number of the list of subnets, 0 without one. */
  subnets: number;
  /** SUBNETS_SHAPED, SUBNETS_SOURCE. */
  subnetMode: number;
  /** Which attachment the entry belongs to; 0 where it is free. */
  owner: bigint;
}

/** The size of `struct limit` in bytes. */
export const LIMIT_SIZE = 88;

/** Only traffic with the list's subnets is limited. */
export const SUBNETS_SHAPED = 1;

/** A packet's other end is its source. */
export const SUBNETS_SOURCE = 2;

/** What an entry says where there is no limit. */
export const NO_LIMIT: LimitEntry = {
  bitsPerSecond: 0n,
  horizonNs: 0n,
  burstNs: 0n,
  markNs: 0n,
  quantumNs: 0n,
  passNs: 0n,
  tickShift: 0,
  generation: 0,
  uplink: 0,
  weight: 0,
  guaranteeBitsPerSecond: 0n,
  subnets: 0,
  subnetMode: 0,
  owner: 0n,
};

/**
 * A limit as the program takes it.
 * @param uplink the entry of the uplink that it shares; 0 for none
 */
export function entryOfLimit(limit: Limit, uplink = 0): Omit<LimitEntry, keyof EntryContext> {
  const isShared = uplink !== 0;
  return {
    uplink,
    weight: isShared ? (limit.weight ?? DEFAULT_WEIGHT) : 0,
    guaranteeBitsPerSecond: isShared ? (limit.guaranteeBitsPerSecond ?? 0n) : 0n,
    bitsPerSecond: limit.bitsPerSecond,
    horizonNs: horizonNs(limit),
    burstNs: burstNs(limit),
    markNs: markNs(limit),
    quantumNs: quantumNs(limit),
    passNs: passNs(limit),
    tickShift: tickShift(limit),
  };
}

/** What an entry says beside its limit. */
export type EntryContext = Pick<LimitEntry, "generation" | "subnets" | "subnetMode" | "owner">;

/** Whether an entry holds a limit, all that follows from it included. */
export function holds(entry: LimitEntry, limit: Limit, uplink = 0): boolean {
  const expected = encodeLimitEntry({ ...entry, ...entryOfLimit(limit, uplink) });
  return Buffer.from(expected).equals(encodeLimitEntry(entry));
}

/** The entry's bytes. */
export function encodeLimitEntry(entry: LimitEntry): Uint8Array {
  const bytes = new Uint8Array(LIMIT_SIZE);
  const view = new DataView(bytes.buffer);
  times.forEach((name, index) => {
    view.setBigUint64(index * 8, entry[name], true);
  });
  view.setUint32(48, entry.tickShift, true);
  view.setUint32(52, entry.generation, true);
  view.setUint32(56, entry.uplink, true);
  view.setUint32(60, entry.weight, true);
  view.setBigUint64(64, entry.guaranteeBitsPerSecond, true);
  view.setUint32(72, entry.subnets, true);
  view.setUint32(76, entry.subnetMode, true);
  view.setBigUint64(80, entry.owner, true);
  return bytes;
}

/** The entry that bytes of the map hold. */
export function decodeLimitEntry(bytes: Uint8Array): LimitEntry {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entry = { ...NO_LIMIT };
  times.forEach((name, index) => {
    entry[name] = view.getBigUint64(index * 8, true);
  });
  entry.tickShift = view.getUint32(48, true);
  entry.generation = view.getUint32(52, true);
  entry.uplink = view.getUint32(56, true);
  entry.weight = view.getUint32(60, true);
  entry.guaranteeBitsPerSecond = view.getBigUint64(64, true);
  entry.subnets = view.getUint32(72, true);
  entry.subnetMode = view.getUint32(76, true);
  entry.owner = view.getBigUint64(80, true);
  return entry;
}

const times = ["bitsPerSecond", "horizonNs", "burstNs", "markNs", "quantumNs", "passNs"] as const;

/** How long a packet may wait for its own flow's turn before it is dropped instead. */
const DEFAULT_HORIZON_MS = 100;

/** How long a packet that knows ECN waits before it is marked. */
const DEFAULT_MARK_MS = 5;

/** A full packet of Ethernet's usual size: what a quiet flow may send before others come first. */
const QUANTUM_BITS = 1_514n * 8n;

/** Two of the largest packets that the stack builds: what a device needs to be kept busy. */
const TWO_LARGE_PACKETS_BITS = 2n * 65_536n * 8n;

/** The longest credit where no burst is given: as long as a sender may wait for its turn on a busy CPU. */
const MAX_DEFAULT_BURST_NS = 4_000_000n;

/** The slots of the wheel on which the program counts flows: TICKS of bpf/weir.bpf.c. */
const TICKS = 64n;

/**
 * What the wheel has to reach over, since no flow's clock can be further ahead: a second, a few horizons, and the
 * time of a thousand packets.
 */
const MIN_WHEEL_NS = 1n << 30n;
const WHEEL_PACKETS = 1024n;

const NS_PER_SECOND = 1_000_000_000n;

const nanoseconds = (ms: number) => BigInt(Math.round(ms * 1e6));
const longer = (a: bigint, b: bigint) => (a > b ? a : b);
const timeOf = (bits: bigint, bitsPerSecond: bigint) => (bits * NS_PER_SECOND) / bitsPerSecond;

/** The credit of a limit in nanoseconds; without a burst the time of two large packets, but at most 4 ms. */
export function burstNs({ bitsPerSecond, burstBits }: Limit): bigint {
  if (burstBits !== undefined) return timeOf(burstBits, bitsPerSecond);
  const time = timeOf(TWO_LARGE_PACKETS_BITS, bitsPerSecond);
  return time < MAX_DEFAULT_BURST_NS ? time : MAX_DEFAULT_BURST_NS;
}

/** The horizon of a limit in nanoseconds: how long a flow's queue may get, in time. It has room for ten full packets. */
export function horizonNs({ bitsPerSecond, horizonMs = DEFAULT_HORIZON_MS }: Limit): bigint {
  return longer(nanoseconds(horizonMs), timeOf(10n * QUANTUM_BITS, bitsPerSecond));
}

/** From which wait on packets that know ECN are marked, in nanoseconds. */
export function markNs({ markMs = DEFAULT_MARK_MS }: Limit): bigint {
  return nanoseconds(markMs);
}

/** What a quiet flow may send in front of others, in nanoseconds at the limit's rate. */
export function quantumNs({ bitsPerSecond }: Limit): bigint {
  return timeOf(QUANTUM_BITS, bitsPerSecond);
}

/** How many full packets of quiet flows may leave at once in front of others. */
const PASS_PACKETS = 16n;

/** What quiet flows may send in front of others all at once, in nanoseconds at the limit's rate. */
export function passNs({ bitsPerSecond }: Limit): bigint {
  const credit = burstNs({ bitsPerSecond });
  return credit + timeOf(PASS_PACKETS * QUANTUM_BITS, bitsPerSecond);
}

/** The length of the wheel's ticks, as the power of two of nanoseconds. */
export function tickShift(limit: Limit): number {
  const packets = timeOf(QUANTUM_BITS * WHEEL_PACKETS, limit.bitsPerSecond);
  const tick = longer(longer(packets, MIN_WHEEL_NS), 4n * horizonNs(limit)) / TICKS;
  return (tick - 1n).toString(2).length;
}

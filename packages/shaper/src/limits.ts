import { ShaperError } from "./errors.js";

/** How fast one direction may go. */
export interface Limit {
  /** Bits per second on the wire: link-layer and all other headers count. */
  bitsPerSecond: bigint;
  /** How much may leave at once after a pause, in bits; default the time of two large packets, at most 4 ms. */
  burstBits?: bigint;
}

/** The limits of a pod's interface, from the pod's point of view; a direction without one is not shaped. */
export interface Limits {
  /** What the pod sends. */
  egress?: Limit;
  /** What the pod receives. */
  ingress?: Limit;
}

/** A direction, from the pod's point of view. */
export type Direction = "egress" | "ingress";

/** Both directions, egress first. */
export const directions: readonly Direction[] = ["egress", "ingress"];

/** The lowest limit: Kubernetes' own (pkg/util/bandwidth), 1 kbit/s. */
export const MIN_BITS_PER_SECOND = 1_000n;

/** The highest limit: just below 1 Pbit/s. */
export const MAX_BITS_PER_SECOND = 999_999_999_999_999n;

/** The longest credit after idle, in time at the limit's rate. */
export const MAX_BURST_NS = 60_000_000_000n;

const NS_PER_SECOND = 1_000_000_000n;

/**
 * Checks limits, and throws ShaperError INVALID_LIMIT with the field's name.
 * No limit at all is valid: it means that nothing is shaped.
 */
export function validateLimits(limits: Limits): void {
  for (const direction of directions) {
    const limit = limits[direction];
    if (limit) validateLimit(direction, limit);
  }
}

function validateLimit(direction: Direction, { bitsPerSecond, burstBits }: Limit): void {
  if (typeof bitsPerSecond !== "bigint") {
    throw new ShaperError("INVALID_LIMIT", `the ${direction} limit must be a bigint of bits per second`);
  }
  if (bitsPerSecond < MIN_BITS_PER_SECOND || bitsPerSecond > MAX_BITS_PER_SECOND) {
    const hint =
      bitsPerSecond === 0n ? "Leave the limit out to send without one." : "1M is one megabit per second.";
    throw new ShaperError(
      "INVALID_LIMIT",
      `the ${direction} limit of ${bitsPerSecond} bit/s is out of range: it must be at least 1 kbit/s and less than 1 Pbit/s`,
      { remedy: hint },
    );
  }
  if (burstBits === undefined) return;
  const burstNs = (burstBits * NS_PER_SECOND) / bitsPerSecond;
  if (burstBits < 0n || burstNs > MAX_BURST_NS) {
    throw new ShaperError(
      "INVALID_LIMIT",
      `the ${direction} burst of ${burstBits} bits is out of range: it must not be negative, nor more than a minute at ${bitsPerSecond} bit/s`,
    );
  }
}

/** How long a packet may wait for its own flow's turn before it is dropped instead. */
const DEFAULT_HORIZON_NS = 100_000_000n;

/** How long a packet that knows ECN waits before it is marked. */
const DEFAULT_MARK_NS = 5_000_000n;

/** A full packet of Ethernet's usual size: what a quiet flow may send before others come first. */
const QUANTUM_BITS = 1_514n * 8n;

/** Two of the largest packets that the stack builds: what a device needs to be kept busy. */
const TWO_LARGE_PACKETS_BITS = 2n * 65_536n * 8n;

/** The longest credit where no burst is given: as long as a sender may wait for its turn on a busy CPU. */
const MAX_DEFAULT_BURST_NS = 4_000_000n;

/** The slots of the wheel on which the program counts flows: TICKS of bpf/weir.bpf.c. */
const TICKS = 64n;

/** What the wheel has to reach over: half a second, and where that is not much, the time of a thousand packets. */
const MIN_WHEEL_NS = 1n << 29n;
const WHEEL_PACKETS = 1024n;

const timeOf = (bits: bigint, bitsPerSecond: bigint) => (bits * NS_PER_SECOND) / bitsPerSecond;

/** The credit of a limit in nanoseconds; without a burst the time of two large packets, but at most 4 ms. */
export function burstNs({ bitsPerSecond, burstBits }: Limit): bigint {
  if (burstBits !== undefined) return timeOf(burstBits, bitsPerSecond);
  const time = timeOf(TWO_LARGE_PACKETS_BITS, bitsPerSecond);
  return time < MAX_DEFAULT_BURST_NS ? time : MAX_DEFAULT_BURST_NS;
}

/** The horizon of a limit in nanoseconds: how long a flow's queue may get, in time. It has room for ten full packets. */
export function horizonNs({ bitsPerSecond }: Limit): bigint {
  const least = timeOf(10n * QUANTUM_BITS, bitsPerSecond);
  return least > DEFAULT_HORIZON_NS ? least : DEFAULT_HORIZON_NS;
}

/** From which wait on packets that know ECN are marked, in nanoseconds. */
export function markNs(_limit: Limit): bigint {
  return DEFAULT_MARK_NS;
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
export function tickShift({ bitsPerSecond }: Limit): number {
  const packets = timeOf(QUANTUM_BITS * WHEEL_PACKETS, bitsPerSecond);
  const tick = (packets > MIN_WHEEL_NS ? packets : MIN_WHEEL_NS) / TICKS;
  return (tick - 1n).toString(2).length;
}

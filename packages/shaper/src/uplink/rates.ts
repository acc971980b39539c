import type { Attachment } from "../attachment.js";
import { ShaperError } from "../errors.js";
import { type Direction, directions, type Limit, type Limits } from "../limits.js";

/** How much an uplink carries. */
export interface UplinkRates {
  /**
   * What all its attachments together may send, in bits per second on the wire; a little less than the device can, since
   * what others than its attachments send is not counted.
   */
  bitsPerSecond: bigint;
  /** What all of them together may receive; absent, only what they send is shared. */
  ingressBitsPerSecond?: bigint;
}

/** The slowest uplink, in bits per second. */
export const MIN_UPLINK_BITS_PER_SECOND = 1_000_000n;

/** The fastest uplink, in bits per second. */
export const MAX_UPLINK_BITS_PER_SECOND = 1_000_000_000_000n;

/** The highest weight; the lowest is 1. The range is that of the kernel's cgroups (Documentation/admin-guide/cgroup-v2.rst). */
export const MAX_WEIGHT = 10_000;

/** What an attachment weighs that was given no weight. */
export const DEFAULT_WEIGHT = 100;

/** What an uplink carries in a direction; undefined where that is not shared. */
export function capacityOf(rates: UplinkRates, direction: Direction): bigint | undefined {
  return direction === "egress" ? rates.bitsPerSecond : rates.ingressBitsPerSecond;
}

/** Checks an uplink's name, which is a file's as well. Throws ShaperError INVALID_UPLINK. */
export function validateUplinkName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return;
  throw new ShaperError(
    "INVALID_UPLINK",
    `${JSON.stringify(name)} is no name of an uplink: it must begin with a letter or digit and go on with up to 62 letters, digits, ".", "_" and "-"`,
  );
}

/** Checks an uplink's capacities. Throws ShaperError INVALID_UPLINK. */
export function validateUplinkRates(rates: UplinkRates): void {
  for (const direction of directions) {
    const capacity = capacityOf(rates, direction);
    if (capacity === undefined && direction === "ingress") continue;
    if (typeof capacity !== "bigint") {
      throw new ShaperError("INVALID_UPLINK", "an uplink's capacity must be a bigint of bits per second");
    }
    if (capacity >= MIN_UPLINK_BITS_PER_SECOND && capacity <= MAX_UPLINK_BITS_PER_SECOND) continue;
    throw new ShaperError(
      "INVALID_UPLINK",
      `the ${direction} capacity of ${capacity} bit/s is out of range: it must be from 1 Mbit/s to 1 Tbit/s`,
    );
  }
}

/** Checks what limits say of an uplink. Throws ShaperError INVALID_LIMIT. */
export function validateShares({ uplink }: Pick<Attachment, "uplink">, limits: Limits): void {
  for (const direction of directions) {
    const limit = limits[direction];
    if (limit) validateShare(direction, limit, uplink);
  }
}

function validateShare(direction: Direction, limit: Limit, uplink: string | undefined): void {
  const { bitsPerSecond, guaranteeBitsPerSecond: guarantee, weight } = limit;
  if (uplink === undefined && (guarantee !== undefined || weight !== undefined)) {
    throw new ShaperError(
      "INVALID_LIMIT",
      `the ${direction} limit has a ${guarantee === undefined ? "weight" : "guarantee"}, but its attachment names no uplink to share`,
    );
  }
  if (guarantee !== undefined && (guarantee < 0n || guarantee > bitsPerSecond)) {
    throw new ShaperError(
      "INVALID_LIMIT",
      `the ${direction} guarantee of ${guarantee} bit/s is out of range: it must not be negative, nor more than the limit of ${bitsPerSecond} bit/s`,
    );
  }
  if (weight !== undefined && !(Number.isInteger(weight) && weight >= 1 && weight <= MAX_WEIGHT)) {
    throw new ShaperError(
      "INVALID_LIMIT",
      `the ${direction} weight of ${weight} is out of range: it must be a whole number from 1 to ${MAX_WEIGHT}`,
    );
  }
}

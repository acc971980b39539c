import { ShaperError } from "./errors.js";
import { sameSubnets, validateSubnets } from "./subnets.js";

/** How fast one direction may go. */
export interface Limit {
  /** Bits per second on the wire: link-layer and all other headers count. */
  bitsPerSecond: bigint;
  /** How much may leave at once after a pause, in bits; default the time of two large packets, at most 4 ms. */
  burstBits?: bigint;
  /**
   * How long a packet may wait for its flow's turn, in milliseconds; one that would wait longer is dropped. From 1 to
   * 60,000, default 100. At low rates it is longer: as long as ten full packets take.
   */
  horizonMs?: number;
  /**
   * From which wait on a packet that knows ECN is marked as having met congestion, in milliseconds; default 5. 0 marks
   * none.
   */
  markMs?: number;
  /**
   * What the attachment gets of its uplink whatever others want, in bits per second; default 0, at most the limit. What
   * it does not use is others'. It takes an {@link Attachment.uplink}.
   */
  guaranteeBitsPerSecond?: bigint;
  /**
   * How much of what guarantees leave of the uplink the attachment gets, in proportion to others' weights: from 1 to
   * 10,000, default 100. It takes an {@link Attachment.uplink}.
   */
  weight?: number;
}

/** The limits of a pod's interface, from the pod's point of view; a direction without one is not shaped. */
export interface Limits {
  /** What the pod sends. */
  egress?: Limit;
  /** What the pod receives. */
  ingress?: Limit;
  /**
   * Subnets, IPv4 and IPv6: only traffic with them is limited, in either direction. The other end counts: the
   * destination of what the pod sends, the source of what it receives. Not together with unshapedSubnets.
   */
  shapedSubnets?: readonly string[];
  /** Subnets, IPv4 and IPv6, with which traffic is not limited, and does not count either. */
  unshapedSubnets?: readonly string[];
}

/** A direction, from the pod's point of view. */
export type Direction = "egress" | "ingress";

/** Both directions, egress first. */
export const directions: readonly Direction[] = ["egress", "ingress"];

/** The lowest limit: Kubernetes' own (pkg/util/bandwidth), 1 kbit/s. */
export const MIN_BITS_PER_SECOND = 1_000n;

/** The highest limit: just below 1 Pbit/s. */
export const MAX_BITS_PER_SECOND = 999_999_999_999_999n;

/** The longest horizon and marking threshold. */
export const MAX_HORIZON_MS = 60_000;

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
  validateSubnets(limits);
}

/** Whether two sets of limits say the same: both directions, and the subnets that they are for. */
export function sameLimits(a: Limits, b: Limits): boolean {
  return directions.every((direction) => equalLimits(a[direction], b[direction])) && sameSubnets(a, b);
}

/** Whether two limits say the same. */
export function equalLimits(a: Limit | undefined, b: Limit | undefined): boolean {
  return limitFields.every((name) => a?.[name] === b?.[name]);
}

const limitFields = [
  "bitsPerSecond",
  "burstBits",
  "horizonMs",
  "markMs",
  "guaranteeBitsPerSecond",
  "weight",
] as const;

function validateLimit(direction: Direction, limit: Limit): void {
  const { bitsPerSecond, burstBits, horizonMs, markMs } = limit;
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
  validateTime(direction, "horizon", horizonMs, 1);
  validateTime(direction, "marking threshold", markMs, 0);
  if (burstBits === undefined) return;
  if (burstBits < 0n || burstBits * NS_PER_SECOND > MAX_BURST_NS * bitsPerSecond) {
    throw new ShaperError(
      "INVALID_LIMIT",
      `the ${direction} burst of ${burstBits} bits is out of range: it must not be negative, nor more than a minute at ${bitsPerSecond} bit/s`,
    );
  }
}

function validateTime(direction: Direction, name: string, ms: number | undefined, least: number): void {
  if (ms === undefined || (ms >= least && ms <= MAX_HORIZON_MS)) return;
  throw new ShaperError(
    "INVALID_LIMIT",
    `the ${direction} ${name} of ${ms} ms is out of range: it must be from ${least} to ${MAX_HORIZON_MS} ms`,
  );
}

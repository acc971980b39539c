import {
  MAX_BITS_PER_SECOND,
  MAX_HORIZON_MS,
  MAX_WEIGHT,
  MIN_BITS_PER_SECOND,
  parseQuantity,
} from "@weir/shaper";
import { InvalidArgumentError } from "commander";
import { joinRemedy } from "../cni/explain.js";
import { formatRate } from "../units.js";

// What reads the values of options and arguments; each throws InvalidArgumentError, which says what is allowed.

export function rate(text: string): bigint {
  const bits = quantity(text);
  if (bits >= MIN_BITS_PER_SECOND && bits <= MAX_BITS_PER_SECOND) return bits;
  throw new InvalidArgumentError(
    `It must be at least ${formatRate(MIN_BITS_PER_SECOND)} and less than ${formatRate(MAX_BITS_PER_SECOND + 1n)}.`,
  );
}

export function burst(text: string): bigint {
  const bits = quantity(text);
  if (bits > 0n) return bits;
  throw new InvalidArgumentError("It must be more than 0 bits.");
}

export function collect(text: string, before: string[]): string[] {
  return [...before, text];
}

export function list(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

export function weight(text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MAX_WEIGHT) return number;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_WEIGHT}.`);
}

export function milliseconds(least: number): (text: string) => number {
  return (text) => {
    const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (ms >= least && ms <= MAX_HORIZON_MS) return ms;
    throw new InvalidArgumentError(`It must be a number of milliseconds from ${least} to ${MAX_HORIZON_MS}.`);
  };
}

export function seconds(least: number): (text: string) => number {
  const most = 3600;
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (value === 0 ? least === 0 : value >= Math.max(least, 0.1) && value <= most) return value;
    throw new InvalidArgumentError(`It must be a number of seconds from ${Math.max(least, 0.1)} to ${most}.`);
  };
}

export function count(text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number >= 1) return number;
  throw new InvalidArgumentError("It must be a whole number from 1 on.");
}

function quantity(text: string): bigint {
  try {
    return parseQuantity(text);
  } catch (error) {
    const { message, remedy } = error as Error & { remedy?: string };
    throw new InvalidArgumentError(
      `${joinRemedy(`${message[0]!.toUpperCase()}${message.slice(1)}`, remedy)}`,
    );
  }
}

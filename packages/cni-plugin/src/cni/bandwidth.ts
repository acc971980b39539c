import type { Limit, Limits } from "@weir/shaper";
import { field, isObject, type Json, JsonNumber, type JsonObject } from "../json.js";
import { type NetworkConfiguration, show } from "./configuration.js";
import { CniError, CniErrorCode } from "./errors.js";

/**
 * The smallest burst that counts as "none given": containerd writes 4294967295 and CRI-O 34359738359 where a pod names
 * a rate alone. Taken at their word they would let seconds of traffic pass unshaped.
 */
const PLACEHOLDER_BURST_BITS = 0xffff_ffffn;
const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;

/** The rates that are allowed, in bits per second, both ends included. */
export interface RateRange {
  min: bigint;
  max: bigint;
}

/** The object of a configuration that holds bandwidth fields, and its path as it stands in messages. */
interface Bandwidth {
  fields: JsonObject;
  path: string;
}

/**
 * The limits that a configuration asks for, with the reference `bandwidth` plugin's field names and order of
 * precedence: fields written into the conflist's entry outrank runtimeConfig.bandwidth, all of them together.
 * @returns undefined where the configuration names no limit
 * @throws CniError of code 7 that names the field, its value and what is allowed
 */
export function requestedLimits(configuration: NetworkConfiguration, range: RateRange): Limits | undefined {
  const bandwidth = findBandwidth(configuration);
  return bandwidth && readLimits(bandwidth, range);
}

/** Whether a configuration has bandwidth fields at all. Where it has none, {@link requestedLimits} gives undefined. */
export function mentionsBandwidth(configuration: NetworkConfiguration): boolean {
  return findBandwidth(configuration) !== undefined;
}

/** Whether the entry itself names rates or bursts, which outrank the runtime's. */
export function namesRates({ fields }: NetworkConfiguration): boolean {
  return ["ingressRate", "ingressBurst", "egressRate", "egressBurst"].some(
    (name) => field(fields, name) !== undefined,
  );
}

function findBandwidth(configuration: NetworkConfiguration): Bandwidth | undefined {
  const { fields } = configuration;
  const runtime = runtimeBandwidth(fields);
  if (namesRates(configuration)) return { fields, path: "" };
  return runtime && { fields: runtime, path: RUNTIME_PATH };
}

const RUNTIME_PATH = "runtimeConfig.bandwidth.";

function runtimeBandwidth(fields: JsonObject): JsonObject | undefined {
  const runtimeConfig = field(fields, "runtimeConfig");
  if (runtimeConfig === undefined) return undefined;
  if (!isObject(runtimeConfig)) throw invalid("runtimeConfig", runtimeConfig, "an object");
  const bandwidth = field(runtimeConfig, "bandwidth");
  if (bandwidth === undefined) return undefined;
  if (!isObject(bandwidth)) throw invalid("runtimeConfig.bandwidth", bandwidth, "an object");
  return bandwidth;
}

function readLimits(bandwidth: Bandwidth, range: RateRange): Limits | undefined {
  const ingress = readLimit(bandwidth, "ingress", range);
  const egress = readLimit(bandwidth, "egress", range);
  if (!ingress && !egress) {
    // A zero beside a real limit is how containerd leaves a direction out; zeros alone would be a limit of nothing.
    const { fields, path } = bandwidth;
    const zero = ["egressRate", "ingressRate"].find((name) => field(fields, name) !== undefined);
    if (zero) throw invalid(path + zero, field(fields, zero), rateRule(range));
    return undefined;
  }
  return { ...(egress ? { egress } : {}), ...(ingress ? { ingress } : {}) };
}

function rateRule({ min, max }: RateRange): string {
  return `a whole number of bits per second from ${min} to ${max}`;
}

function readLimit(
  { fields, path }: Bandwidth,
  direction: "ingress" | "egress",
  range: RateRange,
): Limit | undefined {
  const rateName = `${direction}Rate`;
  const burstName = `${direction}Burst`;
  const rateField = field(fields, rateName);
  const bitsPerSecond = wholeNumber(rateField);
  if (bitsPerSecond === undefined) throw invalid(path + rateName, rateField, rateRule(range));
  const burst = readBurst(fields, path, burstName);
  if (bitsPerSecond === 0n) {
    if (burst === 0n) return undefined;
    throw new CniError(
      CniErrorCode.INVALID_CONFIGURATION,
      `${path}${burstName} is ${burst}, but ${path}${rateName} is ${rateField === undefined ? "missing" : "0"}: a burst takes a rate beside it`,
    );
  }
  if (bitsPerSecond < range.min || bitsPerSecond > range.max) {
    throw invalid(path + rateName, rateField, rateRule(range));
  }
  return burst === 0n ? { bitsPerSecond } : { bitsPerSecond, burstBits: burst };
}

/** The burst in bits, 0 where none is meant. */
function readBurst(source: JsonObject, path: string, name: string): bigint {
  const value = field(source, name);
  const bits = wholeNumber(value);
  if (bits === undefined || bits > MAX_UINT64) {
    throw invalid(path + name, value, `a whole number of bits from 0 to ${MAX_UINT64}`);
  }
  return bits >= PLACEHOLDER_BURST_BITS ? 0n : bits;
}

/** A JSON number as an integer of 0 or more, 0 where the field is absent, undefined where it is anything else. */
function wholeNumber(value: Json | undefined): bigint | undefined {
  if (value === undefined) return 0n;
  if (typeof value !== "number" && !(value instanceof JsonNumber)) return undefined;
  const text = typeof value === "number" ? String(value) : value.text;
  const match = /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!match) return undefined;
  const [, integer = "", fraction = "", exponent = "0"] = match;
  const digits = (integer + fraction).replace(/^0+/, "");
  if (digits === "") return 0n;
  const shift = Number(exponent) - fraction.length;
  // Beyond this no value is in any range; no digits are made for it.
  if (digits.length + shift > 40 || digits.length > 400) return MAX_UINT64 + 1n;
  if (shift >= 0) return BigInt(digits + "0".repeat(shift));
  const kept = digits.slice(0, shift);
  return /^0*$/.test(digits.slice(shift)) && kept !== "" ? BigInt(kept) : undefined;
}

function invalid(name: string, value: Json | undefined, rule: string): CniError {
  return new CniError(CniErrorCode.INVALID_CONFIGURATION, `${name} is ${show(value)}, but must be ${rule}`);
}

import { directions, MAX_HORIZON_MS, MAX_WEIGHT } from "@weir/shaper";
import { field, isObject, type Json, type JsonObject } from "../json.js";
import { isPrefix } from "./address.js";
import { type NetworkConfiguration, show } from "./configuration.js";
import { CniError, CniErrorCode } from "./errors.js";

/** What the conflist's entry says beside the rates: how the limits are kept, rather than how high they are. */
export interface Settings {
  /** The only destinations whose traffic is shaped, as prefixes; the reference plugin's field. */
  shapedSubnets?: string[];
  /** Destinations whose traffic is not shaped. */
  unshapedSubnets?: string[];
  /** How long a packet may wait before it is dropped instead, in milliseconds. */
  horizonMs?: number;
  /** From which wait on packets are marked as having met congestion, in milliseconds; 0 marks none. */
  markMs?: number;
  /** Whether all of the container's interfaces share one limit. */
  aggregate?: boolean;
  /** Whether what the pod sends is policed on the host's side as well, and how. */
  guard?: boolean | GuardSettings;
  /** The uplink that the network's pods share. */
  uplink?: string;
  /** What each of them is guaranteed of what it may send, in bits per second. */
  egressGuarantee?: bigint;
  /** What each of them weighs for what guarantees leave. */
  egressWeight?: number;
  /** The same for what it receives. */
  ingressGuarantee?: bigint;
  ingressWeight?: number;
}

/** The guard on the host's side. */
export interface GuardSettings {
  /** What becomes of packets from sources that the guard does not know; a rate is in bits per second. */
  unknown?: "pass" | "drop" | bigint;
  /** Prefixes that count as known beside the node's own addresses. */
  known?: string[];
}

/** The shortest waits that may be set: those of the shaper. */
const leastMs = { horizonMs: 1, markMs: 0 } as const;

/**
 * Reads the settings. Those of the entry count; only subnets may also stand in runtimeConfig.bandwidth, where the entry
 * has none.
 * @throws CniError of code 7 that names the field, its value and what is allowed
 */
export function requestedSettings({ fields }: NetworkConfiguration): Settings {
  const settings: Settings = {};
  for (const name of ["shapedSubnets", "unshapedSubnets"] as const) {
    const subnets = readPrefixes(fields, name, name) ?? runtimeSubnets(fields, name);
    if (subnets && subnets.length > 0) settings[name] = subnets;
  }
  for (const name of ["horizonMs", "markMs"] as const) {
    const value = field(fields, name);
    if (value === undefined) continue;
    if (typeof value !== "number" || value < leastMs[name] || value > MAX_HORIZON_MS) {
      throw invalid(name, value, `a number of milliseconds from ${leastMs[name]} to ${MAX_HORIZON_MS}`);
    }
    settings[name] = value;
  }
  const aggregate = field(fields, "aggregate");
  if (aggregate !== undefined) {
    if (typeof aggregate !== "boolean") throw invalid("aggregate", aggregate, "true or false");
    settings.aggregate = aggregate;
  }
  const guard = readGuard(field(fields, "guard"));
  if (guard !== undefined) settings.guard = guard;
  readShare(fields, settings);
  return settings;
}

function readShare(fields: JsonObject, settings: Settings): void {
  const uplink = field(fields, "uplink");
  if (uplink !== undefined) {
    if (typeof uplink !== "string" || uplink === "") throw invalid("uplink", uplink, "the name of an uplink");
    settings.uplink = uplink;
  }
  for (const direction of directions) {
    const guarantee = field(fields, `${direction}Guarantee`);
    if (guarantee !== undefined) {
      if (typeof guarantee !== "number" || !Number.isSafeInteger(guarantee) || guarantee < 0) {
        throw invalid(`${direction}Guarantee`, guarantee, "a whole number of bits per second");
      }
      settings[`${direction}Guarantee`] = BigInt(guarantee);
    }
    const weight = field(fields, `${direction}Weight`);
    if (weight !== undefined) {
      if (typeof weight !== "number" || !Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT) {
        throw invalid(`${direction}Weight`, weight, `a whole number from 1 to ${MAX_WEIGHT}`);
      }
      settings[`${direction}Weight`] = weight;
    }
    for (const name of [`${direction}Guarantee`, `${direction}Weight`] as const) {
      if (settings[name] === undefined || uplink !== undefined) continue;
      throw new CniError(
        CniErrorCode.INVALID_CONFIGURATION,
        `${name} is set, but no uplink: it takes the name of the uplink that is shared`,
      );
    }
  }
}

function runtimeSubnets(fields: JsonObject, name: string): string[] | undefined {
  const runtimeConfig = field(fields, "runtimeConfig");
  const bandwidth = isObject(runtimeConfig) ? field(runtimeConfig, "bandwidth") : undefined;
  return isObject(bandwidth) ? readPrefixes(bandwidth, name, `runtimeConfig.bandwidth.${name}`) : undefined;
}

function readGuard(value: Json | undefined): boolean | GuardSettings | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  if (!isObject(value)) {
    throw invalid("guard", value, 'true, false, or an object with "unknown" and "known"');
  }
  const settings: GuardSettings = {};
  const unknown = field(value, "unknown");
  if (unknown !== undefined) {
    if (unknown === "pass" || unknown === "drop") settings.unknown = unknown;
    else if (typeof unknown === "number" && Number.isSafeInteger(unknown) && unknown >= 0) {
      settings.unknown = BigInt(unknown);
    } else throw invalid("guard.unknown", unknown, '"pass", "drop", or a whole number of bits per second');
  }
  const known = readPrefixes(value, "known", "guard.known");
  if (known) settings.known = known;
  return settings;
}

function readPrefixes(source: JsonObject, name: string, path: string): string[] | undefined {
  const list = field(source, name);
  if (list === undefined) return undefined;
  if (!Array.isArray(list)) throw invalid(path, list, 'a list of prefixes such as "10.0.0.0/8"');
  return list.map((item, index) => {
    if (typeof item === "string" && isPrefix(item)) return item;
    throw invalid(`${path}[${index}]`, item, 'a prefix such as "10.0.0.0/8" or "fd00::/8"');
  });
}

function invalid(name: string, value: Json | undefined, rule: string): CniError {
  return new CniError(CniErrorCode.INVALID_CONFIGURATION, `${name} is ${show(value)}, but must be ${rule}`);
}

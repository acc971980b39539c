import { parsePrefix } from "@weir/netlink";
import { ShaperError } from "../errors.js";
import { MAX_BITS_PER_SECOND, MIN_BITS_PER_SECOND } from "../limits.js";

/** What the guard does with packets of an uplink that come from nobody it knows. */
export interface GuardOptions {
  /**
   * "pass" (the default) lets them through, as a node that forwards for others needs it; "drop" drops them; a number
   * of bits per second lets so much through, of all of them together. They are counted in any case.
   */
  unknown?: "pass" | "drop" | bigint;
  /**
   * Prefixes whose addresses count as known, beside the node's own addresses: those of pods that have no limit, or of
   * networks that the node forwards for. At most 512.
   */
  known?: readonly string[];
}

/** The options in the form in which they are kept. */
export interface GuardPolicy {
  unknown: "pass" | "drop" | bigint;
  known: readonly string[];
}

/** One prefix needs an element of the map, and so do the node's own addresses. */
const MAX_KNOWN_PREFIXES = 512;

/** The policy where nobody asked for another. */
export const DEFAULT_POLICY: GuardPolicy = { unknown: "pass", known: [] };

/**
 * The policy that options ask for; undefined where they leave it as it is.
 * @throws ShaperError INVALID_LIMIT
 */
export function guardPolicy(options: boolean | GuardOptions | undefined): GuardPolicy | undefined {
  if (typeof options !== "object") return undefined;
  const { unknown = "pass", known = [] } = options;
  if (typeof unknown === "bigint") {
    if (unknown < MIN_BITS_PER_SECOND || unknown > MAX_BITS_PER_SECOND) {
      throw invalid(
        `the guard's rate for unknown sources is ${unknown} bit/s, but must be at least 1 kbit/s and less than 1 Pbit/s`,
      );
    }
  } else if (unknown !== "pass" && unknown !== "drop") {
    throw invalid(
      `the guard's policy for unknown sources is ${JSON.stringify(unknown)}, but must be "pass", "drop" or a rate`,
    );
  }
  if (!Array.isArray(known)) throw invalid("the guard's known prefixes must be a list");
  if (known.length > MAX_KNOWN_PREFIXES) {
    throw invalid(
      `the guard has ${known.length} known prefixes, but at most ${MAX_KNOWN_PREFIXES} are possible`,
    );
  }
  for (const prefix of known) {
    try {
      parsePrefix(prefix);
    } catch (error) {
      throw invalid(`one of the guard's known prefixes is no prefix: ${(error as Error).message}`);
    }
  }
  return { unknown, known };
}

function invalid(message: string): ShaperError {
  return new ShaperError("INVALID_LIMIT", message);
}

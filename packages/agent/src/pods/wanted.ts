import { type Direction, directions } from "@weir/shaper";
import type { Rates, Settings } from "../config.js";
import { sentenceOf } from "../errors.js";
import { parseRate } from "../quantity.js";
import { annotationOf, NETWORKS_ANNOTATION, type Pod } from "./pod.js";

/** An annotation that is wrong. */
export interface WrongAnnotation {
  annotation: string;
  value: string;
  /** One sentence that says what is wrong with it. */
  message: string;
}

/** What one direction of an interface should be. */
export type WantedRate =
  /** This many bits per second, or no limit. */
  | { bitsPerSecond: bigint | undefined }
  /** What is in force, as nobody can say what was meant; where nothing is, `otherwise`. */
  | { keep: true; otherwise: bigint | undefined };

/** What a pod's interfaces should be, and what is wrong with its annotations. */
export interface Wanted {
  /** For an interface by its name, since Multus' networks can have rates of their own. */
  of(ifname: string): { [direction in Direction]: WantedRate };
  wrong: WrongAnnotation[];
}

/** What a pod's annotations and the node's settings say together. */
export function wantedOf(pod: Pod, { defaults, maximum }: Pick<Settings, "defaults" | "maximum">): Wanted {
  const wrong: WrongAnnotation[] = [];
  const rates = {} as { [direction in Direction]: WantedRate };
  for (const direction of directions) {
    const annotation = annotationOf[direction];
    const value = pod.annotations[annotation];
    const otherwise = least(defaults[direction] ?? maximum[direction], maximum[direction]);
    if (value === undefined) {
      rates[direction] = { bitsPerSecond: otherwise };
      continue;
    }
    try {
      rates[direction] = { bitsPerSecond: least(parseRate(value), maximum[direction]) };
    } catch (error) {
      wrong.push({ annotation, value, message: sentenceOf(error) });
      rates[direction] = { keep: true, otherwise };
    }
  }
  const own = networkRates(pod.annotations[NETWORKS_ANNOTATION]);
  return {
    wrong,
    of(ifname) {
      const network = own.get(ifname);
      if (!network) return rates;
      // As in the plugin, where an element's bandwidth takes the place of the pod's as a whole.
      const rate = (direction: Direction): WantedRate => ({
        bitsPerSecond: least(network[direction] ?? maximum[direction], maximum[direction]),
      });
      return { egress: rate("egress"), ingress: rate("ingress") };
    },
  };
}

/**
 * The rates that elements of Multus' annotation name, by interface. What it does not understand it leaves to Multus to
 * complain about.
 */
function networkRates(text: string | undefined): Map<string, Rates> {
  const found = new Map<string, Rates>();
  if (!text?.trim().startsWith("[")) return found;
  let elements: unknown;
  try {
    elements = JSON.parse(text);
  } catch {
    return found;
  }
  for (const [index, element] of (Array.isArray(elements) ? elements : []).entries()) {
    const { interface: ifname = `net${index + 1}`, bandwidth } = (element ?? {}) as NetworkElement;
    if (typeof ifname !== "string" || typeof bandwidth !== "object" || bandwidth === null) continue;
    const rates: Rates = {};
    for (const direction of directions) {
      const value = bandwidth[`${direction}Rate`];
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1000 && value < 1e15) {
        rates[direction] = BigInt(value);
      }
    }
    found.set(ifname, rates);
  }
  return found;
}

interface NetworkElement {
  interface?: unknown;
  bandwidth?: { [name: string]: unknown } | null;
}

function least(rate: bigint | undefined, maximum: bigint | undefined): bigint | undefined {
  return rate !== undefined && maximum !== undefined && maximum < rate ? maximum : rate;
}

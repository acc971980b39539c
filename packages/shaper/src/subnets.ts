import type { BpfMap } from "@weir/bpf-loader";
import { parsePrefix } from "@weir/netlink";
import { ShaperError } from "./errors.js";
import type { Limits } from "./limits.js";

/** Which subnets' traffic a limit is for, as the program takes it. */
export interface SubnetRule {
  /** The list's number in the map: even, and that of its IPv4 subnets is one above. 0 where all traffic is shaped. */
  list: number;
  /** Only the list's traffic is shaped; otherwise all but that. */
  shaped: boolean;
}

/** The rule without a list: all traffic is shaped. */
export const ALL_TRAFFIC: SubnetRule = { list: 0, shaped: false };

/** How many subnets there may be in one list. */
export const MAX_SUBNETS = 1024;

/**
 * Checks subnet lists: prefixes of either family, one kind of list, no more than {@link MAX_SUBNETS}.
 * @throws ShaperError INVALID_LIMIT with the list's name and the prefix
 */
export function validateSubnets({ shapedSubnets, unshapedSubnets }: Limits): void {
  if (shapedSubnets?.length && unshapedSubnets?.length) {
    throw new ShaperError("INVALID_LIMIT", "shapedSubnets and unshapedSubnets exclude each other", {
      remedy: "Name either the subnets that are to be shaped, or those that are not.",
    });
  }
  for (const [name, subnets] of [
    ["shapedSubnets", shapedSubnets],
    ["unshapedSubnets", unshapedSubnets],
  ] as const) {
    if (!subnets) continue;
    if (subnets.length > MAX_SUBNETS) {
      throw new ShaperError(
        "INVALID_LIMIT",
        `${name} has ${subnets.length} subnets, more than ${MAX_SUBNETS}`,
      );
    }
    for (const subnet of subnets) {
      if (typeof subnet === "string" && subnet.includes("/") && isPrefix(subnet)) continue;
      throw new ShaperError("INVALID_LIMIT", `${JSON.stringify(subnet)} in ${name} is no subnet`, {
        remedy: "It must be an address and a prefix length, such as 10.0.0.0/8 or fd00::/8.",
      });
    }
  }
}

/** The subnets that limits name, of whichever kind. */
export function subnetsOf({ shapedSubnets, unshapedSubnets }: Limits): readonly string[] {
  return shapedSubnets?.length ? shapedSubnets : (unshapedSubnets ?? []);
}

/** Whether limits name the same subnets, in the same order, and the same kind of list. */
export function sameSubnets(a: Limits, b: Limits): boolean {
  const text = ({ shapedSubnets = [], unshapedSubnets = [] }: Limits) =>
    JSON.stringify([shapedSubnets, unshapedSubnets]);
  return text(a) === text(b);
}

/**
 * The map of all subnet lists: a trie, `subnets` of bpf/weir.bpf.c. A list never changes: a new one takes its place in
 * the limit's entry, so that no packet meets half a list.
 */
export class SubnetLists {
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** Writes the list that limits ask for under a number of its own; nothing where they name none. */
  install(limits: Limits): SubnetRule {
    const subnets = subnetsOf(limits);
    if (subnets.length === 0) return ALL_TRAFFIC;
    const list = newNumber();
    try {
      for (const subnet of subnets) this.#map.raw.set(subnetKey(list, subnet), new Uint8Array(4));
    } catch (error) {
      this.remove(list, subnets);
      throw error;
    }
    return { list, shaped: (limits.shapedSubnets?.length ?? 0) > 0 };
  }

  /** Removes a list that no entry names any more. */
  remove(list: number, subnets: readonly string[]): void {
    for (const subnet of subnets) this.#map.raw.delete(subnetKey(list, subnet));
  }

  /** Whether a list holds all subnets that limits name, and is of their kind. */
  holds({ list, shaped }: SubnetRule, limits: Limits): boolean {
    const subnets = subnetsOf(limits);
    if (subnets.length === 0 || list === 0) return subnets.length === 0 && list === 0;
    return (
      shaped === (limits.shapedSubnets?.length ?? 0) > 0 &&
      subnets.every((subnet) => this.#map.raw.has(subnetKey(list, subnet)))
    );
  }

  /** Removes what a crash left of lists that no entry names. @returns how many subnets that were */
  sweep(live: ReadonlySet<number>): number {
    let swept = 0;
    for (const key of [...this.#map.raw.keys()]) {
      const number = new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(4, true);
      if (!live.has(number - (number % 2)) && this.#map.raw.delete(key)) swept++;
    }
    return swept;
  }
}

/** `struct subnet` of bpf/weir.bpf.c. Bits of the address beyond the prefix do not count. */
function subnetKey(list: number, text: string): Uint8Array {
  const { family, bytes, prefixLength } = parsePrefix(text);
  const key = new Uint8Array(24);
  const view = new DataView(key.buffer);
  view.setUint32(0, 32 + prefixLength, true);
  view.setUint32(4, list + (family === "ipv4" ? 1 : 0), true);
  for (let bit = 0; bit < prefixLength; bit += 8) {
    const kept = Math.min(8, prefixLength - bit);
    key[8 + bit / 8] = bytes[bit / 8]! & (0xff00 >> kept);
  }
  return key;
}

function isPrefix(text: string): boolean {
  try {
    parsePrefix(text);
    return true;
  } catch {
    return false;
  }
}

/** An even number that no other list has, as good as certainly. */
function newNumber(): number {
  return 2 * (1 + Math.floor(Math.random() * 0x7fff_fffe));
}

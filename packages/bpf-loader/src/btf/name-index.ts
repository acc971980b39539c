import { type BtfLayout, kindOf } from "./layout.js";
import { type BtfStrings, essentialEnd, hashOf } from "./strings.js";

const NONE = new Uint32Array();

/** Searches by reading every type, before an index of all names is worth its making. */
const SCANS = 8;

/**
 * Finds the types of one blob by name. A few searches look at every type; after these a hash table of all names is
 * made, which takes two words for each type. No name is decoded.
 */
export class NameIndex {
  readonly #layout: BtfLayout;
  readonly #strings: BtfStrings;
  #scans = 0;
  /** The first type of each bucket, and the type after each in its bucket; both count from 1, and 0 is none. */
  #heads: Uint32Array | undefined;
  #next = NONE;

  constructor(layout: BtfLayout, strings: BtfStrings) {
    this.#layout = layout;
    this.#strings = strings;
  }

  /**
   * The ids of the types of a name, in ascending order.
   * @param kinds a bit for each kind to look for
   * @param essential whether `name___flavour` counts as well
   * @param first give no more than the first
   */
  find(name: Uint8Array, kinds: number, essential: boolean, first: boolean): number[] {
    const { words, offsets, firstId } = this.#layout;
    const strings = this.#strings;
    const found: number[] = [];
    const hasName = (at: number) =>
      essential ? strings.equalsEssentially(words[at]!, name) : strings.equals(words[at]!, name);
    if (!this.#heads && this.#scans++ < SCANS) {
      // Most types are of another kind: that is told by a shift of a small integer (its upper bits do not count).
      const infos = new Int32Array(words.buffer, words.byteOffset, words.length);
      for (let index = 0; index < offsets.length; index++) {
        const at = offsets[index]!;
        if (((1 << (infos[at + 1]! >> 24)) & kinds) === 0 || !hasName(at)) continue;
        found.push(firstId + index);
        if (first) break;
      }
      return found;
    }
    const matches = (index: number) => {
      const at = offsets[index]!;
      return ((1 << kindOf(words[at + 1]!)) & kinds) !== 0 && hasName(at);
    };
    const heads = this.#table();
    // A flavour's hash is that of the name without it, also where the whole name is looked for.
    const hash = essential ? hashOf(name) : hashOf(name.subarray(0, essentialEnd(name, 0, name.length)));
    for (let entry = heads[hash & (heads.length - 1)]!; entry !== 0; entry = this.#next[entry - 1]!) {
      if (!matches(entry - 1)) continue;
      found.push(firstId + entry - 1);
      if (first) break;
    }
    return found;
  }

  #table(): Uint32Array {
    if (this.#heads) return this.#heads;
    const { words, offsets } = this.#layout;
    const count = offsets.length;
    const heads = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(count / 2, 16))));
    const next = new Uint32Array(count);
    // From the last to the first, so that each bucket ascends.
    for (let index = count - 1; index >= 0; index--) {
      const name = words[offsets[index]!]!;
      if (name === 0) continue;
      const bucket = this.#strings.hash(name) & (heads.length - 1);
      next[index] = heads[bucket]!;
      heads[bucket] = index + 1;
    }
    this.#heads = heads;
    this.#next = next;
    return heads;
  }
}

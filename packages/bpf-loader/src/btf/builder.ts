import { hostLittleEndian } from "../byte-order.js";
import { assembleBtf, closure } from "./assemble.js";
import type { Btf } from "./btf.js";
import { encodeType, type NewBtfType } from "./encode.js";
import { BtfError } from "./error.js";
import { MAX_TYPES, visitReferences } from "./layout.js";

const encoder = new TextEncoder();

/**
 * Makes BTF: from descriptions of types, or from types of other BTF with all that these refer to. Strings that are
 * the same are written once; types are as many as were added.
 */
export class BtfBuilder {
  readonly #littleEndian: boolean;
  readonly #types: Uint32Array[] = [];
  readonly #offsets = new Map<string, number>([["", 0]]);
  readonly #strings: Uint8Array[] = [new Uint8Array(1)];
  #stringsLength = 1;

  /** Makes BTF in a byte order; the host's if none is given. */
  constructor(littleEndian: boolean = hostLittleEndian) {
    this.#littleEndian = littleEndian;
  }

  /** How many types there are. */
  get typeCount(): number {
    return this.#types.length;
  }

  /** The offset of a string, which is added if it is new, as line information refers to it. */
  string(text: string): number {
    let offset = this.#offsets.get(text);
    if (offset === undefined) {
      if (text.includes("\0")) throw new BtfError("BTF_RANGE", "a string of BTF cannot hold a NUL");
      offset = this.#stringsLength;
      const bytes = encoder.encode(`${text}\0`);
      this.#strings.push(bytes);
      this.#stringsLength += bytes.length;
      this.#offsets.set(text, offset);
    }
    return offset;
  }

  /**
   * Adds a type, and gives its id. It may refer to types that are still to come.
   * @throws BtfError for a number that does not fit its field
   */
  add(type: NewBtfType): number {
    return this.#push(encodeType(type, (text) => this.string(text)));
  }

  /**
   * Adds types of other BTF and all that they refer to, with the tags of all these, in the order of their ids.
   * @returns the new id of each type that was added, by its id in `btf`
   * @throws BtfError
   */
  copy(btf: Btf, ids: Iterable<number>): ReadonlyMap<number, number> {
    const found = closure(btf, ids);
    const newIds = new Map<number, number>([[0, 0]]);
    for (const id of found) newIds.set(id, this.#types.length + newIds.size);
    for (const id of found) {
      const source = btf.words(id);
      const words = source.slice();
      visitReferences(
        words,
        0,
        (at) => {
          words[at] = this.string(btf.string(source[at]!));
        },
        (at) => {
          words[at] = newIds.get(source[at]!)!;
        },
      );
      this.#push(words);
    }
    return newIds;
  }

  /** The BTF. Throws {@link BtfError} if there are more types than BTF can have. */
  build(): Uint8Array {
    const types = new Uint32Array(this.#types.reduce((sum, words) => sum + words.length, 0));
    let at = 0;
    for (const words of this.#types) {
      types.set(words, at);
      at += words.length;
    }
    const strings = new Uint8Array(this.#stringsLength);
    at = 0;
    for (const text of this.#strings) {
      strings.set(text, at);
      at += text.length;
    }
    return assembleBtf(types, strings, this.#littleEndian);
  }

  #push(words: Uint32Array): number {
    if (this.#types.length >= MAX_TYPES) throw new BtfError("BTF_LIMIT", `more than ${MAX_TYPES} types`);
    this.#types.push(words);
    return this.#types.length;
  }
}

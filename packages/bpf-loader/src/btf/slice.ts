import { assembleBtf, closure } from "./assemble.js";
import { Btf } from "./btf.js";
import { referencesOf } from "./layout.js";
import { BtfKind } from "./types.js";

/** The part of an object's BTF that a load needs, under ids and string offsets of its own. */
export interface BtfSlice {
  readonly btf: Btf;
  /** False for all of it, whose ids and offsets are as they were. */
  readonly partial: boolean;
  /** The id of a type in the part. Throws an Error for one that is not in it. */
  typeId(id: number): number;
  /** The offset of a string in the part, by its offset in the whole. Throws an Error for one that is not in it. */
  string(offset: number): number;
}

/** All of it. */
export function wholeBtf(btf: Btf): BtfSlice {
  return { btf, partial: false, typeId: (id) => id, string: (offset) => offset };
}

/**
 * The types of these ids with all that they refer to, and the strings at these offsets. Throws {@link BtfError}.
 * @param keepIds leave ids as they are, for instructions that hold them: what is not needed becomes `const void`
 */
export function sliceBtf(
  btf: Btf,
  ids: Iterable<number>,
  strings: Iterable<number>,
  keepIds = false,
): BtfSlice {
  const needed = closure(btf, ids);
  const ordered = keepIds ? withGaps(needed, btf.typeCount) : needed;
  const newIds = new Uint32Array(btf.typeCount + 1);
  let length = 0;
  ordered.forEach((id, i) => {
    if (id !== 0) newIds[id] = i + 1;
    length += id === 0 ? GAP.length : btf.words(id).length;
  });
  const words = new Uint32Array(length);
  const table = new StringTable(btf);
  let at = 0;
  for (const id of ordered) {
    const source = id === 0 ? GAP : btf.words(id);
    words.set(source, at);
    const { names, types } = referencesOf(source, 0);
    for (const word of names) words[at + word] = table.offset(source[word]!);
    for (const word of types) words[at + word] = newIds[source[word]!]!;
    at += source.length;
  }
  for (const offset of strings) table.offset(offset);
  // Only BTF whose names overlap one another would grow.
  if (!table.fits) return wholeBtf(btf);
  return {
    btf: Btf.parse(assembleBtf(words, table.bytes, btf.littleEndian)),
    partial: true,
    typeId: (id) => (id === 0 ? 0 : known(newIds[id] || undefined, `type ${id}`)),
    string: (offset) => known(table.known(offset), `the string at ${offset}`),
  };
}

/** `const void`, the smallest type that may stand for any other. */
const GAP = Uint32Array.of(0, BtfKind.CONST << 24, 0);

/** All ids in their places, 0 for those that are not needed. */
function withGaps(needed: readonly number[], count: number): number[] {
  const ids = new Array<number>(count).fill(0);
  for (const id of needed) ids[id - 1] = id;
  return ids;
}

/** The strings that are taken along. */
class StringTable {
  readonly #btf: Btf;
  readonly #offsets = new Map<number, number>([[0, 0]]);
  readonly #bytes: Uint8Array;
  #length = 1;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#bytes = new Uint8Array(btf.stringsLength);
  }

  /** The new offset of the string at an offset, which is taken along. */
  offset(old: number): number {
    const known = this.#offsets.get(old);
    if (known !== undefined) return known;
    const text = this.#btf.stringBytes(old);
    const offset = this.#length;
    if (this.fits) this.#length += text.length;
    if (this.fits) this.#bytes.set(text, offset);
    this.#offsets.set(old, offset);
    return offset;
  }

  get fits(): boolean {
    return this.#length <= this.#bytes.length;
  }

  known(old: number): number | undefined {
    return this.#offsets.get(old);
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

function known(number: number | undefined, what: string): number {
  if (number === undefined) throw new Error(`${what} was left out of the object's BTF`);
  return number;
}

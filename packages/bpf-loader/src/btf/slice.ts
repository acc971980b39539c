import { assembleBtf, closure } from "./assemble.js";
import { Btf } from "./btf.js";
import { referencesOf } from "./layout.js";

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

/** The types of these ids with all that they refer to, and the strings at these offsets. Throws {@link BtfError}. */
export function sliceBtf(btf: Btf, ids: Iterable<number>, strings: Iterable<number>): BtfSlice {
  const ordered = closure(btf, ids);
  const newIds = new Uint32Array(btf.typeCount + 1);
  let length = 0;
  ordered.forEach((id, i) => {
    newIds[id] = i + 1;
    length += btf.words(id).length;
  });
  const words = new Uint32Array(length);
  const table = new StringTable(btf);
  let at = 0;
  for (const id of ordered) {
    const source = btf.words(id);
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

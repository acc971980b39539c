import { BTF_HEADER_SIZE, closure, finishBtf, recordOf } from "./assemble.js";
import { Btf } from "./btf.js";
import { visitReferences, wordsIn } from "./layout.js";
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
  for (let i = 0; i < ordered.length; i++) {
    const id = ordered[i]!;
    if (id !== 0) newIds[id] = i + 1;
    length += id === 0 ? GAP.length : recordLength(recordOf(btf, id));
  }
  const stringsStart = BTF_HEADER_SIZE + length * 4;
  const bytes = new Uint8Array(stringsStart + btf.stringsLength);
  const words = new Uint32Array(bytes.buffer, BTF_HEADER_SIZE, length);
  const table = new StringTable(btf, bytes.subarray(stringsStart));
  const rename = (word: number) => {
    words[word] = table.offset(words[word]!);
  };
  const renumber = (word: number) => {
    words[word] = newIds[words[word]!]!;
  };
  let at = 0;
  for (let i = 0; i < ordered.length; i++) {
    const id = ordered[i]!;
    const record = id === 0 ? { words: GAP, at: 0 } : recordOf(btf, id);
    const count = recordLength(record);
    for (let word = 0; word < count; word++) words[at + word] = record.words[record.at + word]!;
    visitReferences(words, at, rename, renumber);
    at += count;
  }
  for (const offset of strings) table.offset(offset);
  // Only BTF whose names overlap one another would grow.
  if (!table.fits) return wholeBtf(btf);
  const image = finishBtf(bytes.subarray(0, stringsStart + table.length), length, btf.littleEndian);
  return {
    btf: Btf.parse(image),
    partial: true,
    typeId: (id) => (id === 0 ? 0 : known(newIds[id] || undefined, `type ${id}`)),
    string: (offset) => known(table.known(offset), `the string at ${offset}`),
  };
}

/** `const void`, the smallest type that may stand for any other. */
const GAP = Uint32Array.of(0, BtfKind.CONST << 24, 0);

function recordLength({ words, at }: { readonly words: Uint32Array; readonly at: number }): number {
  return wordsIn(words[at + 1]!);
}

/** All ids in their places, 0 for those that are not needed. */
function withGaps(needed: Uint32Array, count: number): Uint32Array {
  const ids = new Uint32Array(count);
  for (const id of needed) ids[id - 1] = id;
  return ids;
}

/** The strings that are taken along. */
class StringTable {
  readonly #btf: Btf;
  /** The new offset of each by the old one, 0 for those that are left out. */
  readonly #offsets: Uint32Array;
  readonly #bytes: Uint8Array;
  /** Bytes of all strings; the first is empty. */
  length = 1;

  /** @param bytes room for as much as the whole has, filled with zeros */
  constructor(btf: Btf, bytes: Uint8Array) {
    this.#btf = btf;
    this.#offsets = new Uint32Array(btf.stringsLength);
    this.#bytes = bytes;
  }

  /** The new offset of the string at an offset, which is taken along. */
  offset(old: number): number {
    if (old === 0) return 0;
    const known = this.#offsets[old];
    if (known) return known;
    const offset = this.length;
    if (!this.fits) return 0;
    this.length += this.#btf.copyString(old, this.#bytes, offset);
    this.#offsets[old] = offset;
    return offset;
  }

  get fits(): boolean {
    return this.length <= this.#bytes.length;
  }

  known(old: number): number | undefined {
    return old === 0 ? 0 : this.#offsets[old] || undefined;
  }
}

function known(number: number | undefined, what: string): number {
  if (number === undefined) throw new Error(`${what} was left out of the object's BTF`);
  return number;
}

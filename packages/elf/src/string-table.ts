import { ElfError } from "./error.js";

/** Up to this size a table is decoded as a whole, and names are cut out of it: many times faster than one by one. */
const SMALL = 1 << 16;
const decoder = new TextDecoder("utf-8");

/**
 * The names of a string table, decoded when asked for and kept.
 *
 * Names may share their tails, so a hostile table of n bytes could be asked for n names of n/2 bytes each. All names
 * together may therefore take at most 8 times the table (linkers' tail merging stays far below twice).
 */
export class StringTable {
  readonly #bytes: Uint8Array;
  readonly #fileOffset: number;
  readonly #names = new Map<number, string>();
  #budget: number;
  /** The whole table, if each of its bytes is a character; undefined until somebody asks for a name. */
  #text: string | null | undefined;

  /** Takes the table's bytes and where in the file they begin; refuses a table that does not end in NUL. */
  constructor(bytes: Uint8Array, fileOffset: number) {
    if (bytes.length > 0 && bytes[bytes.length - 1] !== 0) {
      throw new ElfError("ELF_STRING", fileOffset + bytes.length - 1, "the string table does not end in NUL");
    }
    this.#bytes = bytes;
    this.#fileOffset = fileOffset;
    this.#budget = bytes.length * 8;
    this.#text = bytes.length > SMALL ? null : undefined;
  }

  /** Throws unless a name begins at `index`. `at` is the file offset of the field that holds the index. */
  check(index: number, at: number): void {
    if (index >= this.#bytes.length && index !== 0) {
      throw new ElfError(
        "ELF_STRING",
        at,
        `name ${index} lies outside its string table of ${this.#bytes.length} bytes`,
      );
    }
  }

  /** The name at `index`; an empty table has the empty name alone. */
  at(index: number, at: number): string {
    const known = this.#names.get(index);
    if (known !== undefined) return known;
    this.check(index, at);
    if (this.#bytes.length === 0) return "";
    const name = this.#read(index);
    this.#names.set(index, name);
    return name;
  }

  #read(index: number): string {
    if (this.#text === undefined) {
      const text = decoder.decode(this.#bytes);
      // UTF-8 has fewer characters than bytes wherever a character takes more than one.
      this.#text = text.length === this.#bytes.length ? text : null;
    }
    const end = this.#text === null ? this.#bytes.indexOf(0, index) : this.#text.indexOf("\0", index);
    this.#budget -= end - index;
    if (this.#budget < 0) {
      throw new ElfError(
        "ELF_LIMIT",
        this.#fileOffset + index,
        "the names of this string table overlap without bound",
      );
    }
    return this.#text === null
      ? decoder.decode(this.#bytes.subarray(index, end))
      : this.#text.slice(index, end);
  }
}

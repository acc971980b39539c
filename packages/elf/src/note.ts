import { ElfError } from "./error.js";
import type { Reader } from "./reader.js";

/** Three 32-bit numbers in both classes: the sizes of name and description, and the type. */
const HEADER_SIZE = 12;
const decoder = new TextDecoder("utf-8");

/** One note (`Elf32_Nhdr`, `Elf64_Nhdr`) of a NOTE section or segment, read when a property is asked for. */
export class ElfNote {
  /** Where the note stands in the file. */
  readonly offset: number;
  readonly #reader: Reader;
  readonly #unit: number;

  /** Made by {@link ElfFile.notes} and {@link ElfFile.notesOf}. */
  constructor(reader: Reader, offset: number, unit: number) {
    this.offset = offset;
    this.#reader = reader;
    this.#unit = unit;
  }

  /** Whose note it is, as "GNU" or "CORE", which says what the type means; without its NUL. */
  get name(): string {
    const start = this.offset + HEADER_SIZE;
    const bytes = this.#reader.bytes.subarray(start, start + this.#reader.u32(this.offset));
    const end = bytes.indexOf(0);
    return decoder.decode(end === -1 ? bytes : bytes.subarray(0, end));
  }

  /** What kind of note it is, in the terms of its name: for "GNU" see {@link GnuNoteType}. */
  get type(): number {
    return this.#reader.u32(this.offset + 8);
  }

  /** A view of its contents, not a copy. */
  get description(): Uint8Array {
    const start = this.offset + roundUp(HEADER_SIZE + this.#reader.u32(this.offset), this.#unit);
    return this.#reader.bytes.subarray(start, start + this.#reader.u32(this.offset + 4));
  }
}

/**
 * Reads the notes in `[start, start + size)`, which lies in the file.
 *
 * Name and description are padded to 4 bytes, or to 8 where the section or segment is aligned so, counted from the
 * note's start (as binutils' readelf does; the gabi's own rule, 8 in all 64-bit files, is not what Linux follows).
 * Throws {@link ElfError}.
 */
export function readNotes(reader: Reader, start: number, size: number, alignment: number): ElfNote[] {
  if (alignment > 4 && alignment !== 8) {
    throw new ElfError("ELF_NOTE", start, `notes are aligned to 4 or 8 bytes, not to ${alignment}`);
  }
  const unit = alignment === 8 ? 8 : 4;
  const end = start + size;
  const notes: ElfNote[] = [];
  let at = start;
  while (at < end) {
    if (end - at < HEADER_SIZE) {
      throw new ElfError(
        "ELF_NOTE",
        at,
        `${end - at} bytes are left after the last note: too few for another`,
      );
    }
    const nameSize = reader.u32(at);
    const descriptionSize = reader.u32(at + 4);
    const description = at + roundUp(HEADER_SIZE + nameSize, unit);
    // The padding after the last name or description may be missing.
    if (at + HEADER_SIZE + nameSize > end || (descriptionSize > 0 && description + descriptionSize > end)) {
      throw new ElfError(
        "ELF_NOTE",
        at,
        `a note with a name of ${nameSize} bytes and ${descriptionSize} bytes of contents ends outside its place`,
      );
    }
    notes.push(new ElfNote(reader, at, unit));
    at = description + roundUp(descriptionSize, unit);
  }
  return notes;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

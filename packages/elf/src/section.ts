import {
  type ElfCompression,
  type ElfInflate,
  hasOldHeader,
  inflateSection,
  readCompression,
  readOldCompression,
} from "./compression.js";
import { SectionFlag, SectionType } from "./constants.js";
import { ElfError } from "./error.js";
import type { Reader } from "./reader.js";

/** What the sections of one file share. */
interface File {
  readonly reader: Reader;
  readonly inflate: ElfInflate | undefined;
}

/** One section header (`Elf32_Shdr`, `Elf64_Shdr`); what is seldom needed is read when it is asked for. */
export class ElfSection {
  /** Position in the section header table. */
  readonly index: number;
  /** The name, "" if the file has no section names. */
  readonly name: string;
  /** `sh_type`: see {@link SectionType}. */
  readonly type: number;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** Its size in bytes; for NOBITS, in memory alone. */
  readonly size: number;
  /** Where its header stands in the file, for error messages. */
  readonly headerOffset: number;
  readonly #file: File;
  #inflated: Uint8Array | undefined;

  /** Made by {@link ElfFile.parse}. */
  constructor(file: File, index: number, headerOffset: number, name: string) {
    const { reader } = file;
    const { section } = reader.layout;
    this.index = index;
    this.name = name;
    this.type = reader.u32(headerOffset + 4);
    this.offset = reader.count(headerOffset + section.offset, "the section's offset");
    this.size = reader.count(headerOffset + section.length, "the section's size");
    this.headerOffset = headerOffset;
    this.#file = file;
    this.#inflated = undefined;
  }

  /** `sh_flags`: see {@link SectionFlag}. */
  get flags(): number {
    const { reader } = this.#file;
    return reader.count(this.headerOffset + reader.layout.section.flags, "the section's flags");
  }

  /** Address in memory; 0 if the section is not loaded. */
  get address(): bigint {
    const { reader } = this.#file;
    return reader.address(this.headerOffset + reader.layout.section.address);
  }

  /** `sh_link`: index of a related section, depending on the type. */
  get link(): number {
    const { reader } = this.#file;
    return reader.u32(this.headerOffset + reader.layout.section.link);
  }

  /** `sh_info`: depends on the type; for REL and RELA the section that is relocated. */
  get info(): number {
    const { reader } = this.#file;
    return reader.u32(this.headerOffset + reader.layout.section.info);
  }

  /** Alignment in bytes; 0 and 1 both mean none. */
  get alignment(): number {
    const { reader } = this.#file;
    return reader.count(this.headerOffset + reader.layout.section.alignment, "the section's alignment");
  }

  /** Size of one entry if the section is a table, else 0. */
  get entrySize(): number {
    const { reader } = this.#file;
    return reader.count(this.headerOffset + reader.layout.section.entrySize, "the section's entry size");
  }

  /** Whether the section takes room in the file. */
  get hasBytes(): boolean {
    const { type } = this;
    return type !== SectionType.NULL && type !== SectionType.NOBITS;
  }

  /** Whether its bytes are compressed: SHF_COMPRESSED, or the older `.zdebug_` form. */
  get compressed(): boolean {
    return (this.flags & SectionFlag.COMPRESSED) !== 0 || this.#isOldForm;
  }

  /**
   * How its bytes are compressed; undefined if they are not.
   * Throws {@link ElfError} if they are too few for the header that says so.
   */
  get compression(): ElfCompression | undefined {
    if (!this.compressed) return undefined;
    const read = this.flags & SectionFlag.COMPRESSED ? readCompression : readOldCompression;
    return read(this.#file.reader, this.offset, this.hasBytes ? this.size : 0, this.name);
  }

  /**
   * Its bytes, uncompressed: a view of the file, not a copy; empty for NOBITS. Compressed ones are inflated once by the
   * function that {@link ElfFile.parse} was given.
   * Throws {@link ElfError} (`ELF_COMPRESSED`) if they are compressed and there is none, or it fails.
   */
  get data(): Uint8Array {
    if (this.#inflated) return this.#inflated;
    const { compression } = this;
    if (!compression) return this.rawData;
    this.#inflated = inflateSection(this.#file.inflate, compression, this.offset, this.name);
    return this.#inflated;
  }

  /** A view of its bytes as they stand in the file, compressed or not; empty for NOBITS. */
  get rawData(): Uint8Array {
    const { bytes } = this.#file.reader;
    if (!this.hasBytes) return bytes.subarray(0, 0);
    const { offset } = this;
    return bytes.subarray(offset, offset + this.size);
  }

  get #isOldForm(): boolean {
    return this.name.startsWith(".zdebug_") && hasOldHeader(this.rawData);
  }
}

/** Reads a section header and checks it, so that no property of the section throws from here on. */
export function readSection(file: File, index: number, headerOffset: number, name: string): ElfSection {
  const { reader } = file;
  const fields = reader.layout.section;
  const section = new ElfSection(file, index, headerOffset, name);
  reader.count(headerOffset + fields.flags, "the section's flags");
  reader.count(headerOffset + fields.alignment, "the section's alignment");
  reader.count(headerOffset + fields.entrySize, "the section's entry size");
  const { offset, size } = section;
  if (section.hasBytes && offset + size > reader.length) {
    // The message is costly to make: not before it is needed.
    reader.require(offset, size, `section ${index} "${name}"`, headerOffset + fields.offset);
  }
  return section;
}

/** Checks that a section is a table of `entrySize`-byte records as they stand in the file, and gives their number. */
export function entryCount(section: ElfSection, entrySize: number): number {
  const { size } = section;
  if (section.entrySize !== entrySize || size % entrySize !== 0) {
    throw new ElfError(
      "ELF_ENTRY_SIZE",
      section.headerOffset,
      `section "${section.name}" of ${size} bytes says its entries have ${section.entrySize} bytes instead of ${entrySize}`,
    );
  }
  refuseCompressed(section, "a table");
  return size / entrySize;
}

/** What a file's tables are read from must not be compressed: offsets into it would mean nothing. */
export function refuseCompressed(section: ElfSection, what: string): void {
  if (!section.compressed) return;
  throw new ElfError(
    "ELF_COMPRESSED",
    section.headerOffset,
    `section "${section.name}" is compressed, but is used as ${what}`,
  );
}

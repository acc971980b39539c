import { SectionFlag, SectionType } from "./constants.js";
import { ElfError } from "./error.js";
import { recordSize } from "./header.js";
import type { Reader } from "./reader.js";
import { StringTable } from "./string-table.js";

/** One section header (`Elf32_Shdr`, `Elf64_Shdr`) and a view of what it describes. */
export class ElfSection {
  /** Position in the section header table. */
  readonly index: number;
  /** The name, "" if the file has no section names. */
  readonly name: string;
  /** `sh_type`: see {@link SectionType}. */
  readonly type: number;
  /** `sh_flags`: see {@link SectionFlag}. */
  readonly flags: number;
  /** Address in memory; 0 if the section is not loaded. */
  readonly address: bigint;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** Its size in bytes; for NOBITS, in memory alone. */
  readonly size: number;
  /** `sh_link`: index of a related section, depending on the type. */
  readonly link: number;
  /** `sh_info`: depends on the type; for REL and RELA the section that is relocated. */
  readonly info: number;
  /** Alignment in bytes; 0 and 1 both mean none. */
  readonly alignment: number;
  /** Size of one entry if the section is a table, else 0. */
  readonly entrySize: number;
  /** Where its header stands in the file, for error messages. */
  readonly headerOffset: number;
  readonly #file: Uint8Array;

  /** Made by {@link ElfFile.parse}. */
  constructor(reader: Reader, index: number, headerOffset: number, name: string) {
    const fields = sectionFields[reader.is64 ? 64 : 32];
    const at = headerOffset;
    this.index = index;
    this.name = name;
    this.headerOffset = at;
    this.type = reader.u32(at + 4);
    this.flags = reader.count(at + fields.flags, "the section's flags");
    this.address = reader.address(at + fields.address);
    this.offset = reader.count(at + fields.offset, "the section's offset");
    this.size = reader.count(at + fields.size, "the section's size");
    this.link = reader.u32(at + fields.link);
    this.info = reader.u32(at + fields.info);
    this.alignment = reader.count(at + fields.alignment, "the section's alignment");
    this.entrySize = reader.count(at + fields.entrySize, "the section's entry size");
    this.#file = reader.bytes;
    if (this.hasBytes)
      reader.require(this.offset, this.size, `section ${index} "${name}"`, at + fields.offset);
  }

  /** Whether the section takes room in the file. */
  get hasBytes(): boolean {
    return this.type !== SectionType.NULL && this.type !== SectionType.NOBITS;
  }

  /** Whether its bytes are compressed: SHF_COMPRESSED, or the older `.zdebug_` form. */
  get compressed(): boolean {
    return (this.flags & SectionFlag.COMPRESSED) !== 0 || this.name.startsWith(".zdebug_");
  }

  /** A view of its bytes, not a copy; empty for NOBITS. Throws ElfError (`ELF_COMPRESSED`) if they are compressed. */
  get data(): Uint8Array {
    if (this.compressed) {
      throw new ElfError(
        "ELF_COMPRESSED",
        this.offset,
        `section "${this.name}" is compressed; inflate its rawData yourself`,
      );
    }
    return this.rawData;
  }

  /** A view of its bytes as they stand in the file, compressed or not; empty for NOBITS. */
  get rawData(): Uint8Array {
    return this.hasBytes
      ? this.#file.subarray(this.offset, this.offset + this.size)
      : this.#file.subarray(0, 0);
  }
}

/** Reads all section headers. The header has been checked: they all lie in the file. */
export function readSections(
  reader: Reader,
  offset: number,
  count: number,
  namesIndex: number,
): ElfSection[] {
  const size = recordSize[reader.is64 ? 64 : 32].section;
  const names = readNames(reader, offset + namesIndex * size, namesIndex);
  const sections: ElfSection[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const at = offset + index * size;
    const section = new ElfSection(reader, index, at, names ? names.at(reader.u32(at), at) : "");
    sections.push(section);
    // Overlapping sections would let a small file ask for work that grows with the square of its size.
    if (section.hasBytes) total += section.size;
    if (total > 2 * reader.length) {
      throw new ElfError("ELF_LIMIT", at, "the sections overlap: together they are more than twice the file");
    }
  }
  return sections;
}

/** Checks that a section is a table of `entrySize`-byte records and gives their number. */
export function entryCount(section: ElfSection, entrySize: number): number {
  if (section.entrySize !== entrySize || section.size % entrySize !== 0) {
    throw new ElfError(
      "ELF_ENTRY_SIZE",
      section.headerOffset,
      `section "${section.name}" of ${section.size} bytes says its entries have ${section.entrySize} bytes instead of ${entrySize}`,
    );
  }
  return section.size / entrySize;
}

const sectionFields = {
  32: { flags: 8, address: 12, offset: 16, size: 20, link: 24, info: 28, alignment: 32, entrySize: 36 },
  64: { flags: 8, address: 16, offset: 24, size: 32, link: 40, info: 44, alignment: 48, entrySize: 56 },
} as const;

function readNames(reader: Reader, headerOffset: number, index: number): StringTable | undefined {
  if (index === 0) return undefined;
  const section = new ElfSection(reader, index, headerOffset, "section names");
  return stringTable(section);
}

/** The strings of a STRTAB section. */
export function stringTable(section: ElfSection): StringTable {
  if (section.type !== SectionType.STRTAB) {
    throw new ElfError(
      "ELF_STRING",
      section.headerOffset,
      `section ${section.index} is used as a string table, but its type is ${section.type}`,
    );
  }
  return new StringTable(section.data, section.offset);
}

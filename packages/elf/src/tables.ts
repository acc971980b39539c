import type { ElfInflate } from "./compression.js";
import { SectionType } from "./constants.js";
import { ElfError } from "./error.js";
import type { ElfHeader } from "./header.js";
import type { Reader } from "./reader.js";
import { type ElfSection, readSection, refuseCompressed } from "./section.js";
import { StringTable } from "./string-table.js";

/** How many times the file's size all sections together may have. */
const MAX_OVERLAP = 1.25;

/**
 * The sections of a file, and the string tables and extended indexes among them. Each is looked up once, however many
 * tables refer to it: a hostile file has room for thousands that all name the same one.
 */
export class Tables {
  readonly reader: Reader;
  readonly sections: readonly ElfSection[];
  readonly #strings = new Map<number, StringTable>();
  #extendedIndexes: Map<number, ElfSection> | undefined;

  /** Reads all section headers. The header has been checked: they all lie in the file. */
  constructor(reader: Reader, header: ElfHeader, inflate: ElfInflate | undefined) {
    this.reader = reader;
    const file = { reader, inflate };
    const { sectionOffset, sectionCount, sectionNamesIndex } = header;
    const { size } = reader.layout.section;
    const namesOffset = sectionOffset + sectionNamesIndex * size;
    const names =
      sectionNamesIndex === 0
        ? undefined
        : this.#readStrings(readSection(file, sectionNamesIndex, namesOffset, "section names"));
    const sections: ElfSection[] = [];
    this.sections = sections;
    let total = 0;
    for (let index = 0; index < sectionCount; index++) {
      const at = sectionOffset + index * size;
      const section = readSection(file, index, at, names ? names.at(reader.u32(at), at) : "");
      sections.push(section);
      // Overlapping sections would let a small file ask for work that grows with the square of its size. Those that
      // compilers and linkers write do not overlap at all.
      if (section.hasBytes) total += section.size;
      if (total > reader.length * MAX_OVERLAP) {
        throw new ElfError("ELF_LIMIT", at, "the sections overlap: together they are larger than the file");
      }
    }
  }

  /** The string table in the section of that index, which exists. */
  strings(section: ElfSection): StringTable {
    return this.#strings.get(section.index) ?? this.#readStrings(section);
  }

  /** The SYMTAB_SHNDX section that belongs to a symbol table. */
  extendedIndexes(symbolTable: ElfSection): ElfSection | undefined {
    if (!this.#extendedIndexes) {
      this.#extendedIndexes = new Map();
      for (const section of this.sections) {
        if (section.type === SectionType.SYMTAB_SHNDX && !this.#extendedIndexes.has(section.link))
          this.#extendedIndexes.set(section.link, section);
      }
    }
    return this.#extendedIndexes.get(symbolTable.index);
  }

  #readStrings(section: ElfSection): StringTable {
    if (section.type !== SectionType.STRTAB) {
      throw new ElfError(
        "ELF_STRING",
        section.headerOffset,
        `section ${section.index} is used as a string table, but its type is ${section.type}`,
      );
    }
    refuseCompressed(section, "a string table");
    const strings = new StringTable(section.rawData, section.offset);
    this.#strings.set(section.index, strings);
    return strings;
  }
}

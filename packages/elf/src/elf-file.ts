import { SectionType } from "./constants.js";
import { type ElfHeader, readHeader } from "./header.js";
import type { Reader } from "./reader.js";
import { type ElfRelocation, readRelocations } from "./relocation.js";
import { type ElfSection, readSections } from "./section.js";
import { type ElfSegment, readSegments } from "./segment.js";
import { type ElfSymbol, readSymbols } from "./symbol.js";

/**
 * An ELF file: relocatable, executable, shared or core; 32 or 64 bit; either byte order.
 *
 * Nothing is copied: sections and segments are views of the bytes given, symbols and relocations are read when asked
 * for. Follows the System V ABI (gabi 4.1), chapters 4 and 5.
 */
export class ElfFile {
  readonly header: ElfHeader;
  /** All sections by index, the null section at 0 included; empty in a file without section headers. */
  readonly sections: readonly ElfSection[];
  /** All segments, in the order of the program headers. */
  readonly segments: readonly ElfSegment[];
  readonly #reader: Reader;
  readonly #symbolTables = new Map<ElfSection, readonly ElfSymbol[]>();
  #symbols: readonly ElfSymbol[] | undefined;
  #tablesByTarget: Map<number, ElfSection[]> | undefined;

  private constructor(bytes: Uint8Array) {
    const { header, reader } = readHeader(bytes);
    this.header = header;
    this.#reader = reader;
    this.sections = readSections(reader, header.sectionOffset, header.sectionCount, header.sectionNamesIndex);
    this.segments = readSegments(reader, header.segmentOffset, header.segmentCount);
  }

  /**
   * Reads the headers and checks that all they announce lies in the file.
   * The bytes must not change as long as the file is used. Throws {@link ElfError}.
   */
  static parse(bytes: Uint8Array): ElfFile {
    // Views of a Node Buffer would be Buffers, whose slice() copies nothing: everybody gets plain Uint8Arrays.
    return new ElfFile(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** The first section of that name. */
  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /**
   * The symbols of every symbol table (SYMTAB and DYNSYM, in the order of the sections), without the null symbols.
   * Throws {@link ElfError} if one refers to a section or a name that does not exist.
   */
  get symbols(): readonly ElfSymbol[] {
    this.#symbols ??= this.sections
      .filter((section) => section.type === SectionType.SYMTAB || section.type === SectionType.DYNSYM)
      .flatMap((section) => this.symbolTable(section).slice(1));
    return this.#symbols;
  }

  /** The symbols of one SYMTAB or DYNSYM section by index, the null symbol at 0 included. Throws {@link ElfError}. */
  symbolTable(section: ElfSection): readonly ElfSymbol[] {
    let symbols = this.#symbolTables.get(section);
    if (!symbols) {
      symbols = readSymbols(this.#reader, section, this.sections);
      this.#symbolTables.set(section, symbols);
    }
    return symbols;
  }

  /**
   * The relocations of a section: those of every REL and RELA section whose `info` names it, or, if the section given
   * is itself of type REL or RELA, its own entries. Throws {@link ElfError}.
   */
  relocations(section: ElfSection): ElfRelocation[] {
    const tables = isRelocationTable(section)
      ? [section]
      : (this.#relocationTables().get(section.index) ?? []);
    return tables.flatMap((table) => {
      // A link of 0 means that no entry has a symbol (static executables' .rela.plt).
      const symbols = this.sections[table.link];
      return readRelocations(
        this.#reader,
        this.header.machine,
        table,
        symbols && symbols.index !== 0 ? this.symbolTable(symbols) : [],
      );
    });
  }

  // Grouped once: a file may have as many sections as it has room for headers, and a caller may ask for each.
  #relocationTables(): Map<number, ElfSection[]> {
    if (this.#tablesByTarget) return this.#tablesByTarget;
    this.#tablesByTarget = new Map();
    for (const table of this.sections.filter(isRelocationTable)) {
      const known = this.#tablesByTarget.get(table.info);
      if (known) known.push(table);
      else this.#tablesByTarget.set(table.info, [table]);
    }
    return this.#tablesByTarget;
  }
}

function isRelocationTable({ type }: ElfSection): boolean {
  return type === SectionType.REL || type === SectionType.RELA;
}

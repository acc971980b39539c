import { SectionIndex, SectionType } from "./constants.js";
import { ElfError } from "./error.js";
import type { Reader } from "./reader.js";
import { type ElfSection, entryCount } from "./section.js";
import type { StringTable } from "./string-table.js";
import type { Tables } from "./tables.js";

/** What the symbols of one table share. */
interface Table {
  readonly reader: Reader;
  readonly start: number;
  readonly names: StringTable;
  readonly sections: readonly ElfSection[];
  /** Where the indexes that do not fit 16 bits stand (SYMTAB_SHNDX). */
  readonly extendedIndexes: number | undefined;
}

/** One entry of a symbol table (`Elf32_Sym`, `Elf64_Sym`), read from the file when a property is asked for. */
export class ElfSymbol {
  /** Position in its symbol table, as relocations count. */
  readonly index: number;
  readonly #table: Table;

  /** Made by {@link ElfFile.symbolTable}. */
  constructor(table: Table, index: number) {
    this.#table = table;
    this.index = index;
  }

  /** Its name; "" for most section symbols. Throws ElfError (`ELF_LIMIT`) in a file made of overlapping names. */
  get name(): string {
    const at = this.offset;
    return this.#table.names.at(this.#table.reader.u32(at), at);
  }

  /** An address, or in a relocatable file an offset into its section. */
  get value(): bigint {
    const { reader } = this.#table;
    return reader.address(this.offset + reader.layout.symbol.value);
  }

  /** Size in bytes of what it names; 0 if unknown. */
  get size(): bigint {
    const { reader } = this.#table;
    return reader.address(this.offset + reader.layout.symbol.length);
  }

  /** See {@link SymbolBinding}. */
  get binding(): number {
    const { reader } = this.#table;
    return reader.u8(this.offset + reader.layout.symbol.info) >> 4;
  }

  /** See {@link SymbolType}. */
  get type(): number {
    const { reader } = this.#table;
    return reader.u8(this.offset + reader.layout.symbol.info) & 0xf;
  }

  /** See {@link SymbolVisibility}. */
  get visibility(): number {
    const { reader } = this.#table;
    return reader.u8(this.offset + reader.layout.symbol.other) & 0x3;
  }

  /**
   * Index of the section it belongs to, or one of {@link SectionIndex}: UNDEF, ABS, COMMON.
   * An index that was too large for the symbol's own 16 bits is resolved already.
   */
  get sectionIndex(): number {
    return sectionIndex(this.#table, this.index);
  }

  /** The section it belongs to; undefined for undefined, absolute and common symbols. */
  get section(): ElfSection | undefined {
    const own = ownIndex(this.#table, this.index);
    if (own === SectionIndex.UNDEF || isReserved(own)) return undefined;
    return this.#table.sections[this.sectionIndex];
  }

  /** Where its entry stands in the file, for error messages. */
  get offset(): number {
    return this.#table.start + this.index * this.#table.reader.layout.symbol.size;
  }
}

/** Reads the symbols of a SYMTAB or DYNSYM section, the null symbol included, and checks what they refer to. */
export function readSymbols(tables: Tables, section: ElfSection): ElfSymbol[] {
  const { reader, sections } = tables;
  if (section.type !== SectionType.SYMTAB && section.type !== SectionType.DYNSYM) {
    throw new ElfError("ELF_RANGE", section.headerOffset, `section "${section.name}" is not a symbol table`);
  }
  const count = entryCount(section, reader.layout.symbol.size);
  const strings = sections[section.link];
  if (!strings) {
    throw new ElfError(
      "ELF_RANGE",
      section.headerOffset,
      `symbol table "${section.name}" takes its names from section ${section.link}, which does not exist`,
    );
  }
  const table: Table = {
    reader,
    start: section.offset,
    names: tables.strings(strings),
    sections,
    extendedIndexes: findExtendedIndexes(tables, section, count),
  };
  const symbols = new Array<ElfSymbol>(count);
  for (let index = 0; index < count; index++) {
    checkSymbol(table, index);
    symbols[index] = new ElfSymbol(table, index);
  }
  return symbols;
}

function findExtendedIndexes(tables: Tables, section: ElfSection, count: number): number | undefined {
  const indexes = tables.extendedIndexes(section);
  if (!indexes) return undefined;
  if (entryCount(indexes, 4) < count) {
    throw new ElfError(
      "ELF_TRUNCATED",
      indexes.headerOffset,
      "the extended section indexes are fewer than the symbols",
    );
  }
  return indexes.offset;
}

function checkSymbol(table: Table, index: number): void {
  const { reader, names, sections, extendedIndexes } = table;
  const at = table.start + index * reader.layout.symbol.size;
  names.check(reader.u32(at), at);
  const own = ownIndex(table, index);
  if (own === SectionIndex.XINDEX && extendedIndexes === undefined) {
    throw new ElfError(
      "ELF_RANGE",
      at,
      `symbol ${index} has an extended section index, but the file has none`,
    );
  }
  if (!isReserved(own) && sectionIndex(table, index) >= sections.length) {
    throw new ElfError(
      "ELF_RANGE",
      at,
      `symbol ${index} lies in section ${sectionIndex(table, index)}, but there are ${sections.length}`,
    );
  }
}

function ownIndex({ reader, start }: Table, index: number): number {
  const { size, section } = reader.layout.symbol;
  return reader.u16(start + index * size + section);
}

function sectionIndex(table: Table, index: number): number {
  const own = ownIndex(table, index);
  return own === SectionIndex.XINDEX && table.extendedIndexes !== undefined
    ? table.reader.u32(table.extendedIndexes + index * 4)
    : own;
}

/** Whether an index stands for no section, but for UNDEF and XINDEX. */
function isReserved(index: number): boolean {
  return index >= SectionIndex.LORESERVE && index !== SectionIndex.XINDEX;
}

import { SectionIndex, SectionType } from "./constants.js";
import { ElfError } from "./error.js";
import { recordSize } from "./header.js";
import type { Reader } from "./reader.js";
import { type ElfSection, entryCount, stringTable } from "./section.js";
import type { StringTable } from "./string-table.js";

/** What the symbols of one table share. */
interface Table {
  readonly reader: Reader;
  readonly section: ElfSection;
  readonly names: StringTable;
  readonly sections: readonly ElfSection[];
  /** The SYMTAB_SHNDX section that holds the indexes that do not fit 16 bits. */
  readonly extendedIndexes: ElfSection | undefined;
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
    return this.#table.reader.address(this.offset + (this.#table.reader.is64 ? 8 : 4));
  }

  /** Size in bytes of what it names; 0 if unknown. */
  get size(): bigint {
    return this.#table.reader.address(this.offset + (this.#table.reader.is64 ? 16 : 8));
  }

  /** See {@link SymbolBinding}. */
  get binding(): number {
    return this.#table.reader.u8(this.offset + (this.#table.reader.is64 ? 4 : 12)) >> 4;
  }

  /** See {@link SymbolType}. */
  get type(): number {
    return this.#table.reader.u8(this.offset + (this.#table.reader.is64 ? 4 : 12)) & 0xf;
  }

  /** See {@link SymbolVisibility}. */
  get visibility(): number {
    return this.#table.reader.u8(this.offset + (this.#table.reader.is64 ? 5 : 13)) & 0x3;
  }

  /**
   * Index of the section it belongs to, or one of {@link SectionIndex}: UNDEF, ABS, COMMON.
   * An index that was too large for the symbol's own 16 bits is resolved already.
   */
  get sectionIndex(): number {
    const own = this.#table.reader.u16(this.offset + (this.#table.reader.is64 ? 6 : 14));
    const extended = this.#table.extendedIndexes;
    return own === SectionIndex.XINDEX && extended
      ? this.#table.reader.u32(extended.offset + this.index * 4)
      : own;
  }

  /** The section it belongs to; undefined for undefined, absolute and common symbols. */
  get section(): ElfSection | undefined {
    const own = this.#table.reader.u16(this.offset + (this.#table.reader.is64 ? 6 : 14));
    if (own === SectionIndex.UNDEF || (own >= SectionIndex.LORESERVE && own !== SectionIndex.XINDEX))
      return undefined;
    return this.#table.sections[this.sectionIndex];
  }

  /** Where its entry stands in the file, for error messages. */
  get offset(): number {
    return this.#table.section.offset + this.index * recordSize[this.#table.reader.is64 ? 64 : 32].symbol;
  }
}

/** Reads the symbols of a SYMTAB or DYNSYM section, the null symbol included, and checks what they refer to. */
export function readSymbols(
  reader: Reader,
  section: ElfSection,
  sections: readonly ElfSection[],
): ElfSymbol[] {
  if (section.type !== SectionType.SYMTAB && section.type !== SectionType.DYNSYM) {
    throw new ElfError("ELF_RANGE", section.headerOffset, `section "${section.name}" is not a symbol table`);
  }
  const count = entryCount(section, recordSize[reader.is64 ? 64 : 32].symbol);
  const strings = sections[section.link];
  if (!strings) {
    throw new ElfError(
      "ELF_RANGE",
      section.headerOffset,
      `symbol table "${section.name}" takes its names from section ${section.link}, which does not exist`,
    );
  }
  const extendedIndexes = sections.find(
    (other) => other.type === SectionType.SYMTAB_SHNDX && other.link === section.index,
  );
  if (extendedIndexes && extendedIndexes.size < count * 4) {
    throw new ElfError(
      "ELF_TRUNCATED",
      extendedIndexes.headerOffset,
      "the extended section indexes are fewer than the symbols",
    );
  }
  const table: Table = { reader, section, names: stringTable(strings), sections, extendedIndexes };
  const symbols: ElfSymbol[] = [];
  for (let index = 0; index < count; index++) {
    const symbol = new ElfSymbol(table, index);
    checkSymbol(table, symbol);
    symbols.push(symbol);
  }
  return symbols;
}

function checkSymbol({ reader, names, sections, extendedIndexes }: Table, symbol: ElfSymbol): void {
  const at = symbol.offset;
  names.check(reader.u32(at), at);
  const own = reader.u16(at + (reader.is64 ? 6 : 14));
  const reserved = own >= SectionIndex.LORESERVE && own !== SectionIndex.XINDEX;
  if (own === SectionIndex.XINDEX && !extendedIndexes) {
    throw new ElfError(
      "ELF_RANGE",
      at,
      `symbol ${symbol.index} has an extended section index, but the file has none`,
    );
  }
  if (!reserved && symbol.sectionIndex >= sections.length) {
    throw new ElfError(
      "ELF_RANGE",
      at,
      `symbol ${symbol.index} lies in section ${symbol.sectionIndex}, but there are ${sections.length}`,
    );
  }
}

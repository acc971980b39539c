import { ElfMachine, SectionType } from "./constants.js";
import { ElfError } from "./error.js";
import type { Reader } from "./reader.js";
import { type ElfSection, entryCount } from "./section.js";
import type { ElfSymbol } from "./symbol.js";

/** What the relocations of one table share. */
interface Table {
  readonly reader: Reader;
  readonly start: number;
  readonly entrySize: number;
  readonly withAddend: boolean;
  readonly mips64: boolean;
  readonly symbols: readonly ElfSymbol[];
}

/** One entry of a REL or RELA section, read from the file when a property is asked for. */
export class ElfRelocation {
  /** Position in its table. */
  readonly index: number;
  readonly #table: Table;

  /** Made by {@link ElfFile.relocations}. */
  constructor(table: Table, index: number) {
    this.#table = table;
    this.index = index;
  }

  /** Where to relocate: an offset into the relocated section, or in a linked file an address. */
  get offset(): bigint {
    return this.#table.reader.address(this.#at);
  }

  /**
   * The relocation's kind, as the machine defines it. 64-bit MIPS applies up to three kinds one after the other: the
   * first is in the lowest byte, the others in the two above, and the special symbol of the second in the highest.
   */
  get type(): number {
    const { reader, mips64 } = this.#table;
    const at = this.#at;
    if (!reader.is64) return reader.u32(at + 4) & 0xff;
    // The four bytes stand in the order: special symbol, third, second, first kind; whatever the byte order.
    if (mips64)
      return (
        ((reader.u8(at + 12) << 24) |
          (reader.u8(at + 13) << 16) |
          (reader.u8(at + 14) << 8) |
          reader.u8(at + 15)) >>>
        0
      );
    return reader.u32(reader.littleEndian ? at + 8 : at + 12);
  }

  /** The symbol that it refers to; undefined for entry 0 of the table, which means none. */
  get symbol(): ElfSymbol | undefined {
    const index = symbolIndex(this.#table, this.#at);
    return index === 0 ? undefined : this.#table.symbols[index];
  }

  /** The addend of a RELA entry; undefined in REL, whose addend stands where the relocation applies. */
  get addend(): bigint | undefined {
    const { reader, withAddend } = this.#table;
    if (!withAddend) return undefined;
    return reader.is64 ? reader.i64(this.#at + 16) : BigInt(reader.i32(this.#at + 8));
  }

  get #at(): number {
    return this.#table.start + this.index * this.#table.entrySize;
  }
}

/** Reads a REL or RELA section; `symbols` is the table that the section links to, the null symbol included. */
export function readRelocations(
  reader: Reader,
  machine: number,
  section: ElfSection,
  symbols: readonly ElfSymbol[],
): ElfRelocation[] {
  const withAddend = section.type === SectionType.RELA;
  const entrySize = withAddend ? reader.layout.rela : reader.layout.rel;
  const count = entryCount(section, entrySize);
  const mips64 = reader.is64 && machine === ElfMachine.MIPS;
  const table: Table = { reader, start: section.offset, entrySize, withAddend, mips64, symbols };
  const relocations = new Array<ElfRelocation>(count);
  for (let index = 0; index < count; index++) {
    const at = table.start + index * entrySize;
    const symbol = symbolIndex(table, at);
    if (symbol !== 0 && symbol >= symbols.length) {
      throw new ElfError(
        "ELF_RANGE",
        at,
        `relocation ${index} of "${section.name}" refers to symbol ${symbol}, but there are ${symbols.length}`,
      );
    }
    relocations[index] = new ElfRelocation(table, index);
  }
  return relocations;
}

function symbolIndex({ reader, mips64 }: Table, at: number): number {
  if (!reader.is64) return reader.u32(at + 4) >>> 8;
  // ELF64_R_SYM is the upper half of r_info, wherever the byte order puts it; MIPS has it in front in both.
  return reader.u32(reader.littleEndian && !mips64 ? at + 12 : at + 8);
}

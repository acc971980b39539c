import { ElfMachine, SectionType } from "./constants.js";
import { ElfError } from "./error.js";
import { recordSize } from "./header.js";
import type { Reader } from "./reader.js";
import { type ElfSection, entryCount } from "./section.js";
import type { ElfSymbol } from "./symbol.js";

/** One entry of a REL or RELA section. */
export interface ElfRelocation {
  /** Where to relocate: an offset into the relocated section, or in a linked file an address. */
  readonly offset: bigint;
  /** The relocation's kind, as the machine defines it. */
  readonly type: number;
  /** The symbol that it refers to; undefined for entry 0 of the table, which means none. */
  readonly symbol: ElfSymbol | undefined;
  /** The addend of a RELA entry; undefined in REL, whose addend stands where the relocation applies. */
  readonly addend: bigint | undefined;
}

/** Reads a REL or RELA section; `symbols` is the table that the section links to, the null symbol included. */
export function readRelocations(
  reader: Reader,
  machine: number,
  section: ElfSection,
  symbols: readonly ElfSymbol[],
): ElfRelocation[] {
  const withAddend = section.type === SectionType.RELA;
  if (!withAddend && section.type !== SectionType.REL) {
    throw new ElfError("ELF_RANGE", section.headerOffset, `section "${section.name}" holds no relocations`);
  }
  if (reader.is64 && machine === ElfMachine.MIPS) {
    throw new ElfError(
      "ELF_UNSUPPORTED",
      section.headerOffset,
      "64-bit MIPS packs three relocations into an entry of its own shape",
    );
  }
  const sizes = recordSize[reader.is64 ? 64 : 32];
  const entrySize = withAddend ? sizes.rela : sizes.rel;
  const count = entryCount(section, entrySize);
  const relocations: ElfRelocation[] = [];
  for (let index = 0; index < count; index++) {
    const at = section.offset + index * entrySize;
    const { symbolIndex, type } = readInfo(reader, at);
    const symbol = symbols[symbolIndex];
    if (!symbol && symbolIndex !== 0) {
      throw new ElfError(
        "ELF_RANGE",
        at,
        `relocation ${index} of "${section.name}" refers to symbol ${symbolIndex}, but there are ${symbols.length}`,
      );
    }
    relocations.push({
      offset: reader.address(at),
      type,
      symbol: symbolIndex === 0 ? undefined : symbol,
      addend: withAddend ? readAddend(reader, at) : undefined,
    });
  }
  return relocations;
}

function readInfo(reader: Reader, at: number): { symbolIndex: number; type: number } {
  if (reader.is64) {
    // ELF64_R_SYM is the upper half of r_info, wherever the byte order puts it.
    const [low, high] = reader.littleEndian ? [at + 8, at + 12] : [at + 12, at + 8];
    return { symbolIndex: reader.u32(high), type: reader.u32(low) };
  }
  const info = reader.u32(at + 4);
  return { symbolIndex: info >>> 8, type: info & 0xff };
}

function readAddend(reader: Reader, at: number): bigint {
  return reader.is64 ? reader.i64(at + 16) : BigInt(reader.i32(at + 8));
}

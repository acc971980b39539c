import { readFileSync } from "node:fs";
import { SectionType } from "../constants.js";
import type { ElfFile } from "../elf-file.js";
import { ElfError } from "../error.js";

/** The objects that fixtures/build.sh makes from fixtures/sample.c. */
export function fixture(name: "x86-64" | "i386" | "powerpc64" | "mips" | "compressed"): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../fixtures/${name}.o`, import.meta.url)));
}

/** A copy of a file with some bytes overwritten. */
export function patched(
  file: Uint8Array,
  ...changes: { at: number; bytes: readonly number[] }[]
): Uint8Array {
  const copy = file.slice();
  for (const { at, bytes } of changes) copy.set(bytes, at);
  return copy;
}

/** A number as little-endian bytes. */
export function le(value: number | bigint, size: 2 | 4 | 8): number[] {
  return Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

/** Reads everything that a file has to give. */
export function readAll(elf: ElfFile): void {
  const take = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
    }
  };
  for (const symbol of symbolsOf(elf)) {
    take(() => symbol.name);
    void [symbol.value, symbol.size, symbol.binding, symbol.type, symbol.visibility, symbol.section?.index];
  }
  for (const section of elf.sections) {
    take(() => section.data);
    void section.rawData;
    if (section.type === SectionType.REL || section.type === SectionType.RELA) {
      take(() => elf.relocations(section).map((relocation) => relocation.symbol?.value));
    }
  }
  for (const segment of elf.segments) void segment.data;
}

function symbolsOf(elf: ElfFile): ElfFile["symbols"] {
  try {
    return elf.symbols;
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return [];
  }
}

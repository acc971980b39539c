import { readFileSync } from "node:fs";
import { SectionType, SegmentType } from "../constants.js";
import type { ElfFile } from "../elf-file.js";
import { ElfError } from "../error.js";
import type { ElfNote } from "../note.js";

/** The objects that fixtures/build.sh makes from fixtures/sample.c. */
export const fixtureNames = [
  "x86-64",
  "i386",
  "powerpc64",
  "mips",
  "mips64",
  "mips64el",
  "compressed",
  "compressed-gnu",
] as const;

/** The bytes of one of them. */
export function fixture(name: (typeof fixtureNames)[number]): Uint8Array {
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
    void [section.rawData, section.compressed, section.address, section.alignment, section.flags];
    if (section.type === SectionType.REL || section.type === SectionType.RELA) {
      take(() => {
        for (const { offset, type, symbol, addend } of elf.relocations(section))
          void [offset, type, symbol?.value, addend];
      });
    }
  }
  for (const segment of elf.segments) {
    take(() => segment.data);
    void [segment.address, segment.physicalAddress, segment.memorySize, segment.alignment, segment.flags];
    if (segment.type === SegmentType.NOTE) take(() => readNotes(elf.notesOf(segment)));
  }
  take(() => readNotes(elf.notes));
  take(() => elf.buildId);
}

function readNotes(notes: readonly ElfNote[]): void {
  for (const note of notes) void [note.name, note.type, note.description];
}

function symbolsOf(elf: ElfFile): ElfFile["symbols"] {
  try {
    return elf.symbols;
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return [];
  }
}

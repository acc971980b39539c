/** Where the fields of one class's records stand, in bytes from the record's start (gabi, chapters 4 and 5). */
export interface Layout {
  /** The file header; the fields from `flags` on follow each other in the same distances in both classes. */
  readonly header: {
    readonly size: number;
    readonly entry: number;
    readonly segmentOffset: number;
    readonly sectionOffset: number;
    readonly flags: number;
  };
  readonly section: {
    readonly size: number;
    readonly flags: number;
    readonly address: number;
    readonly offset: number;
    readonly length: number;
    readonly link: number;
    readonly info: number;
    readonly alignment: number;
    readonly entrySize: number;
  };
  readonly segment: {
    readonly size: number;
    readonly flags: number;
    readonly offset: number;
    readonly address: number;
    readonly physicalAddress: number;
    readonly fileSize: number;
    readonly memorySize: number;
    readonly alignment: number;
  };
  readonly symbol: {
    readonly size: number;
    readonly value: number;
    readonly length: number;
    readonly info: number;
    readonly other: number;
    readonly section: number;
  };
  /** Size of a relocation without its addend, and with it. */
  readonly rel: number;
  readonly rela: number;
  /** The header of a compressed section (`Elf32_Chdr`, `Elf64_Chdr`). */
  readonly compression: { readonly size: number; readonly length: number; readonly alignment: number };
}

export const layout32: Layout = {
  header: { size: 52, entry: 24, segmentOffset: 28, sectionOffset: 32, flags: 36 },
  section: {
    size: 40,
    flags: 8,
    address: 12,
    offset: 16,
    length: 20,
    link: 24,
    info: 28,
    alignment: 32,
    entrySize: 36,
  },
  segment: {
    size: 32,
    offset: 4,
    address: 8,
    physicalAddress: 12,
    fileSize: 16,
    memorySize: 20,
    flags: 24,
    alignment: 28,
  },
  symbol: { size: 16, value: 4, length: 8, info: 12, other: 13, section: 14 },
  rel: 8,
  rela: 12,
  compression: { size: 12, length: 4, alignment: 8 },
};

export const layout64: Layout = {
  header: { size: 64, entry: 24, segmentOffset: 32, sectionOffset: 40, flags: 48 },
  section: {
    size: 64,
    flags: 8,
    address: 16,
    offset: 24,
    length: 32,
    link: 40,
    info: 44,
    alignment: 48,
    entrySize: 56,
  },
  segment: {
    size: 56,
    flags: 4,
    offset: 8,
    address: 16,
    physicalAddress: 24,
    fileSize: 32,
    memorySize: 40,
    alignment: 48,
  },
  symbol: { size: 24, info: 4, other: 5, section: 6, value: 8, length: 16 },
  rel: 16,
  rela: 24,
  compression: { size: 24, length: 8, alignment: 16 },
};

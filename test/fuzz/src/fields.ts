import { type ElfFile, type ElfSection, SectionType } from "@weir/elf";
import type { Field } from "./mutate.js";

type Size = Field["size"];

/** The fields of records of one shape, one after the other. */
function records(start: number, end: number, shape: readonly Size[]): Field[] {
  const fields: Field[] = [];
  const length = shape.reduce<number>((sum, size) => sum + size, 0);
  for (let at = start; at + length <= end; ) {
    for (const size of shape) {
      fields.push({ at, size });
      at += size;
    }
  }
  return fields;
}

const shapes = {
  32: {
    header: [1, 1, 1, 1, 1, 1, 1, 1, 8, 2, 2, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2],
    section: [4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
    segment: [4, 4, 4, 4, 4, 4, 4, 4],
    symbol: [4, 4, 4, 1, 1, 2],
    rel: [4, 1, 1, 2],
    rela: [4, 4, 4],
  },
  64: {
    header: [1, 1, 1, 1, 1, 1, 1, 1, 8, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2],
    section: [4, 4, 8, 8, 8, 8, 4, 4, 8, 8],
    segment: [4, 4, 8, 8, 8, 8, 8, 8],
    symbol: [4, 1, 1, 2, 8, 8],
    rel: [8, 4, 4],
    rela: [8, 4, 4, 8],
  },
} as const satisfies Record<number, Record<string, readonly Size[]>>;

/** The fields of an ELF file's headers and tables. The rarer ones come as often as the many. */
export function elfFields(elf: ElfFile): Field[] {
  const { header } = elf;
  const shape = shapes[header.class];
  const headers = records(0, header.class === 64 ? 64 : 52, shape.header);
  const size = shape.section.reduce<number>((sum, each) => sum + each, 0);
  const sections = records(
    header.sectionOffset,
    header.sectionOffset + header.sectionCount * size,
    shape.section,
  );
  const segments = elf.segments.flatMap(({ headerOffset }) =>
    records(headerOffset, headerOffset + (header.class === 64 ? 56 : 32), shape.segment),
  );
  const tables = elf.sections.flatMap((section) => tableFields(section, shape));
  return balanced([headers, sections, segments, tables]);
}

function tableFields(section: ElfSection, shape: (typeof shapes)[32 | 64]): Field[] {
  const { type, offset, size } = section;
  const end = offset + size;
  if (type === SectionType.SYMTAB || type === SectionType.DYNSYM) return records(offset, end, shape.symbol);
  if (type === SectionType.REL) return records(offset, end, shape.rel);
  if (type === SectionType.RELA) return records(offset, end, shape.rela);
  if (type === SectionType.NOTE || section.compressed)
    return records(offset, Math.min(end, offset + 24), [4, 4, 4]);
  return [];
}

/** The fields of a BTF blob in a file: header and types are words, `info` is a kind and a count. */
export function btfFields(bytes: Uint8Array, offset: number, littleEndian: boolean): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, bytes.byteLength - offset);
  const header = records(offset, offset + 24, [2, 1, 1, 4, 4, 4, 4, 4]);
  const start = offset + view.getUint32(4, littleEndian) + view.getUint32(8, littleEndian);
  return balanced([header, records(start, start + view.getUint32(12, littleEndian), [2, 1, 1])]).concat(
    records(start, start + view.getUint32(12, littleEndian), [4]),
  );
}

/** The fields of a section that consists of words, such as `.BTF.ext`, or of instructions. */
export function wordFields(section: ElfSection): Field[] {
  return records(section.offset, section.offset + section.size, [4]);
}

/** The fields of a section of BPF instructions. */
export function instructionFields(section: ElfSection): Field[] {
  return records(section.offset, section.offset + section.size, [1, 1, 2, 4]);
}

/** All lists, the shorter ones repeated, so that a field of each is picked about as often. */
export function balanced(lists: readonly Field[][]): Field[] {
  const longest = Math.max(...lists.map((list) => list.length));
  return lists.flatMap((list) => {
    if (list.length === 0) return [];
    const times = Math.min(64, Math.max(1, Math.floor(longest / list.length)));
    return Array.from({ length: times }, () => list).flat();
  });
}

import { ElfError } from "./error.js";
import { Reader } from "./reader.js";

/** The file header (`Elf32_Ehdr`, `Elf64_Ehdr`), with the counts that overflow into section 0 already resolved. */
export interface ElfHeader {
  /** 32 or 64. */
  readonly class: 32 | 64;
  readonly littleEndian: boolean;
  /** `EI_OSABI`. */
  readonly osAbi: number;
  /** `e_type`: see {@link ElfType}. */
  readonly type: number;
  /** `e_machine`: see {@link ElfMachine}; 247 is BPF. */
  readonly machine: number;
  /** Where execution begins; 0 if nowhere. */
  readonly entry: bigint;
  /** `e_flags`, as the machine defines them. */
  readonly flags: number;
  /** Byte offset of the program headers; 0 if there are none. */
  readonly segmentOffset: number;
  readonly segmentCount: number;
  /** Byte offset of the section headers; 0 if there are none. */
  readonly sectionOffset: number;
  readonly sectionCount: number;
  /** Index of the section that holds the sections' names; 0 if none does. */
  readonly sectionNamesIndex: number;
}

/** Sizes of the records of both classes, in bytes. */
export const recordSize = {
  32: { header: 52, section: 40, segment: 32, symbol: 16, rel: 8, rela: 12 },
  64: { header: 64, section: 64, segment: 56, symbol: 24, rel: 16, rela: 24 },
} as const;

const PN_XNUM = 0xffff;
const SHN_XINDEX = 0xffff;

/** Reads and checks the header; gives also the reader for the rest of the file. */
export function readHeader(bytes: Uint8Array): { header: ElfHeader; reader: Reader } {
  const identification = new Reader(bytes, false, true);
  identification.require(0, 16, "the ELF identification");
  if (bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    throw new ElfError("ELF_MAGIC", 0, "not an ELF file: the magic number is missing");
  }
  const [classByte, orderByte, version] = [identification.u8(4), identification.u8(5), identification.u8(6)];
  if (classByte !== 1 && classByte !== 2)
    throw new ElfError("ELF_MAGIC", 4, `unknown ELF class ${classByte}`);
  if (orderByte !== 1 && orderByte !== 2)
    throw new ElfError("ELF_MAGIC", 5, `unknown byte order ${orderByte}`);
  if (version !== 1) throw new ElfError("ELF_MAGIC", 6, `unknown ELF version ${version}`);

  const is64 = classByte === 2;
  const reader = new Reader(bytes, is64, orderByte === 1);
  const sizes = recordSize[is64 ? 64 : 32];
  reader.require(0, sizes.header, "the ELF header");
  // The fields after e_entry, e_phoff and e_shoff sit at the same distance from each other in both classes.
  const tail = is64 ? 48 : 36;
  const segmentOffset = reader.count(is64 ? 32 : 28, "the offset of the program headers");
  const sectionOffset = reader.count(is64 ? 40 : 32, "the offset of the section headers");
  const headerSize = reader.u16(tail + 4);
  if (headerSize < sizes.header) {
    throw new ElfError(
      "ELF_ENTRY_SIZE",
      tail + 4,
      `the header says it has ${headerSize} bytes, fewer than ${sizes.header}`,
    );
  }
  const counts = readCounts(reader, tail, sectionOffset, segmentOffset);
  const header: ElfHeader = {
    class: is64 ? 64 : 32,
    littleEndian: reader.littleEndian,
    osAbi: identification.u8(7),
    type: reader.u16(16),
    machine: reader.u16(18),
    entry: reader.address(24),
    flags: reader.u32(tail),
    segmentOffset,
    sectionOffset,
    ...counts,
  };
  return { header, reader };
}

// A count that does not fit 16 bits stands in section header 0: the number of sections in sh_size, the index of the
// names in sh_link, the number of segments in sh_info (gabi, chapter 4, "ELF header").
function readCounts(reader: Reader, tail: number, sectionOffset: number, segmentOffset: number) {
  const sizes = recordSize[reader.is64 ? 64 : 32];
  let segmentCount = reader.u16(tail + 8);
  let sectionCount = reader.u16(tail + 12);
  let sectionNamesIndex = reader.u16(tail + 14);
  if (sectionOffset !== 0) {
    expectEntrySize(reader, tail + 10, sizes.section, "section header");
    reader.require(sectionOffset, sizes.section, "section header 0", tail + 12);
    const zero = sectionOffset;
    if (sectionCount === 0)
      sectionCount = reader.count(zero + (reader.is64 ? 32 : 20), "the number of sections");
    if (sectionNamesIndex === SHN_XINDEX) sectionNamesIndex = reader.u32(zero + (reader.is64 ? 40 : 24));
    if (segmentCount === PN_XNUM) segmentCount = reader.u32(zero + (reader.is64 ? 44 : 28));
  } else if (sectionCount !== 0) {
    throw new ElfError("ELF_RANGE", tail + 12, `${sectionCount} sections announced, but no section headers`);
  }
  if (sectionCount === 0 ? sectionNamesIndex !== 0 : sectionNamesIndex >= sectionCount) {
    throw new ElfError(
      "ELF_RANGE",
      tail + 14,
      `section ${sectionNamesIndex} holds the names, but there are ${sectionCount}`,
    );
  }
  if (segmentCount > 0) expectEntrySize(reader, tail + 6, sizes.segment, "program header");
  // Dividing rather than multiplying: the count may be close to 2^53.
  if (sectionCount > reader.length / sizes.section) {
    throw new ElfError("ELF_TRUNCATED", tail + 12, `${sectionCount} section headers do not fit the file`);
  }
  reader.require(sectionOffset, sectionCount * sizes.section, "the section header table", tail + 12);
  reader.require(segmentOffset, segmentCount * sizes.segment, "the program header table", tail + 8);
  return { segmentCount, sectionCount, sectionNamesIndex };
}

function expectEntrySize(reader: Reader, offset: number, expected: number, what: string): void {
  const size = reader.u16(offset);
  if (size !== expected) {
    throw new ElfError(
      "ELF_ENTRY_SIZE",
      offset,
      `a ${what} has ${expected} bytes, but the file says ${size}`,
    );
  }
}

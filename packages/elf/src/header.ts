import { ElfError } from "./error.js";
import { Reader } from "./reader.js";

/** The file header (`Elf32_Ehdr`, `Elf64_Ehdr`), with the counts that overflow into section 0 already resolved. */
export interface ElfHeader {
  /** 32 or 64. */
  readonly class: 32 | 64;
  readonly littleEndian: boolean;
  /** `EI_OSABI`. */
  readonly osAbi: number;
  /** `EI_ABIVERSION`. */
  readonly abiVersion: number;
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
  const fields = reader.layout.header;
  reader.require(0, fields.size, "the ELF header");
  const tail = fields.flags;
  const segmentOffset = reader.count(fields.segmentOffset, "the offset of the program headers");
  const sectionOffset = reader.count(fields.sectionOffset, "the offset of the section headers");
  const headerSize = reader.u16(tail + 4);
  if (headerSize < fields.size) {
    throw new ElfError(
      "ELF_ENTRY_SIZE",
      tail + 4,
      `the header says it has ${headerSize} bytes, fewer than ${fields.size}`,
    );
  }
  const counts = readCounts(reader, tail, sectionOffset, segmentOffset);
  const header: ElfHeader = {
    class: is64 ? 64 : 32,
    littleEndian: reader.littleEndian,
    osAbi: identification.u8(7),
    abiVersion: identification.u8(8),
    type: reader.u16(16),
    machine: reader.u16(18),
    entry: reader.address(fields.entry),
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
  const { section, segment } = reader.layout;
  let segmentCount = reader.u16(tail + 8);
  let sectionCount = reader.u16(tail + 12);
  let sectionNamesIndex = reader.u16(tail + 14);
  if (sectionOffset !== 0) {
    expectEntrySize(reader, tail + 10, section.size, "section header");
    reader.require(sectionOffset, section.size, "section header 0", tail + 12);
    if (sectionCount === 0)
      sectionCount = reader.count(sectionOffset + section.length, "the number of sections");
    if (sectionNamesIndex === SHN_XINDEX) sectionNamesIndex = reader.u32(sectionOffset + section.link);
    if (segmentCount === PN_XNUM) segmentCount = reader.u32(sectionOffset + section.info);
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
  if (segmentCount > 0) expectEntrySize(reader, tail + 6, segment.size, "program header");
  // Dividing rather than multiplying: the count may be close to 2^53.
  if (sectionCount > reader.length / section.size) {
    throw new ElfError("ELF_TRUNCATED", tail + 12, `${sectionCount} section headers do not fit the file`);
  }
  reader.require(sectionOffset, sectionCount * section.size, "the section header table", tail + 12);
  reader.require(segmentOffset, segmentCount * segment.size, "the program header table", tail + 8);
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

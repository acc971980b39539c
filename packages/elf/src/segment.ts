import { recordSize } from "./header.js";
import type { Reader } from "./reader.js";

/** One program header (`Elf32_Phdr`, `Elf64_Phdr`) and a view of what it describes. */
export class ElfSegment {
  /** Position in the program header table. */
  readonly index: number;
  /** `p_type`: see {@link SegmentType}. */
  readonly type: number;
  /** `p_flags`: see {@link SegmentFlag}. */
  readonly flags: number;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** Virtual address. */
  readonly address: bigint;
  /** Physical address, where that means something. */
  readonly physicalAddress: bigint;
  /** Bytes in the file. */
  readonly fileSize: number;
  /** Bytes in memory; what exceeds `fileSize` is zero. */
  readonly memorySize: bigint;
  /** Alignment in bytes; 0 and 1 both mean none. */
  readonly alignment: bigint;
  readonly #file: Uint8Array;

  /** Made by {@link ElfFile.parse}. */
  constructor(reader: Reader, index: number, at: number) {
    const fields = segmentFields[reader.is64 ? 64 : 32];
    this.index = index;
    this.type = reader.u32(at);
    this.flags = reader.u32(at + fields.flags);
    this.offset = reader.count(at + fields.offset, "the segment's offset");
    this.address = reader.address(at + fields.address);
    this.physicalAddress = reader.address(at + fields.physicalAddress);
    this.fileSize = reader.count(at + fields.fileSize, "the segment's size");
    this.memorySize = reader.address(at + fields.memorySize);
    this.alignment = reader.address(at + fields.alignment);
    this.#file = reader.bytes;
    reader.require(this.offset, this.fileSize, `segment ${index}`, at + fields.offset);
  }

  /** A view of its bytes in the file, not a copy. */
  get data(): Uint8Array {
    return this.#file.subarray(this.offset, this.offset + this.fileSize);
  }
}

/** Reads all program headers. The header has been checked: they all lie in the file. */
export function readSegments(reader: Reader, offset: number, count: number): ElfSegment[] {
  const size = recordSize[reader.is64 ? 64 : 32].segment;
  return Array.from({ length: count }, (_, index) => new ElfSegment(reader, index, offset + index * size));
}

const segmentFields = {
  32: { offset: 4, address: 8, physicalAddress: 12, fileSize: 16, memorySize: 20, flags: 24, alignment: 28 },
  64: { flags: 4, offset: 8, address: 16, physicalAddress: 24, fileSize: 32, memorySize: 40, alignment: 48 },
} as const;

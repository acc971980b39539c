import type { Reader } from "./reader.js";

/** One program header (`Elf32_Phdr`, `Elf64_Phdr`), read from the file when a property is asked for. */
export class ElfSegment {
  /** Position in the program header table. */
  readonly index: number;
  /** Where its header stands in the file, for error messages. */
  readonly headerOffset: number;
  readonly #reader: Reader;

  /** Made by {@link ElfFile.parse}. */
  constructor(reader: Reader, index: number, headerOffset: number) {
    this.index = index;
    this.headerOffset = headerOffset;
    this.#reader = reader;
  }

  /** `p_type`: see {@link SegmentType}. */
  get type(): number {
    return this.#reader.u32(this.headerOffset);
  }

  /** `p_flags`: see {@link SegmentFlag}. */
  get flags(): number {
    return this.#reader.u32(this.headerOffset + this.#reader.layout.segment.flags);
  }

  /** Where its bytes begin in the file. */
  get offset(): number {
    return this.#reader.count(this.headerOffset + this.#reader.layout.segment.offset, "the segment's offset");
  }

  /** Virtual address. */
  get address(): bigint {
    return this.#reader.address(this.headerOffset + this.#reader.layout.segment.address);
  }

  /** Physical address, where that means something. */
  get physicalAddress(): bigint {
    return this.#reader.address(this.headerOffset + this.#reader.layout.segment.physicalAddress);
  }

  /** Bytes in the file. */
  get fileSize(): number {
    return this.#reader.count(this.headerOffset + this.#reader.layout.segment.fileSize, "the segment's size");
  }

  /** Bytes in memory; what exceeds `fileSize` is zero. */
  get memorySize(): bigint {
    return this.#reader.address(this.headerOffset + this.#reader.layout.segment.memorySize);
  }

  /** Alignment in bytes; 0 and 1 both mean none. */
  get alignment(): bigint {
    return this.#reader.address(this.headerOffset + this.#reader.layout.segment.alignment);
  }

  /**
   * A view of its bytes in the file, not a copy. Throws {@link ElfError} (`ELF_TRUNCATED`) if the file ends before
   * them: cut core files, and debug files made by older tools, keep the headers of what they do not hold.
   */
  get data(): Uint8Array {
    const { offset, fileSize } = this;
    this.#reader.require(offset, fileSize, `segment ${this.index}`, this.headerOffset);
    return this.#reader.bytes.subarray(offset, offset + fileSize);
  }
}

/** Reads all program headers. The header has been checked: they all lie in the file. */
export function readSegments(reader: Reader, offset: number, count: number): ElfSegment[] {
  const { size } = reader.layout.segment;
  return Array.from({ length: count }, (_, index) => {
    const segment = new ElfSegment(reader, index, offset + index * size);
    // Numbers past 2^53 are refused here rather than wherever the property is read.
    void [segment.offset, segment.fileSize];
    return segment;
  });
}

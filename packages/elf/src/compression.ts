import { ElfError } from "./error.js";
import type { Reader } from "./reader.js";

/** How a section is compressed, and what is compressed. */
export interface ElfCompression {
  /** `ch_type`: see {@link CompressionType}. The older `.zdebug_` sections are always ZLIB. */
  readonly type: number;
  /** How many bytes it inflates to, as the file says. Nothing has checked that: limit what you allocate. */
  readonly size: number;
  /** Alignment of the inflated bytes; 0 and 1 both mean none. */
  readonly alignment: number;
  /** A view of the compressed bytes without the header in front of them. */
  readonly data: Uint8Array;
}

/**
 * Inflates a section's bytes: `zlib.inflateSync` or its like for ZLIB. Must give `compression.size` bytes; whatever it
 * throws reaches the caller as the cause of an {@link ElfError}.
 */
export type ElfInflate = (data: Uint8Array, compression: ElfCompression) => Uint8Array;

/** The magic number of a `.zdebug_` section: "ZLIB", then the inflated size as 64-bit big-endian number. */
const OLD_MAGIC = [0x5a, 0x4c, 0x49, 0x42];
const OLD_HEADER_SIZE = 12;

/** Whether bytes start like those of a `.zdebug_` section that is compressed indeed (bfd/compress.c asks the same). */
export function hasOldHeader(data: Uint8Array): boolean {
  return OLD_MAGIC.every((byte, i) => data[i] === byte);
}

/** Reads the header of a section with SHF_COMPRESSED; `[offset, offset + size)` are its bytes. */
export function readCompression(reader: Reader, offset: number, size: number, name: string): ElfCompression {
  const { compression } = reader.layout;
  if (size < compression.size) throw tooShort(name, offset);
  return {
    type: reader.u32(offset),
    size: reader.count(offset + compression.length, "the inflated size"),
    alignment: reader.count(offset + compression.alignment, "the inflated alignment"),
    data: reader.bytes.subarray(offset + compression.size, offset + size),
  };
}

/** Reads the header of a `.zdebug_` section. */
export function readOldCompression(
  reader: Reader,
  offset: number,
  size: number,
  name: string,
): ElfCompression {
  if (size < OLD_HEADER_SIZE) throw tooShort(name, offset);
  let length = 0;
  for (let i = 4; i < OLD_HEADER_SIZE; i++) length = length * 256 + reader.u8(offset + i);
  if (length > Number.MAX_SAFE_INTEGER) {
    throw new ElfError("ELF_RANGE", offset + 4, "the inflated size is larger than any file");
  }
  return {
    type: 1,
    size: length,
    alignment: 1,
    data: reader.bytes.subarray(offset + OLD_HEADER_SIZE, offset + size),
  };
}

/** Lets the caller's function inflate a section, and checks what it gives. */
export function inflateSection(
  inflate: ElfInflate | undefined,
  compression: ElfCompression,
  offset: number,
  name: string,
): Uint8Array {
  if (!inflate) {
    throw new ElfError(
      "ELF_COMPRESSED",
      offset,
      `section "${name}" is compressed; give ElfFile.parse a function that inflates it`,
    );
  }
  let bytes: Uint8Array;
  try {
    bytes = inflate(compression.data, compression);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ElfError("ELF_COMPRESSED", offset, `section "${name}" cannot be inflated: ${reason}`, {
      cause,
    });
  }
  if (bytes.length !== compression.size) {
    throw new ElfError(
      "ELF_COMPRESSED",
      offset,
      `section "${name}" inflates to ${bytes.length} bytes instead of ${compression.size}`,
    );
  }
  return bytes;
}

function tooShort(name: string, offset: number): ElfError {
  return new ElfError("ELF_TRUNCATED", offset, `section "${name}" is too short for a compression header`);
}

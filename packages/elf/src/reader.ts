import { ElfError } from "./error.js";
import { type Layout, layout32, layout64 } from "./layout.js";

/** 2^21: what the upper half of a 64-bit number may hold for the whole to be at most 2^53 - 1. */
const UPPER_LIMIT = 0x20_0000;

/**
 * Reads numbers in the file's class and byte order, each read checked against the file's end.
 * Offsets are plain numbers: the caller has made sure that they are not negative.
 */
export class Reader {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly layout: Layout;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, is64: boolean, littleEndian: boolean) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.is64 = is64;
    this.littleEndian = littleEndian;
    this.layout = is64 ? layout64 : layout32;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(offset: number): number {
    this.require(offset, 1, "a byte");
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    this.require(offset, 2, "a 16-bit field");
    return this.#view.getUint16(offset, this.littleEndian);
  }

  u32(offset: number): number {
    this.require(offset, 4, "a 32-bit field");
    return this.#view.getUint32(offset, this.littleEndian);
  }

  i32(offset: number): number {
    this.require(offset, 4, "a 32-bit field");
    return this.#view.getInt32(offset, this.littleEndian);
  }

  u64(offset: number): bigint {
    this.require(offset, 8, "a 64-bit field");
    return this.#view.getBigUint64(offset, this.littleEndian);
  }

  i64(offset: number): bigint {
    this.require(offset, 8, "a 64-bit field");
    return this.#view.getBigInt64(offset, this.littleEndian);
  }

  /** A field as wide as the class: an address. */
  address(offset: number): bigint {
    return this.is64 ? this.u64(offset) : BigInt(this.u32(offset));
  }

  /** A field as wide as the class that must fit a JavaScript integer: an offset, a size, a set of flags. */
  count(offset: number, what: string): number {
    if (!this.is64) return this.u32(offset);
    const upper = this.u32(this.littleEndian ? offset + 4 : offset);
    if (upper >= UPPER_LIMIT) {
      throw new ElfError("ELF_RANGE", offset, `${what} is ${this.u64(offset)}, larger than any file`);
    }
    return upper * 2 ** 32 + this.u32(this.littleEndian ? offset : offset + 4);
  }

  /** Throws unless [offset, offset + length) lies in the file. Both are at most 2^53, so their sum cannot wrap. */
  require(offset: number, length: number, what: string, at = offset): void {
    if (offset + length > this.length) {
      throw new ElfError(
        "ELF_TRUNCATED",
        at,
        `${what} ends at byte ${offset + length}, but the file has ${this.length}`,
      );
    }
  }
}

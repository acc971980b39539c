import { endianness } from "node:os";
import { addressOf } from "./libc.js";

const little = endianness() === "LE";
const encoder = new TextEncoder();

/**
 * A C struct for the kernel: zero-filled bytes in host byte order, and references to every buffer that it points to,
 * so that nothing it points to is collected before the struct itself. Offsets are in bytes; setters check their range
 * (koffi and typed arrays would wrap silently) and return the struct.
 */
export class Struct {
  /** The struct's bytes; write to them, never replace them. */
  readonly bytes: Uint8Array;
  /** A view of the same bytes. */
  readonly view: DataView;
  /** What each pointer points to, by its offset; most structs have none. */
  #targets: Map<number, Uint8Array | Struct> | undefined;
  #address = 0;

  /** @param size the struct's size in bytes */
  constructor(size: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(size));
    this.view = new DataView(this.bytes.buffer);
  }

  /** The address of the bytes, which is theirs for as long as something holds this struct. */
  get address(): number {
    if (this.#address === 0) this.#address = Number(addressOf(this.bytes));
    return this.#address;
  }

  /** Writes an unsigned byte. */
  u8(offset: number, value: number): this {
    this.view.setUint8(offset, unsigned(value, 0xff));
    return this;
  }

  /** Writes an unsigned 16-bit number. */
  u16(offset: number, value: number): this {
    this.view.setUint16(offset, unsigned(value, 0xffff), little);
    return this;
  }

  /** Writes an unsigned 32-bit number. */
  u32(offset: number, value: number): this {
    this.view.setUint32(offset, unsigned(value, 0xffff_ffff), little);
    return this;
  }

  /** Writes a signed 32-bit number. */
  i32(offset: number, value: number): this {
    if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0x7fff_ffff) {
      throw new RangeError(`${value} does not fit a signed 32-bit field`);
    }
    this.view.setInt32(offset, value, little);
    return this;
  }

  /** Writes an unsigned 64-bit number. */
  u64(offset: number, value: bigint | number): this {
    const big = BigInt(value);
    if (big < 0n || big > 0xffff_ffff_ffff_ffffn)
      throw new RangeError(`${big} does not fit an unsigned 64-bit field`);
    this.view.setBigUint64(offset, big, little);
    return this;
  }

  /** Writes the address of a buffer (64 bits wide, as in `union bpf_attr`) and holds the buffer; null is the null pointer. */
  pointer(offset: number, target: Uint8Array | Struct | null): this {
    if (target === null) {
      this.#targets?.delete(offset);
      this.view.setBigUint64(offset, 0n, little);
      return this;
    }
    this.#targets ??= new Map();
    this.#targets.set(offset, target);
    this.view.setBigUint64(offset, addressOf(target instanceof Struct ? target.bytes : target), little);
    return this;
  }

  /** Writes text into a char array of `capacity` bytes, NUL included. Throws RangeError where it does not fit. */
  string(offset: number, text: string, capacity: number): this {
    const bytes = cString(text);
    if (bytes.length > capacity) {
      throw new RangeError(`"${text}" is longer than the ${capacity - 1} bytes that the kernel allows here`);
    }
    this.bytes.fill(0, offset, offset + capacity);
    this.bytes.set(bytes, offset);
    return this;
  }

  /** Reads an unsigned 32-bit number. */
  getU32(offset: number): number {
    return this.view.getUint32(offset, little);
  }

  /** Reads a signed 32-bit number. */
  getI32(offset: number): number {
    return this.view.getInt32(offset, little);
  }

  /** Reads an unsigned 64-bit number. */
  getU64(offset: number): bigint {
    return this.view.getBigUint64(offset, little);
  }
}

function unsigned(value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${value} is not an integer from 0 to ${max}`);
  }
  return value;
}

/** Text as a C string: UTF-8 with its NUL. Throws RangeError where the text itself holds a NUL, which would cut it short. */
export function cString(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError(`"${text.replaceAll("\0", "\\0")}" holds a NUL character`);
  return encoder.encode(`${text}\0`);
}

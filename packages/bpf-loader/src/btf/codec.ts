import { hostLittleEndian } from "../asm.js";
import type { Btf } from "./btf.js";
import { BtfCodecBuilder } from "./codec-builder.js";
import type { Node } from "./codec-nodes.js";

/**
 * A value of a BTF type in JavaScript:
 * - integers of up to 4 bytes, and enums, are numbers; 8 and 16 byte integers, enum64 and pointers are bigints
 * - `bool` is a boolean, `float` and `double` are numbers
 * - arrays of one-byte integers (`char name[16]`) are Uint8Array, other arrays are arrays
 * - structs are objects by member name; the members of an anonymous struct or union belong to the one around it
 * - unions are objects with every member, each read from the same bytes
 * - fields that belong to the kernel (`struct bpf_spin_lock`, `struct bpf_timer`, ...) do not appear
 *
 * A string is never read; it may be written where an enum (by name) or a `char` array is wanted.
 */
export type BtfValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | BtfValue[]
  | { [member: string]: BtfValue };

/**
 * Turns the bytes of one BTF type into JavaScript and back, with C's padding (zero when written), bit-fields and
 * byte order exact.
 *
 * Writing wants every member of a struct and knows no others, so that a misspelt name never becomes a zero.
 * Of a union any members may be given that agree.
 */
export interface Codec<T = BtfValue> {
  /** Bytes that a value takes. */
  readonly size: number;
  /** Reads a value from the first `size` bytes. Throws RangeError if there are fewer. */
  decode(bytes: Uint8Array): T;
  /** Writes a value into new bytes. Throws {@link BtfValueError}, which names the part that does not fit. */
  encode(value: T): Uint8Array;
  /** Reads the value at an offset, and keeps nothing of the bytes. Throws RangeError if they end before it does. */
  read(view: DataView, at: number): T;
  /** Writes a value over zeroed bytes at an offset. Throws {@link BtfValueError}, after which they hold anything. */
  write(view: DataView, at: number, value: T): void;
}

/** The codec of a type. Throws {@link BtfError} for a type that has no values, such as a function. */
export function btfCodec<T = BtfValue>(btf: Btf, typeId: number): Codec<T> {
  return nodeCodec(new BtfCodecBuilder(btf).build(typeId));
}

/** The codec of what reads and writes one type. */
export function nodeCodec<T>(node: Node): Codec<T> {
  const { size } = node;
  return {
    size,
    decode(bytes) {
      if (bytes.length < size)
        throw new RangeError(`a value of ${size} bytes cannot be read from ${bytes.length}`);
      return node.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0) as T;
    },
    encode(value) {
      const bytes = new Uint8Array(size);
      node.write(new DataView(bytes.buffer), 0, value as BtfValue);
      return bytes;
    },
    read: (view, at) => node.read(view, at) as T,
    write: (view, at, value) => node.write(view, at, value as BtfValue),
  };
}

/** A codec that leaves the bytes as they are: for keys and values without BTF. */
export function rawCodec(size: number): Codec<Uint8Array> {
  const check = (value: Uint8Array) => {
    if (value instanceof Uint8Array && value.length === size) return value;
    throw new RangeError(`expected a Uint8Array of ${size} bytes`);
  };
  return {
    size,
    decode(bytes) {
      if (bytes.length < size)
        throw new RangeError(`a value of ${size} bytes cannot be read from ${bytes.length}`);
      return new Uint8Array(bytes.subarray(0, size));
    },
    encode: (value) => new Uint8Array(check(value)),
    read: (view, at) => new Uint8Array(new Uint8Array(view.buffer, view.byteOffset + at, size)),
    write: (view, at, value) => new Uint8Array(view.buffer, view.byteOffset + at, size).set(check(value)),
  };
}

/** The key of an array map: a 32-bit index in host byte order. */
export const indexCodec: Codec<number> = {
  size: 4,
  decode: (bytes) => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, hostLittleEndian),
  encode(value) {
    const bytes = new Uint8Array(4);
    indexCodec.write(new DataView(bytes.buffer), 0, value);
    return bytes;
  },
  read: (view, at) => view.getUint32(at, hostLittleEndian),
  write(view, at, value) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
      throw new RangeError(`${value} is no index of an array`);
    view.setUint32(at, value, hostLittleEndian);
  },
};

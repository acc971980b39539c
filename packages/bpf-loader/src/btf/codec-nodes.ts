import type { BtfValue } from "./codec.js";
import { BtfValueError } from "./error.js";

/** How one type is read and written at an offset. Writers find zeroed bytes. */
export interface Node {
  readonly size: number;
  read(view: DataView, at: number): BtfValue;
  write(view: DataView, at: number, value: BtfValue): void;
}

/** A plain integer of 1, 2, 4, 8 or 16 bytes. */
export function integer(size: number, signed: boolean, little: boolean): Node {
  switch (size) {
    case 1:
      return small(
        size,
        signed,
        (v, at) => (signed ? v.getInt8(at) : v.getUint8(at)),
        (v, at, n) => v.setInt8(at, n),
      );
    case 2:
      return small(
        size,
        signed,
        (v, at) => (signed ? v.getInt16(at, little) : v.getUint16(at, little)),
        (v, at, n) => v.setInt16(at, n, little),
      );
    case 4:
      return small(
        size,
        signed,
        (v, at) => (signed ? v.getInt32(at, little) : v.getUint32(at, little)),
        (v, at, n) => v.setInt32(at, n, little),
      );
    case 8:
      return {
        size,
        read: (view, at) => (signed ? view.getBigInt64(at, little) : view.getBigUint64(at, little)),
        write: (view, at, value) =>
          view.setBigUint64(at, BigInt.asUintN(64, wide(value, 64, signed)), little),
      };
    default:
      return {
        size,
        read: (view, at) => readBits(view, at, size, 0, size * 8, signed, little),
        write: (view, at, value) =>
          writeBits(view, at, size, 0, size * 8, wide(value, size * 8, signed), little),
      };
  }
}

/** A bit-field, or an int that does not fill its bytes: `bits` bits at `bitOffset` from the start of `size` bytes. */
export function bits(
  size: number,
  bitOffset: number,
  width: number,
  signed: boolean,
  big: boolean,
  little: boolean,
): Node {
  return {
    size,
    read(view, at) {
      const value = readBits(view, at, size, bitOffset, width, signed, little);
      return big ? value : Number(value);
    },
    write(view, at, value) {
      writeBits(view, at, size, bitOffset, width, wide(value, width, signed), little);
    },
  };
}

/** `_Bool`. */
export function boolean(size: number, little: boolean): Node {
  return truth(integer(size, false, little));
}

/** `_Bool`, as the integer that it is stored as. */
export function truth(number: Node): Node {
  return {
    size: number.size,
    read: (view, at) => Number(number.read(view, at)) !== 0,
    write(view, at, value) {
      if (typeof value !== "boolean")
        throw new BtfValueError("", `expected true or false, not ${show(value)}`);
      number.write(view, at, number.size > 4 ? BigInt(value) : Number(value));
    },
  };
}

/** An enum: read as a number (enum64: a bigint), written from that or from the name of one of its values. */
export function enumeration(
  number: Node,
  name: string,
  values: readonly { name: string; value: number | bigint }[],
): Node {
  const byName = new Map(values.map((entry) => [entry.name, entry.value]));
  return {
    size: number.size,
    read: number.read,
    write(view, at, value) {
      if (typeof value !== "string") return number.write(view, at, value);
      const known = byName.get(value);
      if (known === undefined) throw new BtfValueError("", `enum ${name} has no value named "${value}"`);
      number.write(view, at, known);
    },
  };
}

/** `float` and `double`. */
export function float(size: 4 | 8, little: boolean): Node {
  return {
    size,
    read: (view, at) => (size === 4 ? view.getFloat32(at, little) : view.getFloat64(at, little)),
    write(view, at, value) {
      if (typeof value !== "number") throw new BtfValueError("", `expected a number, not ${show(value)}`);
      if (size === 4) view.setFloat32(at, value, little);
      else view.setFloat64(at, value, little);
    },
  };
}

/** Bytes: an array of one-byte integers, or a type that has no other form in JavaScript. */
export function byteArray(length: number): Node {
  return {
    size: length,
    read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, length).slice(),
    write(view, at, value) {
      const bytes = toBytes(value, length);
      new Uint8Array(view.buffer, view.byteOffset + at, length).set(bytes);
    },
  };
}

/** Any other array. */
export function array(element: Node, length: number): Node {
  return {
    size: element.size * length,
    read: (view, at) => Array.from({ length }, (_, i) => element.read(view, at + i * element.size)),
    write(view, at, value) {
      if (!Array.isArray(value) || value.length !== length) {
        throw new BtfValueError("", `expected an array of ${length} elements, not ${show(value)}`);
      }
      for (let i = 0; i < length; i++)
        within(`[${i}]`, () => element.write(view, at + i * element.size, value[i]!));
    },
  };
}

/** Adds the name of a part to the path of an error that is thrown while the part is written. */
export function within(name: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw error instanceof BtfValueError ? error.within(name) : error;
  }
}

/** A value as an error message shows it. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function small(
  size: number,
  signed: boolean,
  read: (view: DataView, at: number) => number,
  write: (view: DataView, at: number, value: number) => void,
): Node {
  const min = signed ? -(2 ** (size * 8 - 1)) : 0;
  const max = 2 ** (signed ? size * 8 - 1 : size * 8) - 1;
  return {
    size,
    read,
    write(view, at, value) {
      if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
        throw new BtfValueError("", `expected an integer from ${min} to ${max}, not ${show(value)}`);
      }
      write(view, at, value);
    },
  };
}

/** An integer of any width; numbers are taken where they are exact. */
function wide(value: BtfValue, width: number, signed: boolean): bigint {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new BtfValueError(
      "",
      `expected an integer, not ${show(value)}; beyond 2^53 only a bigint is exact`,
    );
  }
  if (typeof value !== "bigint" && typeof value !== "number") {
    throw new BtfValueError("", `expected a bigint, not ${show(value)}`);
  }
  const big = BigInt(value);
  if (big !== (signed ? BigInt.asIntN(width, big) : BigInt.asUintN(width, big))) {
    throw new BtfValueError("", `${big} does not fit ${width} ${signed ? "signed" : "unsigned"} bits`);
  }
  return big;
}

// Bits are counted from the least significant bit in little-endian data and from the most significant in big-endian
// data, as compilers lay bit-fields out.
function readBits(
  view: DataView,
  at: number,
  size: number,
  bitOffset: number,
  width: number,
  signed: boolean,
  little: boolean,
): bigint {
  const { first, count, shift } = bitWindow(size, bitOffset, width, little);
  let word = 0n;
  for (let i = 0; i < count; i++) {
    const byte = view.getUint8(at + first + (little ? count - 1 - i : i));
    word = (word << 8n) | BigInt(byte);
  }
  const value = word >> BigInt(shift);
  return signed ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value);
}

function writeBits(
  view: DataView,
  at: number,
  size: number,
  bitOffset: number,
  width: number,
  value: bigint,
  little: boolean,
): void {
  const { first, count, shift } = bitWindow(size, bitOffset, width, little);
  let word = BigInt.asUintN(width, value) << BigInt(shift);
  for (let i = 0; i < count; i++) {
    const index = at + first + (little ? i : count - 1 - i);
    view.setUint8(index, view.getUint8(index) | Number(word & 0xffn));
    word >>= 8n;
  }
}

function bitWindow(size: number, bitOffset: number, width: number, little: boolean) {
  const first = bitOffset >> 3;
  const end = Math.min(size, (bitOffset + width + 7) >> 3);
  const shift = little ? bitOffset & 7 : end * 8 - bitOffset - width;
  return { first, count: end - first, shift };
}

function toBytes(value: unknown, length: number): Uint8Array {
  if (typeof value === "string") {
    const text = new TextEncoder().encode(value);
    if (text.length > length) throw new BtfValueError("", `${show(value)} is longer than ${length} bytes`);
    return text;
  }
  if (value instanceof Uint8Array) {
    if (value.length !== length) throw new BtfValueError("", `expected ${length} bytes, not ${value.length}`);
    return value;
  }
  if (Array.isArray(value) && value.length === length) {
    const wrong = value.findIndex((byte) => !Number.isInteger(byte) || byte < -128 || byte > 255);
    if (wrong === -1) return Uint8Array.from(value, (byte) => byte & 0xff);
    throw new BtfValueError(`[${wrong}]`, `expected a byte, not ${show(value[wrong])}`);
  }
  throw new BtfValueError("", `expected ${length} bytes, not ${show(value)}`);
}

import { type Input, littleEndian, type Output } from "./bytes.js";
import { NetlinkDecodeError, NetlinkEncodeError } from "./errors.js";

/** The attributes around the one being decoded or encoded: a sub-message finds its selector there. */
export interface Scope {
  readonly values: Readonly<Record<string, unknown>>;
  readonly parent: Scope | undefined;
  /** How deep the nesting is. Schemas may be recursive; the bytes decide how far, so it is bounded. */
  readonly depth: number;
}

/**
 * One piece of wire format: how the payload of an attribute reads and writes.
 * @typeParam Out what decoding gives
 * @typeParam In what encoding takes
 */
export interface Codec<Out, In = Out> {
  /**
   * The value in bytes `start` to `end`. `undefined` says that the payload does not fit this declaration; the
   * attribute set then keeps the bytes among its unknown attributes.
   */
  decode(input: Input, start: number, end: number, scope: Scope | undefined): Out | undefined;
  /** Appends the payload. @throws NetlinkEncodeError where the value cannot be written */
  encode(output: Output, value: In, scope: Scope | undefined): void;
  /** Names what lies at a byte of an encoded payload: the path below this value, for error messages. */
  locate?(input: Input, start: number, end: number, offset: number, scope: Scope | undefined): string[];
  /** The name of an attribute type within the nest that starts at `start`, for "missing attribute" errors. */
  nameWithin?(
    input: Input,
    start: number,
    end: number,
    nest: number,
    type: number,
    scope: Scope | undefined,
  ): string[] | undefined;
  /** Whether encoding the decoded value gives these bytes again. Absent: always. */
  exact?(input: Input, start: number, end: number): boolean;
  /** Whether encoding a value means to leave the attribute out. Absent: never. */
  omits?(value: unknown): boolean;
  /** Set where the codec looks at its scope or holds other attributes. */
  readonly nests?: boolean;
  /** Set where the attribute may occur several times, each occurrence an element of the value. */
  readonly repeats?: boolean;
  /** Set where the attribute's type carries NLA_F_NESTED or NLA_F_NET_BYTEORDER. */
  readonly typeFlags?: number;
}

/** What decoding with a codec gives. */
export type Decoded<C> = C extends Codec<infer Out, never> ? Out : never;
/** What encoding with a codec takes. */
// biome-ignore lint/suspicious/noExplicitAny: infers the other parameter
export type Encodable<C> = C extends Codec<any, infer In> ? In : never;

/** A codec of fixed size, which can be a field of a C struct. */
export interface Fixed<Out, In = Out> extends Codec<Out, In> {
  /** Bytes. */
  readonly size: number;
  /** The alignment that C gives it, in bytes. */
  readonly align: number;
  /** The value at a byte. */
  read(input: Input, offset: number): Out;
  /** Writes into bytes that were reserved. @throws NetlinkEncodeError where the value cannot be written */
  write(output: Output, offset: number, value: In): void;
}

/** Makes a codec of fixed size: as an attribute its payload must have that size exactly. */
export function fixed<Out, In = Out>(
  size: number,
  align: number,
  read: (input: Input, offset: number) => Out,
  write: (output: Output, offset: number, value: In) => void,
): Fixed<Out, In> {
  return {
    size,
    align,
    read,
    write,
    decode: (input, start, end) => (end - start === size ? read(input, start) : undefined),
    encode: (output, value) => write(output, output.reserve(size), value),
  };
}

/** Refuses what is not a whole number within the limits. */
function whole(value: number, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max)
    throw new NetlinkEncodeError(`${String(value)} is not a whole number from ${min} to ${max}`);
  return value;
}

/** Accepts a whole number too, since small 64-bit values are often written as such. */
function whole64(value: bigint | number, min: bigint, max: bigint): bigint {
  const big = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof big !== "bigint" || big < min || big > max)
    throw new NetlinkEncodeError(`${String(value)} is not a whole number from ${min} to ${max}`);
  return big;
}

/** An unsigned byte. */
export const u8: Fixed<number> = fixed(
  1,
  1,
  (input, at) => input.bytes[at] as number,
  (output, at, value: number) => output.view.setUint8(at, whole(value, 0, 0xff)),
);
/** A signed byte. */
export const s8: Fixed<number> = fixed(
  1,
  1,
  (input, at) => input.view.getInt8(at),
  (output, at, value: number) => output.view.setInt8(at, whole(value, -0x80, 0x7f)),
);
/** A 16-bit unsigned number in host byte order. */
export const u16: Fixed<number> = fixed(
  2,
  2,
  (input, at) => input.view.getUint16(at, littleEndian),
  (output, at, value: number) => output.view.setUint16(at, whole(value, 0, 0xffff), littleEndian),
);
/** A 16-bit signed number in host byte order. */
export const s16: Fixed<number> = fixed(
  2,
  2,
  (input, at) => input.view.getInt16(at, littleEndian),
  (output, at, value: number) => output.view.setInt16(at, whole(value, -0x8000, 0x7fff), littleEndian),
);
/** A 32-bit unsigned number in host byte order. */
export const u32: Fixed<number> = fixed(
  4,
  4,
  (input, at) => input.view.getUint32(at, littleEndian),
  (output, at, value: number) => output.view.setUint32(at, whole(value, 0, 0xffff_ffff), littleEndian),
);
/** A 32-bit signed number in host byte order. */
export const s32: Fixed<number> = fixed(
  4,
  4,
  (input, at) => input.view.getInt32(at, littleEndian),
  (output, at, value: number) =>
    output.view.setInt32(at, whole(value, -0x8000_0000, 0x7fff_ffff), littleEndian),
);
/** A 64-bit unsigned number in host byte order. */
export const u64: Fixed<bigint, bigint | number> = fixed(
  8,
  8,
  (input, at) => input.view.getBigUint64(at, littleEndian),
  (output, at, value: bigint | number) =>
    output.view.setBigUint64(at, whole64(value, 0n, 0xffff_ffff_ffff_ffffn), littleEndian),
);
/** A 64-bit signed number in host byte order. */
export const s64: Fixed<bigint, bigint | number> = fixed(
  8,
  8,
  (input, at) => input.view.getBigInt64(at, littleEndian),
  (output, at, value: bigint | number) =>
    output.view.setBigInt64(at, whole64(value, -(1n << 63n), (1n << 63n) - 1n), littleEndian),
);
/** A 16-bit unsigned number in network byte order. */
export const u16be: Fixed<number> = fixed(
  2,
  2,
  (input, at) => input.view.getUint16(at, false),
  (output, at, value: number) => output.view.setUint16(at, whole(value, 0, 0xffff), false),
);
/** A 32-bit unsigned number in network byte order. */
export const u32be: Fixed<number> = fixed(
  4,
  4,
  (input, at) => input.view.getUint32(at, false),
  (output, at, value: number) => output.view.setUint32(at, whole(value, 0, 0xffff_ffff), false),
);
/** A byte that is 0 or 1; any other value is kept among the unknown attributes. */
export const bool8: Codec<boolean> = {
  decode: (input, start, end) => {
    const value = input.bytes[start] as number;
    return end - start === 1 && value <= 1 ? value === 1 : undefined;
  },
  encode: (output, value) => u8.encode(output, value ? 1 : 0, undefined),
};
/** A 32-bit number that is 0 or 1; any other value is kept among the unknown attributes. */
export const bool32: Codec<boolean> = {
  decode: (input, start, end) => {
    if (end - start !== 4) return undefined;
    const value = input.view.getUint32(start, littleEndian);
    return value <= 1 ? value === 1 : undefined;
  },
  encode: (output, value) => u32.encode(output, value ? 1 : 0, undefined),
};

/** An attribute without payload: its presence says true. Encoding `false` leaves it out. */
export const present: Codec<true, boolean> = {
  decode: (_input, start, end) => (start === end ? true : undefined),
  encode: () => {},
  omits: (value) => value === false,
};

/** An attribute that is set by its presence, as {@link present}, but which the kernel reports as a byte. */
export const presentOrByte: Codec<boolean, boolean> = {
  decode: (input, start, end) =>
    start === end
      ? true
      : end - start === 1 && (input.bytes[start] as number) <= 1
        ? input.bytes[start] === 1
        : undefined,
  encode: () => {},
  omits: (value) => value === false,
  exact: (_input, start, end) => start === end,
};

/** Bytes as they are. Decoding copies, since receive buffers are used again. */
export const binary: Codec<Uint8Array> = {
  decode: (input, start, end) => input.bytes.slice(start, end),
  encode: (output, value) => {
    if (!(value instanceof Uint8Array)) throw new NetlinkEncodeError("expected bytes (a Uint8Array)");
    output.append(value);
  },
};

/** Reads the same payload into another shape: `from` after decoding, `to` before encoding. */
export function mapped<Out, In, WireOut, WireIn>(
  codec: Codec<WireOut, WireIn>,
  from: (wire: WireOut) => Out,
  to: (value: In) => WireIn,
): Codec<Out, In> {
  return {
    ...codec,
    decode: (input, start, end, scope) => {
      const wire = codec.decode(input, start, end, scope);
      return wire === undefined ? undefined : from(wire);
    },
    encode: (output, value, scope) => codec.encode(output, to(value), scope),
  };
}

/** A payload that goes to the unknown attributes where it is malformed, in place of an error for the whole message. */
export function orUnknown<Out, In>(codec: Codec<Out, In>): Codec<Out, In> {
  return {
    ...lazy(() => codec),
    decode: (input, start, end, scope) => {
      try {
        return codec.decode(input, start, end, scope);
      } catch (error) {
        if (error instanceof NetlinkDecodeError) return undefined;
        throw error;
      }
    },
  };
}

/**
 * Makes a value at its first use and keeps it: a process uses few of the many schemas that are declared.
 * @returns a function that gives the value
 */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** A codec that is declared further down, that contains itself, or that is seldom needed: see {@link once}. */
export function lazy<Out, In>(get: () => Codec<Out, In>): Codec<Out, In> {
  return {
    nests: true,
    decode: (input, start, end, scope) => get().decode(input, start, end, scope),
    encode: (output, value, scope) => get().encode(output, value, scope),
    locate: (input, start, end, offset, scope) => get().locate?.(input, start, end, offset, scope) ?? [],
    nameWithin: (input, start, end, nest, type, scope) =>
      get().nameWithin?.(input, start, end, nest, type, scope),
  };
}

import { Input, littleEndian, type Output } from "./bytes.js";
import { type Codec, type Decoded, type Encodable, type Fixed, u32, u64 } from "./codec.js";
import { NetlinkEncodeError } from "./errors.js";

/**
 * On a struct that a kernel sent shorter than ours: its length. Encoding writes that many bytes again; the fields
 * beyond read as zero.
 */
export const wireLength: unique symbol = Symbol("wireLength");

/** On a struct in whose holes a kernel left something: those bytes, each with its offset. */
const holeBytes: unique symbol = Symbol("holeBytes");

/** The fields of a struct by name, in their order. */
export type Fields = Readonly<Record<string, Fixed<unknown, never> | Padding>>;
/** The fields without what is only padding. */
export type Data<F extends Fields> = { [K in keyof F as F[K] extends Padding ? never : K]: F[K] };

/** What a struct decodes to. Kernels add fields at the end: what comes after ours is kept in `tail`. */
export type StructValue<F extends Fields> = { -readonly [K in keyof Data<F>]: Decoded<Data<F>[K]> } & {
  tail?: Uint8Array;
};
/** What a struct encodes from. Fields left out are written as zero. */
export type StructInput<F extends Fields> = {
  readonly [K in keyof Data<F>]?: Encodable<Data<F>[K]> | undefined;
} & { readonly tail?: Uint8Array | undefined };

/** Bytes of a struct that carry nothing. */
export interface Padding {
  readonly padding: number;
}

/** `size` bytes that C code does not name, or that nobody reads; written as zero. */
export function padding(size: number): Padding {
  return { padding: size };
}

/** `count` elements in a row, as a C array. Encoding takes up to `count`; the rest is zero. */
export function array<Out, In>(element: Fixed<Out, In>, count: number): Fixed<Out[], readonly In[]> {
  const size = element.size * count;
  const read = (input: Input, offset: number) =>
    Array.from({ length: count }, (_, index) => element.read(input, offset + index * element.size));
  const write = (output: Output, offset: number, value: readonly In[]) => {
    if (value.length > count) throw new NetlinkEncodeError(`more than ${count} elements`);
    for (const [index, one] of value.entries()) element.write(output, offset + index * element.size, one);
  };
  return {
    size,
    align: element.align,
    read,
    write,
    decode: (input, start, end) => (end - start === size ? read(input, start) : undefined),
    encode: (output, value) => write(output, output.reserve(size), value),
  };
}

/** A fixed number of bytes as they are. */
export function bytes(size: number): Fixed<Uint8Array> {
  const write = (output: Output, offset: number, value: Uint8Array) => {
    if (value.length > size) throw new NetlinkEncodeError(`more than ${size} bytes`);
    output.bytes.set(value, offset);
  };
  return {
    size,
    align: 1,
    read: (input, offset) => input.bytes.slice(offset, offset + size),
    write,
    decode: (input, start, end) => (end - start === size ? input.bytes.slice(start, end) : undefined),
    encode: (output, value) => write(output, output.reserve(size), value),
  };
}

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly type: Fixed<unknown, never>;
  /** Whether it is a plain number of 4 or 8 bytes, which is read without a call. */
  readonly plain: 0 | 4 | 8;
}

interface Layout {
  readonly size: number;
  readonly align: number;
  readonly fields: readonly Field[];
  readonly byName: ReadonlyMap<string, Field>;
  /** The offsets of bytes that belong to no field. */
  readonly holes: readonly number[];
  /** An object with all fields. */
  readonly empty: Readonly<Record<string, undefined>>;
}

/** A C struct: the fields in order, aligned and padded as C does on 64-bit Linux. */
export class Struct<const F extends Fields> implements Fixed<StructValue<F>, StructInput<F>> {
  /** The struct's name in the kernel's headers. */
  readonly cName: string;
  readonly #declared: F;
  #laidOut: Layout | undefined;

  constructor(cName: string, fields: F) {
    this.cName = cName;
    this.#declared = fields;
  }

  get size(): number {
    return this.#layout.size;
  }

  get align(): number {
    return this.#layout.align;
  }

  /** Made at the first use: a process uses few of the many structs that are declared. */
  get #layout(): Layout {
    this.#laidOut ??= layOut(this.#declared);
    return this.#laidOut;
  }

  /** The struct's bytes at `offset`, all of which must be there. */
  read(input: Input, offset: number): StructValue<F> {
    const { fields, empty } = this.#layout;
    // A copy of an object with all fields: adding them one by one takes twice as long.
    const value: Record<string, unknown> = { ...empty };
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index] as Field;
      const at = offset + field.offset;
      value[field.name] =
        field.plain === 8
          ? input.view.getBigUint64(at, littleEndian)
          : field.plain === 4
            ? input.view.getUint32(at, littleEndian)
            : field.type.read(input, at);
    }
    return value as StructValue<F>;
  }

  /** Writes into bytes that were reserved; absent fields stay zero. @throws NetlinkEncodeError naming the field */
  write(output: Output, offset: number, value: StructInput<F>): void {
    const values = value as Readonly<Record<string, unknown>>;
    const { byName } = this.#layout;
    let name = "";
    try {
      // By what is given: most requests give few of a header's fields.
      for (name in values) {
        const field = byName.get(name);
        const one = field && values[name];
        if (one !== undefined) field?.type.write(output, offset + field.offset, one as never);
      }
    } catch (error) {
      throw error instanceof NetlinkEncodeError ? error.within(name) : error;
    }
  }

  decode(input: Input, start: number, end: number): StructValue<F> {
    const length = end - start;
    if (length === this.size) return this.#withHoles(input, start, this.read(input, start));
    if (length > this.size) {
      const longer = this.#withHoles(input, start, this.read(input, start));
      longer.tail = input.bytes.slice(start + this.size, end);
      return longer;
    }
    const whole = new Uint8Array(this.size);
    whole.set(input.bytes.subarray(start, end));
    const shorter = this.read(new Input(whole), 0);
    (shorter as { [wireLength]?: number })[wireLength] = length;
    return shorter;
  }

  encode(output: Output, value: StructInput<F>): void {
    const start = output.reserve(this.size);
    this.write(output, start, value);
    const { [wireLength]: length, [holeBytes]: left } = value as Hidden;
    for (const [at, byte] of left ?? []) output.bytes[start + at] = byte;
    if (length !== undefined) {
      output.bytes.fill(0, start + length, output.length);
      output.length = start + length;
    }
    if (value.tail) output.append(value.tail);
  }

  #withHoles(input: Input, start: number, value: StructValue<F>): StructValue<F> {
    const { holes } = this.#layout;
    for (let index = 0; index < holes.length; index++) {
      const at = holes[index] as number;
      const byte = input.bytes[start + at] as number;
      if (byte === 0) continue;
      const hidden = value as Hidden;
      hidden[holeBytes] ??= [];
      hidden[holeBytes].push([at, byte]);
    }
    return value;
  }
}

interface Hidden {
  [wireLength]?: number;
  [holeBytes]?: [offset: number, byte: number][];
}

/**
 * Declares a C struct.
 * @param cName its name in the kernel's headers, such as "tc_ratespec"
 * @param fields the fields in order; {@link padding} where C leaves a hole on purpose
 */
export function struct<const F extends Fields>(cName: string, fields: F): Struct<F> {
  return new Struct(cName, fields);
}

/**
 * Reads a struct whose bytes are often the same as those before: the value is the same object then, which nobody may
 * change.
 */
export function remembered<F extends Fields>(
  declared: Struct<F>,
): (input: Input, offset: number) => StructValue<F> {
  let words: Uint32Array | undefined;
  let value: StructValue<F> | undefined;
  return (input, offset) => {
    const { view } = input;
    if (value !== undefined && words !== undefined) {
      let same = 0;
      while (same < words.length && words[same] === view.getUint32(offset + same * 4, littleEndian)) same++;
      if (same === words.length) return value;
    }
    words = new Uint32Array(declared.size >> 2);
    for (let at = 0; at < words.length; at++) words[at] = view.getUint32(offset + at * 4, littleEndian);
    value = declared.read(input, offset);
    return value;
  };
}

/**
 * A struct followed by any number of elements, as `struct tc_u32_sel` is by its keys.
 * @param name what to call the array of elements
 */
export function structThenArray<H extends object, HIn extends object, E, EIn, const Name extends string>(
  header: Fixed<H, HIn>,
  name: Name,
  element: Fixed<E, EIn>,
): Codec<H & { [K in Name]: E[] }, HIn & { readonly [K in Name]?: readonly EIn[] | undefined }> {
  return {
    decode: (input, start, end) => {
      const count = (end - start - header.size) / element.size;
      if (!Number.isInteger(count) || count < 0) return undefined;
      const value = header.read(input, start) as H & { [K in Name]: E[] };
      const first = start + header.size;
      const elements = Array.from({ length: count }, (_, index) =>
        element.read(input, first + index * element.size),
      );
      return Object.assign(value, { [name]: elements });
    },
    encode: (output, value) => {
      header.write(output, output.reserve(header.size), value);
      for (const one of value[name] ?? []) element.write(output, output.reserve(element.size), one);
    },
  };
}

/** Elements up to the payload's end, as `struct nexthop_grp` in NHA_GROUP. */
export function elements<Out, In>(element: Fixed<Out, In>): Codec<Out[], readonly In[]> {
  return {
    decode: (input, start, end) => {
      const count = (end - start) / element.size;
      if (!Number.isInteger(count)) return undefined;
      return Array.from({ length: count }, (_, index) => element.read(input, start + index * element.size));
    },
    encode: (output, values) => {
      for (const one of values) element.write(output, output.reserve(element.size), one);
    },
  };
}

function layOut(fields: Fields): Layout {
  let offset = 0;
  let align = 1;
  const placed: Field[] = [];
  for (const [name, type] of Object.entries(fields)) {
    if ("padding" in type) {
      offset += type.padding;
      continue;
    }
    offset = roundUp(offset, type.align);
    const known: unknown = type;
    placed.push({ name, offset, type, plain: known === u64 ? 8 : known === u32 ? 4 : 0 });
    offset += type.size;
    align = Math.max(align, type.align);
  }
  const size = roundUp(offset, align);
  const holes: number[] = [];
  let held = 0;
  for (const field of placed) {
    for (; held < field.offset; held++) holes.push(held);
    held += field.type.size;
  }
  for (; held < size; held++) holes.push(held);
  const empty = Object.fromEntries(placed.map(({ name }) => [name, undefined]));
  const byName = new Map(placed.map((field) => [field.name, field]));
  return { size, align, fields: placed, byName, holes, empty };
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

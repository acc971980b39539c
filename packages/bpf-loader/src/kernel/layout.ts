import { Struct } from "@weir/syscall";

/** A field of a C struct: an integer, a pointer, or an array of characters or bytes. */
export type FieldType = "u32" | "i32" | "u64" | "pointer" | `char[${number}]` | `u8[${number}]`;
export type Fields = Readonly<Record<string, FieldType>>;

type Written<T extends FieldType> = T extends "u32" | "i32"
  ? number
  : T extends "u64"
    ? bigint | number
    : T extends "pointer"
      ? Uint8Array | Struct | null
      : T extends `char[${number}]`
        ? string
        : Uint8Array;
type Read<T extends FieldType> = T extends "u32" | "i32"
  ? number
  : T extends "u64" | "pointer"
    ? bigint
    : T extends `char[${number}]`
      ? string
      : Uint8Array;

/** A C struct, declared once: its offsets and its size follow from the order of its fields and C's alignment. */
export interface Layout<F extends Fields> {
  readonly size: number;
  /** Byte offset of each field, for code that keeps a struct and changes one field of it. */
  readonly offset: { readonly [Name in keyof F]: number };
  /** A struct with some fields set and the others zero. */
  build(values: { readonly [Name in keyof F]?: Written<F[Name]> }): Struct;
  /** All fields of a struct that the kernel has filled in. */
  read(struct: Struct): { [Name in keyof F]: Read<F[Name]> };
}

const sizes = { u32: 4, i32: 4, u64: 8, pointer: 8 } as const;

/** Declares a struct by its fields in the order of the C declaration. Its offsets are computed when first needed. */
export function layout<const F extends Fields>(fields: F): Layout<F> {
  let computed: { size: number; offset: Record<string, number> } | undefined;
  const places = () => {
    computed ??= place(fields);
    return computed;
  };
  return {
    get size() {
      return places().size;
    },
    get offset() {
      return places().offset as Layout<F>["offset"];
    },
    build(values) {
      const { size, offset } = places();
      const struct = new Struct(size);
      for (const name in values) {
        const value = values[name];
        // A new struct is all zeros, as are most fields of most calls.
        if (value !== undefined && value !== 0 && value !== null)
          write(struct, offset[name]!, fields[name]!, value);
      }
      return struct;
    },
    read(struct) {
      const { offset } = places();
      const values: Record<string, unknown> = {};
      for (const [name, type] of Object.entries(fields)) values[name] = read(struct, offset[name]!, type);
      return values as { [Name in keyof F]: Read<F[Name]> };
    },
  };
}

function place(fields: Fields): { size: number; offset: Record<string, number> } {
  const offset: Record<string, number> = {};
  let end = 0;
  let alignment = 1;
  for (const [name, type] of Object.entries(fields)) {
    const [size, align] = measure(type);
    alignment = Math.max(alignment, align);
    offset[name] = Math.ceil(end / align) * align;
    end = offset[name] + size;
  }
  return { size: Math.ceil(end / alignment) * alignment, offset };
}

function measure(type: FieldType): [size: number, alignment: number] {
  if (type === "u32" || type === "i32" || type === "u64" || type === "pointer")
    return [sizes[type], sizes[type]];
  return [arrayLength(type), 1];
}

function arrayLength(type: FieldType): number {
  return Number(type.slice(type.indexOf("[") + 1, -1));
}

function write(struct: Struct, offset: number, type: FieldType, value: unknown): void {
  if (type === "u32") struct.u32(offset, value as number);
  else if (type === "i32") struct.i32(offset, value as number);
  else if (type === "u64") struct.u64(offset, value as bigint | number);
  else if (type === "pointer") struct.pointer(offset, value as Uint8Array | Struct | null);
  else if (type.startsWith("char")) struct.string(offset, value as string, arrayLength(type));
  else struct.bytes.set(value as Uint8Array, offset);
}

function read(struct: Struct, offset: number, type: FieldType): number | bigint | string | Uint8Array {
  if (type === "u32") return struct.getU32(offset);
  if (type === "i32") return struct.getI32(offset);
  if (type === "u64" || type === "pointer") return struct.getU64(offset);
  const bytes = struct.bytes.slice(offset, offset + arrayLength(type));
  if (type.startsWith("u8")) return bytes;
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}

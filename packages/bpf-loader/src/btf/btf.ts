import { BtfError } from "./error.js";
import { type BtfLayout, kindOf, readLayout, TYPE_SIZE, vlenOf } from "./layout.js";
import { BtfKind, type BtfLinkage, type BtfType, type BtfTypeOf } from "./types.js";

/** How deep typedefs, modifiers and arrays may nest. The kernel's own limit is 32 (MAX_RESOLVE_DEPTH, kernel/bpf/btf.c). */
const MAX_DEPTH = 32;
/** Longest name that is decoded; the kernel takes identifiers of up to 511 bytes, source lines are longer. */
const MAX_NAME = 4096;
const decoder = new TextDecoder();
const VOID: BtfType = { id: 0, kind: "void", name: "" };
const linkages: readonly BtfLinkage[] = ["static", "global", "extern"];

/**
 * Type information in the BPF Type Format. The whole blob is checked when it is parsed; each type is decoded when it
 * is asked for, so that a large blob costs little more than its index.
 */
export class Btf {
  /** A view of the bytes given, not a copy. */
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** The number of types; ids run from 1 to this, and id 0 is void. */
  readonly typeCount: number;
  readonly #layout: BtfLayout;
  readonly #types = new Map<number, BtfType>();

  private constructor(bytes: Uint8Array) {
    this.#layout = readLayout(bytes);
    this.bytes = bytes;
    this.littleEndian = this.#layout.littleEndian;
    this.typeCount = this.#layout.offsets.length - 1;
  }

  /** Reads a `.BTF` section or the contents of /sys/kernel/btf/vmlinux; either byte order. Throws {@link BtfError}. */
  static parse(bytes: Uint8Array): Btf {
    return new Btf(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** The type with that id. Throws {@link BtfError} if there is none. */
  type(id: number): BtfType {
    if (id === 0) return VOID;
    const known = this.#types.get(id);
    if (known) return known;
    if (!(id > 0 && id <= this.typeCount)) {
      throw new BtfError("BTF_RANGE", `there is no type ${id}, only ${this.typeCount}`);
    }
    const type = this.#decode(id);
    this.#types.set(id, type);
    return type;
  }

  /** All types by id, void excepted. */
  *types(): IterableIterator<BtfType> {
    for (let id = 1; id <= this.typeCount; id++) yield this.type(id);
  }

  /** All types of a kind by id; the others are not decoded. */
  *typesOf<Kind extends BtfType["kind"]>(kind: Kind): IterableIterator<BtfTypeOf<Kind>> {
    const number = kindNumber(kind);
    const { view, littleEndian, offsets } = this.#layout;
    for (let id = 1; id <= this.typeCount; id++) {
      if (kindOf(view.getUint32(offsets[id]! + 4, littleEndian)) === number)
        yield this.type(id) as BtfTypeOf<Kind>;
    }
  }

  /** The first type of that name and kind. */
  find<Kind extends BtfType["kind"]>(name: string, kind: Kind): BtfTypeOf<Kind> | undefined {
    const wanted = new TextEncoder().encode(name);
    const number = kindNumber(kind);
    const { view, littleEndian, offsets } = this.#layout;
    for (let id = 1; id <= this.typeCount; id++) {
      const at = offsets[id]!;
      if (kindOf(view.getUint32(at + 4, littleEndian)) !== number) continue;
      if (this.#hasName(view.getUint32(at, littleEndian), wanted)) return this.type(id) as BtfTypeOf<Kind>;
    }
    return undefined;
  }

  /** What a type is once typedefs, const, volatile, restrict and type tags are taken off. Throws {@link BtfError}. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      switch (type.kind) {
        case "typedef":
        case "volatile":
        case "const":
        case "restrict":
        case "type_tag":
          type = this.type(type.type);
          break;
        default:
          return type;
      }
    }
    throw new BtfError("BTF_DEPTH", `type ${id} is nested more than ${MAX_DEPTH} deep`);
  }

  /** The bytes that a value of the type takes. Throws {@link BtfError} for a type without a size, such as a function. */
  sizeOf(id: number): number {
    let length = 1;
    let type = this.resolve(id);
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      switch (type.kind) {
        case "int":
        case "struct":
        case "union":
        case "enum":
        case "enum64":
        case "float":
        case "datasec":
          return checkedSize(id, type.size * length);
        case "ptr":
          return checkedSize(id, 8 * length);
        case "array":
          length = checkedSize(id, length * type.length);
          type = this.resolve(type.type);
          break;
        case "var":
          type = this.resolve(type.type);
          break;
        default:
          throw new BtfError("BTF_KIND", `type ${id} (${type.kind} "${type.name}") has no size`);
      }
    }
    throw new BtfError("BTF_DEPTH", `type ${id} is nested more than ${MAX_DEPTH} deep`);
  }

  /** The string at an offset of the string part, as line information refers to it. Throws {@link BtfError}. */
  string(offset: number): string {
    const { stringsStart, stringsEnd } = this.#layout;
    const start = stringsStart + offset;
    if (!(offset >= 0 && start < stringsEnd))
      throw new BtfError("BTF_RANGE", `there is no string at ${offset}`);
    const end = this.bytes.indexOf(0, start);
    if (end - start > MAX_NAME)
      throw new BtfError("BTF_LIMIT", `the string at ${offset} is longer than ${MAX_NAME} bytes`);
    return decoder.decode(this.bytes.subarray(start, end));
  }

  /** Where the record of a type lies in `bytes`, for whoever rewrites it. */
  offsetOf(id: number): number {
    return this.#layout.offsets[id] ?? 0;
  }

  /** Where the parts lie in `bytes`. */
  get parts(): Omit<BtfLayout, "view" | "offsets" | "littleEndian"> {
    return this.#layout;
  }

  #hasName(offset: number, wanted: Uint8Array): boolean {
    const start = this.#layout.stringsStart + offset;
    for (let i = 0; i < wanted.length; i++) if (this.bytes[start + i] !== wanted[i]) return false;
    return this.bytes[start + wanted.length] === 0;
  }

  #decode(id: number): BtfType {
    const { view, littleEndian } = this.#layout;
    const at = this.#layout.offsets[id]!;
    const u32 = (offset: number) => view.getUint32(offset, littleEndian);
    const info = u32(at + 4);
    const flag = info >>> 31 === 1;
    const name = this.string(u32(at));
    const sizeOrType = u32(at + 8);
    const body = at + TYPE_SIZE;
    const each = <T>(stride: number, read: (offset: number) => T): T[] =>
      Array.from({ length: vlenOf(info) }, (_, i) => read(body + i * stride));

    switch (kindOf(info)) {
      case BtfKind.INT: {
        const data = u32(body);
        const encoding = (data >>> 24) & 0xf;
        const [bitOffset, bits] = [(data >>> 16) & 0xff, data & 0xff];
        if (![1, 2, 4, 8, 16].includes(sizeOrType) || bits + bitOffset > sizeOrType * 8 || bits === 0) {
          throw new BtfError(
            "BTF_RANGE",
            `int "${name}" of ${sizeOrType} bytes cannot have ${bits} bits at bit ${bitOffset}`,
          );
        }
        return {
          id,
          kind: "int",
          name,
          size: sizeOrType,
          bits,
          bitOffset,
          signed: (encoding & 1) !== 0,
          bool: (encoding & 4) !== 0,
        };
      }
      case BtfKind.PTR:
        return { id, kind: "ptr", name: "", type: sizeOrType };
      case BtfKind.ARRAY:
        return {
          id,
          kind: "array",
          name: "",
          type: u32(body),
          indexType: u32(body + 4),
          length: u32(body + 8),
        };
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        return {
          id,
          kind: kindOf(info) === BtfKind.STRUCT ? "struct" : "union",
          name,
          size: sizeOrType,
          members: each(12, (member) => {
            // With kind_flag the upper 8 bits of the offset are the width of a bit-field.
            const offset = u32(member + 8);
            return {
              name: this.string(u32(member)),
              type: u32(member + 4),
              bitOffset: flag ? offset & 0xff_ffff : offset,
              bitSize: flag ? offset >>> 24 : 0,
            };
          }),
        };
      case BtfKind.ENUM:
        return {
          id,
          kind: "enum",
          name,
          size: sizeOrType,
          signed: flag,
          values: each(8, (value) => ({
            name: this.string(u32(value)),
            value: flag ? view.getInt32(value + 4, littleEndian) : u32(value + 4),
          })),
        };
      case BtfKind.ENUM64:
        return {
          id,
          kind: "enum64",
          name,
          size: sizeOrType,
          signed: flag,
          values: each(12, (value) => {
            const bits = (BigInt(u32(value + 8)) << 32n) | BigInt(u32(value + 4));
            return { name: this.string(u32(value)), value: flag ? BigInt.asIntN(64, bits) : bits };
          }),
        };
      case BtfKind.FWD:
        return { id, kind: "fwd", name, union: flag };
      case BtfKind.TYPEDEF:
        return { id, kind: "typedef", name, type: sizeOrType };
      case BtfKind.VOLATILE:
        return { id, kind: "volatile", name, type: sizeOrType };
      case BtfKind.CONST:
        return { id, kind: "const", name, type: sizeOrType };
      case BtfKind.RESTRICT:
        return { id, kind: "restrict", name, type: sizeOrType };
      case BtfKind.TYPE_TAG:
        return { id, kind: "type_tag", name, type: sizeOrType };
      case BtfKind.FUNC:
        return { id, kind: "func", name, type: sizeOrType, linkage: linkage(id, vlenOf(info)) };
      case BtfKind.FUNC_PROTO:
        return {
          id,
          kind: "func_proto",
          name: "",
          type: sizeOrType,
          parameters: each(8, (parameter) => ({
            name: this.string(u32(parameter)),
            type: u32(parameter + 4),
          })),
        };
      case BtfKind.VAR:
        return { id, kind: "var", name, type: sizeOrType, linkage: linkage(id, u32(body)) };
      case BtfKind.DATASEC:
        return {
          id,
          kind: "datasec",
          name,
          size: sizeOrType,
          entries: each(12, (entry) => ({ type: u32(entry), offset: u32(entry + 4), size: u32(entry + 8) })),
        };
      case BtfKind.FLOAT:
        return { id, kind: "float", name, size: sizeOrType };
      default:
        return {
          id,
          kind: "decl_tag",
          name,
          type: sizeOrType,
          componentIndex: view.getInt32(body, littleEndian),
        };
    }
  }
}

function kindNumber(kind: BtfType["kind"]): number {
  return BtfKind[kind.toUpperCase() as Uppercase<BtfType["kind"]>];
}

function checkedSize(id: number, size: number): number {
  if (size > 0xffff_ffff) throw new BtfError("BTF_LIMIT", `type ${id} is larger than 4 GiB`);
  return size;
}

function linkage(id: number, number: number): BtfLinkage {
  const found = linkages[number];
  if (!found) throw new BtfError("BTF_RANGE", `type ${id} has the unknown linkage ${number}`);
  return found;
}

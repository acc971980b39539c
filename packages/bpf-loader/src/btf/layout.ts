import { BtfError } from "./error.js";
import { BtfKind } from "./types.js";

/** Where the parts of a BTF blob lie. All offsets are in bytes from its start and have been checked. */
export interface BtfLayout {
  readonly view: DataView;
  readonly littleEndian: boolean;
  readonly typesStart: number;
  readonly typesEnd: number;
  readonly stringsStart: number;
  readonly stringsEnd: number;
  /** Byte offset of each type by id; entry 0, which is void, is unused. */
  readonly offsets: Uint32Array;
}

/** Bytes of `struct btf_type`. */
export const TYPE_SIZE = 12;
const HEADER_SIZE = 24;
const MAGIC = 0xeb9f;
/** BTF_MAX_TYPE and BTF_MAX_NAME_OFFSET of include/uapi/linux/btf.h. */
const MAX_TYPES = 0x000f_ffff;

/** Bytes that follow `struct btf_type`, by kind: [fixed, for each of `vlen`]. */
const trailing: readonly (readonly [number, number])[] = [
  [0, 0], // VOID, which cannot be written down
  [4, 0], // INT
  [0, 0], // PTR
  [12, 0], // ARRAY
  [0, 12], // STRUCT
  [0, 12], // UNION
  [0, 8], // ENUM
  [0, 0], // FWD
  [0, 0], // TYPEDEF
  [0, 0], // VOLATILE
  [0, 0], // CONST
  [0, 0], // RESTRICT
  [0, 0], // FUNC
  [0, 8], // FUNC_PROTO
  [4, 0], // VAR
  [0, 12], // DATASEC
  [0, 0], // FLOAT
  [4, 0], // DECL_TAG
  [0, 0], // TYPE_TAG
  [0, 12], // ENUM64
];

/** The kind in `btf_type.info`. */
export function kindOf(info: number): number {
  return (info >>> 24) & 0x1f;
}

/** The number of members, values or parameters in `btf_type.info`. */
export function vlenOf(info: number): number {
  return info & 0xffff;
}

/** Finds the parts and the types of a blob, and checks that every record and every reference lies inside. */
export function readLayout(bytes: Uint8Array): BtfLayout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE)
    throw new BtfError("BTF_HEADER", `BTF of ${bytes.length} bytes has no room for its header`);
  const littleEndian = view.getUint16(0, true) === MAGIC;
  if (!littleEndian && view.getUint16(0, false) !== MAGIC)
    throw new BtfError("BTF_HEADER", "not BTF: the magic number is missing");
  if (view.getUint8(2) !== 1) throw new BtfError("BTF_HEADER", `unknown BTF version ${view.getUint8(2)}`);
  const u32 = (offset: number) => view.getUint32(offset, littleEndian);
  const headerLength = u32(4);
  const typesStart = headerLength + u32(8);
  const typesEnd = typesStart + u32(12);
  const stringsStart = headerLength + u32(16);
  const stringsEnd = stringsStart + u32(20);
  if (headerLength < HEADER_SIZE || typesEnd > bytes.length || stringsEnd > bytes.length) {
    throw new BtfError(
      "BTF_HEADER",
      `the BTF header places its parts beyond the end of ${bytes.length} bytes`,
    );
  }
  if (u32(8) % 4 !== 0) throw new BtfError("BTF_HEADER", "the types of this BTF are not aligned to 4 bytes");
  if (stringsStart === stringsEnd || bytes[stringsStart] !== 0 || bytes[stringsEnd - 1] !== 0) {
    throw new BtfError("BTF_HEADER", "the strings of this BTF do not begin and end with NUL");
  }
  const parts = { view, littleEndian, typesStart, typesEnd, stringsStart, stringsEnd };
  const layout = { ...parts, offsets: indexTypes(parts) };
  for (let id = 1; id < layout.offsets.length; id++) checkReferences(layout, id);
  return layout;
}

function indexTypes({
  view,
  littleEndian,
  typesStart,
  typesEnd,
  stringsStart,
  stringsEnd,
}: Omit<BtfLayout, "offsets">): Uint32Array {
  let offsets = new Uint32Array(1 + Math.min(MAX_TYPES, Math.ceil((typesEnd - typesStart) / 24) + 16));
  let id = 1;
  for (let at = typesStart; at < typesEnd; id++) {
    if (at + TYPE_SIZE > typesEnd) throw new BtfError("BTF_TRUNCATED", `type ${id} is cut short`);
    const info = view.getUint32(at + 4, littleEndian);
    const size = trailing[kindOf(info)];
    if (!size || kindOf(info) === BtfKind.VOID)
      throw new BtfError("BTF_KIND", `type ${id} is of the unknown kind ${kindOf(info)}`);
    if (view.getUint32(at, littleEndian) >= stringsEnd - stringsStart) {
      throw new BtfError("BTF_RANGE", `the name of type ${id} lies outside the strings`);
    }
    if (id > MAX_TYPES) throw new BtfError("BTF_LIMIT", `more than ${MAX_TYPES} types`);
    if (id >= offsets.length) {
      const larger = new Uint32Array(Math.min(MAX_TYPES + 1, offsets.length * 2));
      larger.set(offsets);
      offsets = larger;
    }
    offsets[id] = at;
    at += TYPE_SIZE + size[0] + size[1] * vlenOf(info);
    if (at > typesEnd) throw new BtfError("BTF_TRUNCATED", `type ${id} is cut short`);
  }
  return offsets.slice(0, id);
}

function checkReferences(
  { view, littleEndian, offsets, stringsStart, stringsEnd }: BtfLayout,
  id: number,
): void {
  const at = offsets[id]!;
  const body = at + TYPE_SIZE;
  const info = view.getUint32(at + 4, littleEndian);
  const checkType = (offset: number) => {
    const target = view.getUint32(offset, littleEndian);
    if (target >= offsets.length)
      throw new BtfError(
        "BTF_RANGE",
        `type ${id} refers to type ${target}, but there are ${offsets.length - 1}`,
      );
  };
  const checkName = (offset: number) => {
    if (view.getUint32(offset, littleEndian) >= stringsEnd - stringsStart) {
      throw new BtfError("BTF_RANGE", `a name in type ${id} lies outside the strings`);
    }
  };
  switch (kindOf(info)) {
    case BtfKind.INT:
    case BtfKind.FLOAT:
    case BtfKind.FWD:
      return;
    case BtfKind.ARRAY:
      checkType(body);
      checkType(body + 4);
      return;
    case BtfKind.STRUCT:
    case BtfKind.UNION:
      for (let i = 0; i < vlenOf(info); i++) {
        checkName(body + i * 12);
        checkType(body + i * 12 + 4);
      }
      return;
    case BtfKind.ENUM:
    case BtfKind.ENUM64: {
      const stride = kindOf(info) === BtfKind.ENUM ? 8 : 12;
      for (let i = 0; i < vlenOf(info); i++) checkName(body + i * stride);
      return;
    }
    case BtfKind.FUNC_PROTO:
      checkType(at + 8);
      for (let i = 0; i < vlenOf(info); i++) {
        checkName(body + i * 8);
        checkType(body + i * 8 + 4);
      }
      return;
    case BtfKind.DATASEC:
      for (let i = 0; i < vlenOf(info); i++) checkType(body + i * 12);
      return;
    default:
      checkType(at + 8);
  }
}

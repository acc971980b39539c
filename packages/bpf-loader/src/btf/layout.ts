import { hostLittleEndian } from "../byte-order.js";
import { BtfError } from "./error.js";
import { BtfKind } from "./types.js";

/** Where the parts of a BTF blob lie, and where its types are. All of it has been checked. */
export interface BtfLayout {
  readonly littleEndian: boolean;
  /** Byte offsets from the start of the blob. */
  readonly typesStart: number;
  readonly typesEnd: number;
  readonly stringsStart: number;
  readonly stringsEnd: number;
  /** The type section as words in host byte order: a view of the blob if it can be one. */
  readonly words: Uint32Array;
  /** The word at which each type begins; entry 0 is that of `firstId`. */
  readonly offsets: Uint32Array;
  /** A bit for each kind that there is a type of. */
  readonly kinds: number;
  /** The id of the first type: 1, or what follows the base's types. */
  readonly firstId: number;
  /** The string offset at which the strings of this blob begin: 0, or where the base's end. */
  readonly firstString: number;
}

/** What a split blob continues: ids and string offsets go on where those of its base end. */
export interface BtfBaseEnd {
  readonly littleEndian: boolean;
  readonly typeCount: number;
  readonly stringsLength: number;
}

/** Bytes of `struct btf_type`. */
export const TYPE_SIZE = 12;
const HEADER_SIZE = 24;
const MAGIC = 0xeb9f;
/** BTF_MAX_TYPE of include/uapi/linux/btf.h. */
export const MAX_TYPES = 0x000f_ffff;
const { ARRAY } = BtfKind;

/**
 * What the words of each kind are: how many follow `struct btf_type`, how many of these there are for each of `vlen`,
 * whether the third word is a type, and which of the repeated words are a name and a type (0 for none, else 1 + index).
 */
const shapes: readonly (readonly [fixed: number, each: number, head: 0 | 1, name: number, type: number])[] = [
  [0, 0, 0, 0, 0], // VOID, which cannot be written down
  [1, 0, 0, 0, 0], // INT
  [0, 0, 1, 0, 0], // PTR
  [3, 0, 0, 0, 0], // ARRAY, whose first two words are types
  [0, 3, 0, 1, 2], // STRUCT
  [0, 3, 0, 1, 2], // UNION
  [0, 2, 0, 1, 0], // ENUM
  [0, 0, 0, 0, 0], // FWD
  [0, 0, 1, 0, 0], // TYPEDEF
  [0, 0, 1, 0, 0], // VOLATILE
  [0, 0, 1, 0, 0], // CONST
  [0, 0, 1, 0, 0], // RESTRICT
  [0, 0, 1, 0, 0], // FUNC
  [0, 2, 1, 1, 2], // FUNC_PROTO
  [1, 0, 1, 0, 0], // VAR
  [0, 3, 0, 0, 1], // DATASEC
  [0, 0, 0, 0, 0], // FLOAT
  [1, 0, 1, 0, 0], // DECL_TAG
  [0, 0, 1, 0, 0], // TYPE_TAG
  [0, 3, 0, 1, 0], // ENUM64
];

/** The same as bytes, one row of five after the other: made once. */
let shapeTable: Uint8Array | undefined;

/** The kind in `btf_type.info`. */
export function kindOf(info: number): number {
  return (info >>> 24) & 0x7f;
}

/** The number of members, values or parameters in `btf_type.info`: 16 bits, on newer kernels 24; older ones leave the upper 8 zero. */
export function vlenOf(info: number): number {
  return info & 0xff_ffff;
}

/** Finds the parts and the types of a blob, and checks that every record and every reference lies inside. */
export function readLayout(bytes: Uint8Array, base?: BtfBaseEnd): BtfLayout {
  const { littleEndian, typesStart, typesEnd, stringsStart, stringsEnd } = readHeader(bytes, base);
  const words = wordsOf(bytes, typesStart, typesEnd, littleEndian);
  const firstId = (base?.typeCount ?? 0) + 1;
  const firstString = base?.stringsLength ?? 0;
  const stringsLength = firstString + stringsEnd - stringsStart;
  const { offsets, kinds, highestType, highestName } = indexTypes(words, firstId);
  if (highestType >= firstId + offsets.length || highestName >= stringsLength) {
    throw badReference(words, offsets, firstId, stringsLength);
  }
  return {
    littleEndian,
    typesStart,
    typesEnd,
    stringsStart,
    stringsEnd,
    words,
    offsets,
    kinds,
    firstId,
    firstString,
  };
}

type Parts = Pick<BtfLayout, "littleEndian" | "typesStart" | "typesEnd" | "stringsStart" | "stringsEnd">;

function readHeader(bytes: Uint8Array, base: BtfBaseEnd | undefined): Parts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE)
    throw new BtfError("BTF_HEADER", `BTF of ${bytes.length} bytes has no room for its header`);
  const littleEndian = view.getUint16(0, true) === MAGIC;
  if (!littleEndian && view.getUint16(0, false) !== MAGIC)
    throw new BtfError("BTF_HEADER", "not BTF: the magic number is missing");
  if (base && base.littleEndian !== littleEndian)
    throw new BtfError("BTF_HEADER", "split BTF has another byte order than its base");
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
  const empty = stringsStart === stringsEnd;
  if (base) {
    if (!empty && bytes[stringsEnd - 1] !== 0)
      throw new BtfError("BTF_HEADER", "the strings of this split BTF do not end with NUL");
  } else if (empty || bytes[stringsStart] !== 0 || bytes[stringsEnd - 1] !== 0) {
    throw new BtfError("BTF_HEADER", "the strings of this BTF do not begin and end with NUL");
  }
  return { littleEndian, typesStart, typesEnd, stringsStart, stringsEnd };
}

/** All that a type section holds are words. A part of a word at its end is a type cut short, which the count shows. */
function wordsOf(bytes: Uint8Array, start: number, end: number, littleEndian: boolean): Uint32Array {
  const count = Math.floor((end - start) / 4);
  if ((end - start) % 4 !== 0) throw new BtfError("BTF_TRUNCATED", "the last type is cut short");
  const at = bytes.byteOffset + start;
  if (littleEndian === hostLittleEndian && at % 4 === 0) return new Uint32Array(bytes.buffer, at, count);
  const words = new Uint32Array(bytes.slice(start, end).buffer);
  return littleEndian === hostLittleEndian ? words : swapWords(words);
}

/** Turns the bytes of each word around. */
export function swapWords(words: Uint32Array): Uint32Array {
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(i * 4, !hostLittleEndian);
  return words;
}

// One pass over the millions of words of a kernel's BTF, driven by a table so that it is soon compiled for all kinds.
// Rather than check each reference it keeps the highest.
function indexTypes(unsigned: Uint32Array, firstId: number) {
  const table = shapeBytes();
  // Signed words are small integers to V8 whatever their highest bit is.
  const words = new Int32Array(unsigned.buffer, unsigned.byteOffset, unsigned.length);
  const length = words.length;
  let offsets = new Uint32Array(16 + Math.ceil(length / 7));
  let count = 0;
  let highestType = 0;
  let highestName = 0;
  let kinds = 0;
  for (let at = 0; at < length; count++) {
    if (at + 3 > length) throw cutShort(firstId + count);
    const info = words[at + 1]!;
    const kind = (info >>> 24) & 0x7f;
    if (kind === 0 || kind >= shapes.length) throw unknownKind(firstId + count, kind);
    if (firstId + count > MAX_TYPES) throw new BtfError("BTF_LIMIT", `more than ${MAX_TYPES} types`);
    if (count >= offsets.length) offsets = enlarged(offsets);
    offsets[count] = at;
    kinds |= 1 << kind;
    const row = kind * 5;
    const stride = table[row + 1]!;
    const each = at + 3 + table[row]!;
    const end = each + stride * (info & 0xff_ffff);
    if (end > length) throw cutShort(firstId + count);

    const name = words[at]! >>> 0;
    if (name > highestName) highestName = name;
    if (table[row + 2] !== 0) {
      const type = words[at + 2]! >>> 0;
      if (type > highestType) highestType = type;
    } else if (kind === ARRAY) {
      const type = Math.max(words[at + 3]! >>> 0, words[at + 4]! >>> 0);
      if (type > highestType) highestType = type;
    }
    if (stride !== 0) {
      const nameAt = table[row + 3]!;
      const typeAt = table[row + 4]!;
      for (let i = each - 1; i < end - 1; i += stride) {
        if (nameAt !== 0) {
          const name = words[i + nameAt]! >>> 0;
          if (name > highestName) highestName = name;
        }
        if (typeAt !== 0) {
          const type = words[i + typeAt]! >>> 0;
          if (type > highestType) highestType = type;
        }
      }
    }
    at = end;
  }
  return { offsets: offsets.slice(0, count), kinds, highestType, highestName };
}

function enlarged(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.ceil(array.length * 1.5));
  larger.set(array);
  return larger;
}

function unknownKind(id: number, kind: number): BtfError {
  return new BtfError("BTF_KIND", `type ${id} is of the unknown kind ${kind}`);
}

function cutShort(id: number): BtfError {
  return new BtfError("BTF_TRUNCATED", `type ${id} is cut short`);
}

/** Finds the type that made {@link readLayout} complain. */
function badReference(
  words: Uint32Array,
  offsets: Uint32Array,
  firstId: number,
  stringsLength: number,
): BtfError {
  const typeCount = firstId + offsets.length - 1;
  for (let i = 0; i < offsets.length; i++) {
    const at = offsets[i]!;
    const names: number[] = [];
    const types: number[] = [];
    visitReferences(
      words,
      at,
      (word) => names.push(word),
      (word) => types.push(word),
    );
    const id = firstId + i;
    if (names.some((word) => words[word]! >= stringsLength))
      return new BtfError("BTF_RANGE", `a name in type ${id} lies outside the strings`);
    const bad = types.find((word) => words[word]! > typeCount);
    if (bad !== undefined)
      return new BtfError(
        "BTF_RANGE",
        `type ${id} refers to type ${words[bad]}, but there are ${typeCount} types`,
      );
  }
  return new BtfError("BTF_RANGE", "a type refers to something that does not exist");
}

/** The words of a type that are offsets of names, and those that are ids of types, for whoever moves or renumbers it. */
export function visitReferences(
  words: Uint32Array,
  at: number,
  name: (word: number) => void,
  type: (word: number) => void,
): void {
  const table = shapeBytes();
  const info = words[at + 1]!;
  const row = kindOf(info) * 5;
  name(at);
  if (table[row + 2] !== 0) type(at + 2);
  else if (kindOf(info) === ARRAY) {
    type(at + 3);
    type(at + 4);
  }
  const stride = table[row + 1]!;
  if (stride === 0) return;
  const nameAt = table[row + 3]!;
  const typeAt = table[row + 4]!;
  // Those that are counted from 1 follow the fixed part.
  const before = at + 2 + table[row]!;
  const end = before + stride * vlenOf(info);
  for (let i = before; i < end; i += stride) {
    if (nameAt !== 0) name(i + nameAt);
    if (typeAt !== 0) type(i + typeAt);
  }
}

/** The words that a type takes. */
export function wordsIn(info: number): number {
  const table = shapeBytes();
  const row = kindOf(info) * 5;
  return 3 + table[row]! + table[row + 1]! * vlenOf(info);
}

function shapeBytes(): Uint8Array {
  shapeTable ??= Uint8Array.from(shapes.flat());
  return shapeTable;
}

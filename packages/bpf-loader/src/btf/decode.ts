import { BtfError } from "./error.js";
import { kindOf, vlenOf } from "./layout.js";
import type { BtfStrings } from "./strings.js";
import { BtfKind, type BtfLinkage, type BtfType } from "./types.js";

const linkages: readonly BtfLinkage[] = ["static", "global", "extern"];

/** Decodes the type that begins at a word of a layout. Throws {@link BtfError} where its parts contradict each other. */
export function decodeType(words: Uint32Array, at: number, id: number, strings: BtfStrings): BtfType {
  const info = words[at + 1]!;
  const flag = info >>> 31 === 1;
  const name = strings.at(words[at]!);
  const sizeOrType = words[at + 2]!;
  const body = at + 3;
  const each = <T>(stride: number, read: (word: number) => T): T[] => {
    const records: T[] = [];
    for (let i = 0, word = body; i < vlenOf(info); i++, word += stride) records.push(read(word));
    return records;
  };

  switch (kindOf(info)) {
    case BtfKind.INT:
      return decodeInt(id, name, sizeOrType, words[body]!);
    case BtfKind.PTR:
      return { id, kind: "ptr", name: "", type: sizeOrType };
    case BtfKind.ARRAY:
      return {
        id,
        kind: "array",
        name: "",
        type: words[body]!,
        indexType: words[body + 1]!,
        length: words[body + 2]!,
      };
    case BtfKind.STRUCT:
    case BtfKind.UNION:
      return {
        id,
        kind: kindOf(info) === BtfKind.STRUCT ? "struct" : "union",
        name,
        size: sizeOrType,
        members: each(3, (word) => {
          // With kind_flag the upper 8 bits of the offset are the width of a bit-field.
          const offset = words[word + 2]!;
          return {
            name: strings.at(words[word]!),
            type: words[word + 1]!,
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
        values: each(2, (word) => ({
          name: strings.at(words[word]!),
          value: flag ? words[word + 1]! | 0 : words[word + 1]!,
        })),
      };
    case BtfKind.ENUM64:
      return {
        id,
        kind: "enum64",
        name,
        size: sizeOrType,
        signed: flag,
        values: each(3, (word) => {
          const bits = (BigInt(words[word + 2]!) << 32n) | BigInt(words[word + 1]!);
          return { name: strings.at(words[word]!), value: flag ? BigInt.asIntN(64, bits) : bits };
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
        parameters: each(2, (word) => ({ name: strings.at(words[word]!), type: words[word + 1]! })),
      };
    case BtfKind.VAR:
      return { id, kind: "var", name, type: sizeOrType, linkage: linkage(id, words[body]!) };
    case BtfKind.DATASEC:
      return {
        id,
        kind: "datasec",
        name,
        size: sizeOrType,
        entries: each(3, (word) => ({
          type: words[word]!,
          offset: words[word + 1]!,
          size: words[word + 2]!,
        })),
      };
    case BtfKind.FLOAT:
      return { id, kind: "float", name, size: sizeOrType };
    default:
      return { id, kind: "decl_tag", name, type: sizeOrType, componentIndex: words[body]! | 0 };
  }
}

function decodeInt(id: number, name: string, size: number, data: number): BtfType {
  const encoding = (data >>> 24) & 0xf;
  const [bitOffset, bits] = [(data >>> 16) & 0xff, data & 0xff];
  if (![1, 2, 4, 8, 16].includes(size) || bits + bitOffset > size * 8 || bits === 0) {
    throw new BtfError(
      "BTF_RANGE",
      `int "${name}" of ${size} bytes cannot have ${bits} bits at bit ${bitOffset}`,
    );
  }
  return {
    id,
    kind: "int",
    name,
    size,
    bits,
    bitOffset,
    signed: (encoding & 1) !== 0,
    bool: (encoding & 4) !== 0,
  };
}

function linkage(id: number, number: number): BtfLinkage {
  const found = linkages[number];
  if (!found) throw new BtfError("BTF_RANGE", `type ${id} has the unknown linkage ${number}`);
  return found;
}

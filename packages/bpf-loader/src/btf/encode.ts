import { BtfError } from "./error.js";
import { BtfKind, type BtfLinkage, type BtfType } from "./types.js";

/** A type to be made: {@link BtfType} without the id that it is yet to get. */
export type NewBtfType = BtfType extends infer T
  ? T extends { readonly kind: "void" }
    ? never
    : T extends BtfType
      ? Omit<T, "id">
      : never
  : never;

const linkages: readonly BtfLinkage[] = ["static", "global", "extern"];
const BIT_FIELD = 0x100_0000;

/** The words of a type. Throws {@link BtfError} for a number that does not fit its field. */
export function encodeType(type: NewBtfType, string: (text: string) => number): Uint32Array {
  const head = (third: number, count = 0, flag = false): number[] => {
    if (count > 0xff_ffff) throw new BtfError("BTF_LIMIT", `a ${type.kind} of ${count} parts`);
    const kind = BtfKind[type.kind.toUpperCase() as Uppercase<typeof type.kind>];
    const info = ((kind << 24) | count | (flag ? 0x8000_0000 : 0)) >>> 0;
    return [string(type.name), info, word(third)];
  };
  switch (type.kind) {
    case "int": {
      const encoding = (type.signed ? 1 : 0) | (type.bool ? 4 : 0);
      const data = (encoding << 24) | (byte(type.bitOffset) << 16) | byte(type.bits);
      return words(head(type.size), [data]);
    }
    case "array":
      return words(head(0), [word(type.type), word(type.indexType), word(type.length)]);
    case "struct":
    case "union": {
      const flag = type.members.some((member) => member.bitSize > 0);
      return words(
        head(type.size, type.members.length, flag),
        type.members.flatMap(({ name, type: member, bitOffset, bitSize }) => {
          if (flag && (bitOffset >= BIT_FIELD || bitSize > 255))
            throw new BtfError("BTF_RANGE", `"${name}" is no member of a struct with bit-fields`);
          return [string(name), word(member), flag ? ((bitSize << 24) | bitOffset) >>> 0 : word(bitOffset)];
        }),
      );
    }
    case "enum":
      return words(
        head(type.size, type.values.length, type.signed),
        type.values.flatMap(({ name, value }) => [string(name), value >>> 0]),
      );
    case "enum64":
      return words(
        head(type.size, type.values.length, type.signed),
        type.values.flatMap(({ name, value }) => {
          const bits = BigInt.asUintN(64, value);
          return [string(name), Number(bits & 0xffff_ffffn), Number(bits >> 32n)];
        }),
      );
    case "fwd":
      return words(head(0, 0, type.union));
    case "func":
      return words(head(type.type, linkages.indexOf(type.linkage)));
    case "func_proto":
      return words(
        head(type.type, type.parameters.length),
        type.parameters.flatMap((parameter) => [string(parameter.name), word(parameter.type)]),
      );
    case "var":
      return words(head(type.type), [linkages.indexOf(type.linkage)]);
    case "datasec":
      return words(
        head(type.size, type.entries.length),
        type.entries.flatMap((entry) => [word(entry.type), word(entry.offset), word(entry.size)]),
      );
    case "float":
      return words(head(type.size));
    case "decl_tag":
      return words(head(type.type), [type.componentIndex >>> 0]);
    default:
      return words(head(type.type));
  }
}

function words(head: number[], rest: readonly number[] = []): Uint32Array {
  const all = new Uint32Array(head.length + rest.length);
  all.set(head);
  all.set(rest, head.length);
  return all;
}

function word(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
    throw new BtfError("BTF_RANGE", `${value} is no 32-bit number`);
  return value;
}

function byte(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xff)
    throw new BtfError("BTF_RANGE", `${value} is no 8-bit number`);
  return value;
}

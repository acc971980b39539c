import type { Btf } from "./btf.js";
import {
  array,
  bits,
  boolean,
  byteArray,
  enumeration,
  float,
  integer,
  type Node,
  truth,
} from "./codec-nodes.js";
import { type Alternative, member, type Part, shifted, struct, union } from "./codec-struct.js";
import { BtfError } from "./error.js";
import { kernelOwned } from "./kernel-owned.js";
import type { BtfMember, BtfType, BtfTypeOf } from "./types.js";

/** How deep structs and arrays may nest. */
const MAX_DEPTH = 32;
/** More members than any struct has, so that nested anonymous structs cannot multiply without bound. */
const MAX_PARTS = 65_536;
/** Elements without a size take no bytes, so nothing else bounds their number. */
const MAX_EMPTY_ELEMENTS = 1024;

/** Builds codecs; each type is built once, so that the work is bounded by the size of the BTF. */
export class BtfCodecBuilder {
  readonly #btf: Btf;
  readonly #nodes = new Map<number, Node>();
  readonly #parts = new Map<number, readonly Part[]>();

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  build(typeId: number, depth = 0): Node {
    if (depth > MAX_DEPTH)
      throw new BtfError("BTF_DEPTH", `type ${typeId} is nested more than ${MAX_DEPTH} deep`);
    const type = this.#btf.resolve(typeId);
    const known = this.#nodes.get(type.id);
    if (known) return known;
    const node = this.#node(type, depth);
    this.#nodes.set(type.id, node);
    return node;
  }

  #node(type: BtfType, depth: number): Node {
    const little = this.#btf.littleEndian;
    switch (type.kind) {
      case "int":
        if (type.bits !== type.size * 8 || type.bitOffset !== 0) {
          return bits(type.size, type.bitOffset, type.bits, type.signed, type.size > 4, little);
        }
        return type.bool ? boolean(type.size, little) : integer(type.size, type.signed, little);
      case "ptr":
        return integer(8, false, little);
      case "enum":
      case "enum64":
        if (![1, 2, 4, 8].includes(type.size))
          throw new BtfError("BTF_RANGE", `enum "${type.name}" has ${type.size} bytes`);
        return enumeration(integer(type.size, type.signed, little), type.name, type.values);
      case "float":
        return type.size === 4 || type.size === 8
          ? float(type.size, little)
          : byteArray(this.#btf.sizeOf(type.id));
      case "array":
        return this.#array(type, depth);
      case "struct":
      case "union":
        return struct(`${type.kind} ${type.name}`.trimEnd(), type.size, this.#structParts(type, depth));
      case "datasec":
        return struct(`section ${type.name}`, type.size, this.#sectionParts(type, depth));
      case "var":
        return this.build(type.type, depth + 1);
      default:
        throw new BtfError("BTF_KIND", `a ${type.kind} ("${type.name}") has no values`);
    }
  }

  #array(type: BtfTypeOf<"array">, depth: number): Node {
    const size = this.#btf.sizeOf(type.id);
    const element = this.#btf.resolve(type.type);
    if (element.kind === "int" && element.size === 1 && element.bits === 8 && !element.bool)
      return byteArray(size);
    const node = this.build(type.type, depth + 1);
    if (node.size === 0 && type.length > MAX_EMPTY_ELEMENTS) {
      throw new BtfError(
        "BTF_LIMIT",
        `type ${type.id} is an array of ${type.length} elements without a size`,
      );
    }
    return array(node, type.length);
  }

  #structParts(type: BtfTypeOf<"struct" | "union">, depth: number): readonly Part[] {
    if (kernelOwned.has(type.name)) return [];
    const known = this.#parts.get(type.id);
    if (known) return known;
    const alternatives = type.members.map((field) => this.#member(type, field, depth));
    const parts =
      type.kind === "struct" ? alternatives.flatMap((choice) => choice.parts) : [union(alternatives)];
    if (parts.reduce((sum, part) => sum + 1 + part.names.length, 0) > MAX_PARTS) {
      throw new BtfError("BTF_LIMIT", `${type.kind} "${type.name}" has more than ${MAX_PARTS} members`);
    }
    this.#parts.set(type.id, parts);
    return parts;
  }

  #member(owner: BtfTypeOf<"struct" | "union">, field: BtfMember, depth: number): Alternative {
    if (depth > MAX_DEPTH)
      throw new BtfError("BTF_DEPTH", `type ${owner.id} is nested more than ${MAX_DEPTH} deep`);
    const type = this.#btf.resolve(field.type);
    const where = `member "${field.name}" of ${owner.kind} "${owner.name}"`;
    const width = field.bitSize || (field.bitOffset % 8 !== 0 && type.kind === "int" ? type.bits : 0);
    const size = width > 0 ? Math.ceil(((field.bitOffset % 8) + width) / 8) : this.#btf.sizeOf(field.type);
    const offset = Math.floor(field.bitOffset / 8);
    if (offset + size > owner.size)
      throw new BtfError("BTF_RANGE", `${where} ends outside its ${owner.size} bytes`);
    // Unions hold their members at offset 0, so the end of a member is also the size of the alternative.
    const end = offset + size;
    if (width > 0) {
      if (field.name === "") return { size: end, parts: [] };
      return { size: end, parts: [member(field.name, offset, this.#bitField(type, field, width, where))] };
    }
    if (field.bitOffset % 8 !== 0) throw new BtfError("BTF_RANGE", `${where} does not begin at a byte`);
    if (type.kind === "struct" || type.kind === "union") {
      if (kernelOwned.has(type.name)) return { size: end, parts: [] };
      if (field.name === "") {
        return { size: end, parts: this.#structParts(type, depth + 1).map((part) => shifted(part, offset)) };
      }
    }
    return { size: end, parts: [member(field.name, offset, this.build(field.type, depth + 1))] };
  }

  #bitField(type: BtfType, field: BtfMember, width: number, where: string): Node {
    if (type.kind !== "int" && type.kind !== "enum" && type.kind !== "enum64") {
      throw new BtfError("BTF_KIND", `${where} is a bit-field, but no integer`);
    }
    if (width > type.size * 8 || width > 64)
      throw new BtfError("BTF_RANGE", `${where} is ${width} bits wide`);
    const start = field.bitOffset % 8;
    const size = Math.ceil((start + width) / 8);
    const node = bits(size, start, width, type.signed, type.size > 4, this.#btf.littleEndian);
    if (type.kind !== "int") return enumeration(node, type.name, type.values);
    return type.bool ? truth(node) : node;
  }

  #sectionParts(type: BtfTypeOf<"datasec">, depth: number): Part[] {
    return type.entries.map((entry) => {
      const { name } = this.#btf.type(entry.type);
      const node = this.build(entry.type, depth + 1);
      if (entry.offset + node.size > type.size) {
        throw new BtfError("BTF_RANGE", `variable "${name}" ends outside section ${type.name}`);
      }
      return member(name, entry.offset, node);
    });
  }
}

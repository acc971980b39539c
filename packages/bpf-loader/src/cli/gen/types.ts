import { kernelOwned } from "../../btf/kernel-owned.js";
import type { Btf, BtfMember, BtfType, BtfTypeOf } from "../../index.js";
import { CommandError } from "../errors.js";
import { codeBlock, docComment, type Names, propertyKey, typeName } from "./names.js";

/** How deep types without a name may nest. */
const MAX_DEPTH = 32;
/** More members than any object has, so that anonymous structs in each other cannot multiply without bound. */
const MAX_PROPERTIES = 65_536;

/** A member of a struct as an interface has it. */
interface Property {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
}

/**
 * Turns BTF types into TypeScript types, as the codecs of the library read and write them (see `BtfValue`). Structs,
 * unions and enums with a name become declarations of the module; each is declared once.
 */
export class TypeWriter {
  readonly #btf: Btf;
  readonly #names: Names;
  readonly #cDeclaration: (id: number) => string;
  readonly #declared = new Map<number, string>();
  readonly #declarations: string[] = [];
  #properties = 0;

  constructor(btf: Btf, names: Names, cDeclaration: (id: number) => string) {
    this.#btf = btf;
    this.#names = names;
    this.#cDeclaration = cDeclaration;
  }

  /** The declarations that the types so far need, in the order in which they were first used. */
  get declarations(): readonly string[] {
    return this.#declarations;
  }

  /** The TypeScript type of a BTF type. Throws {@link CommandError} for one that has no values. */
  type(id: number, depth = 0): string {
    if (depth > MAX_DEPTH) throw new CommandError(`type ${id} is nested more than ${MAX_DEPTH} deep`);
    const type = this.#btf.resolve(id);
    switch (type.kind) {
      case "int":
        if (type.bool && type.bits === type.size * 8) return "boolean";
        return type.size > 4 ? "bigint" : "number";
      case "ptr":
        return "bigint";
      case "enum":
      case "enum64":
        return this.#enum(id, type);
      case "float":
        return type.size === 4 || type.size === 8 ? "number" : "Uint8Array";
      case "array":
        return this.#array(type, depth);
      case "struct":
      case "union":
        return this.#struct(id, type, depth);
      default:
        throw new CommandError(`a ${type.kind} ("${type.name}") has no values`);
    }
  }

  #array(type: BtfTypeOf<"array">, depth: number): string {
    const element = this.#btf.resolve(type.type);
    if (element.kind === "int" && element.size === 1 && element.bits === 8 && !element.bool)
      return "Uint8Array";
    return `${this.type(type.type, depth + 1)}[]`;
  }

  #enum(id: number, type: BtfTypeOf<"enum" | "enum64">): string {
    const plain = type.size > 4 ? "bigint" : "number";
    const wanted = this.#nameOf(id, type);
    if (wanted === undefined || type.values.length === 0) return plain;
    const known = this.#declared.get(type.id);
    if (known) return known;
    const name = this.#names.take(wanted);
    this.#declared.set(type.id, name);
    const values = type.values.map((one) => {
      const digits = plain === "bigint" ? `${one.value}n` : `${one.value}`;
      return `  ${propertyKey(one.name)}: ${digits},`;
    });
    const comment = docComment(codeBlock(this.#cDeclaration(type.id)));
    this.#declarations.push(
      `${comment}\nexport const ${name} = {\n${values.join("\n")}\n} as const;\n` +
        `/** A value of {@link ${name}}; the kernel may hold others. */\nexport type ${name} = ${plain};`,
    );
    return name;
  }

  #struct(id: number, type: BtfTypeOf<"struct" | "union">, depth: number): string {
    const known = this.#declared.get(type.id);
    if (known) return known;
    const wanted = this.#nameOf(id, type);
    if (wanted === undefined) {
      const fields = this.#members(type, depth).map(
        ({ name, type, optional }) => `${propertyKey(name)}${optional ? "?" : ""}: ${type}`,
      );
      return fields.length === 0 ? "Record<string, never>" : `{ ${fields.join("; ")} }`;
    }
    const name = this.#names.take(wanted);
    this.#declared.set(type.id, name);
    // What it is made of is declared behind it.
    const place = this.#declarations.push("") - 1;
    const properties = this.#members(type, depth);
    const comment = [...codeBlock(this.#cDeclaration(type.id))];
    if (properties.some((property) => property.optional)) {
      comment.push(
        "",
        "Members that share their bytes are optional: all of them are there when it was read; to write, give any that agree.",
      );
    }
    const fields = properties.map(
      ({ name, type, optional }) => `  ${propertyKey(name)}${optional ? "?" : ""}: ${type};`,
    );
    this.#declarations[place] =
      fields.length === 0
        ? `${docComment(comment)}\nexport type ${name} = Record<string, never>;`
        : `${docComment(comment)}\nexport interface ${name} {\n${fields.join("\n")}\n}`;
    return name;
  }

  /** The members, with those of anonymous structs and unions among them. */
  #members(type: BtfTypeOf<"struct" | "union">, depth: number): Property[] {
    if (depth > MAX_DEPTH) throw new CommandError(`type ${type.id} is nested more than ${MAX_DEPTH} deep`);
    if (kernelOwned.has(type.name)) return [];
    const properties = type.members.flatMap((member) => this.#member(member, depth));
    const shared = type.kind === "union" && type.members.length > 1;
    return shared ? properties.map((property) => ({ ...property, optional: true })) : properties;
  }

  #member(member: BtfMember, depth: number): Property[] {
    const type = this.#btf.resolve(member.type);
    if (type.kind === "struct" || type.kind === "union") {
      if (kernelOwned.has(type.name)) return [];
      if (member.name === "") return this.#members(type, depth + 1);
    }
    if (member.name === "") return [];
    if (++this.#properties > MAX_PROPERTIES)
      throw new CommandError(`the types have more than ${MAX_PROPERTIES} members`);
    return [{ name: member.name, type: this.#memberType(member, type, depth), optional: false }];
  }

  // A bit-field of bool is read as the number that it is.
  #memberType(member: BtfMember, type: BtfType, depth: number): string {
    if (member.bitSize > 0 && type.kind === "int" && !type.bool) return type.size > 4 ? "bigint" : "number";
    return this.type(member.type, depth + 1);
  }

  /** The name to declare a type by: its own, or that of the typedef that it is used through. */
  #nameOf(id: number, type: BtfType): string | undefined {
    if (type.name !== "") return typeName(type.name);
    for (let at = this.#btf.type(id), i = 0; at.id !== type.id && i < MAX_DEPTH; i++) {
      if (at.kind === "typedef") return typeName(at.name);
      if (!("type" in at)) return undefined;
      at = this.#btf.type(at.type);
    }
    return undefined;
  }
}

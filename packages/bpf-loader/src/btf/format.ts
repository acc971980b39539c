import { type Btf, MAX_DEPTH } from "./btf.js";
import { BtfError } from "./error.js";
import type { BtfType, BtfTypeOf } from "./types.js";

/** More lines than any type has, so that nested anonymous structs cannot multiply without bound. */
const MAX_LINES = 65_536;

/**
 * A type as a C declaration, such as `bpftool btf dump format c` writes it: structs and enums with all their members,
 * other types that they refer to by name. Padding is not spelt out. Data sections are lists of their variables.
 * Throws {@link BtfError} for types that nest too deeply, or in a circle.
 */
export function formatType(btf: Btf, id: number): string {
  return new Formatter(btf).format(id);
}

/**
 * A declaration of something of a type, without its members where it has a name: `char comm[16]`,
 * `const struct net_device_ops *ops`. Without a name it is the type alone: `char[16]`. Throws {@link BtfError}.
 */
export function formatDeclaration(btf: Btf, id: number, name = ""): string {
  return new Formatter(btf).declare(id, name, "");
}

class Formatter {
  readonly #btf: Btf;
  #lines = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  format(id: number): string {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "struct":
      case "union":
      case "enum":
      case "enum64":
        return `${this.#body(type, "", 0)};`;
      case "fwd":
        return `${base(type)};`;
      case "typedef":
        return `typedef ${this.declare(type.type, type.name, "")};`;
      case "func":
      case "var": {
        const linkage = type.linkage === "global" ? "" : `${type.linkage} `;
        return `${linkage}${this.declare(type.type, type.name, "")};`;
      }
      case "datasec":
        return type.entries.map((entry) => this.#sectionEntry(type.name, entry.type)).join("\n");
      case "decl_tag":
        return `__attribute__((btf_decl_tag("${type.name}")))`;
      default:
        return `${this.declare(id, "", "")};`;
    }
  }

  /**
   * @param inner what has been declared so far, seen from the name outwards
   * @param indent what lines after the first begin with
   */
  declare(id: number, inner: string, indent: string, depth = 0): string {
    if (depth > 2 * MAX_DEPTH)
      throw new BtfError("BTF_DEPTH", `type ${id} is nested more than ${2 * MAX_DEPTH} deep`);
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "ptr": {
        const target = this.#unqualified(type.type);
        const grouped = target === "array" || target === "func_proto" ? `(*${inner})` : `*${inner}`;
        return this.declare(type.type, grouped, indent, depth + 1);
      }
      case "array": {
        const length = `${inner}[${type.length}]`;
        return this.declare(type.type, length, indent, depth + 1);
      }
      case "func_proto":
        return this.declare(
          type.type,
          `${inner}(${this.#parameters(type, indent, depth)})`,
          indent,
          depth + 1,
        );
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag": {
        const word = type.kind === "type_tag" ? `__attribute__((btf_type_tag("${type.name}")))` : type.kind;
        // Of a pointer it stands behind the asterisk, of anything else before the type.
        if (this.#unqualified(type.type) === "ptr")
          return this.declare(type.type, join(` ${word}`, inner), indent, depth + 1);
        const rest = this.declare(type.type, inner, indent, depth + 1);
        // An array of const elements is const as well, and said to be so twice.
        return rest.startsWith(`${word} `) ? rest : `${word} ${rest}`;
      }
      case "struct":
      case "union":
      case "enum":
      case "enum64":
        return join(type.name === "" ? this.#body(type, indent, depth + 1) : base(type), inner);
      case "func":
      case "var":
        return this.declare(type.type, join(type.name, inner), indent, depth + 1);
      default:
        return join(base(type), inner);
    }
  }

  #body(
    type: BtfTypeOf<"struct" | "union"> | BtfTypeOf<"enum"> | BtfTypeOf<"enum64">,
    indent: string,
    depth: number,
  ): string {
    const inside = `${indent}\t`;
    const lines =
      type.kind === "enum" || type.kind === "enum64"
        ? type.values.map(({ name, value }) => `${name} = ${value}${suffix(value, type.signed)},`)
        : type.members.map((member) => {
            const width = member.bitSize > 0 ? `${member.name ? "" : " "}: ${member.bitSize}` : "";
            return `${this.declare(member.type, member.name, inside, depth + 1)}${width};`;
          });
    this.#count(lines.length, type.id);
    const all = lines.map((line) => `${inside}${line}\n`).join("");
    return lines.length === 0 ? `${base(type)} {}` : `${base(type)} {\n${all}${indent}}`;
  }

  #sectionEntry(section: string, id: number): string {
    const kind = this.#btf.kind(id);
    if (kind !== "var" && kind !== "func")
      throw new BtfError("BTF_KIND", `section ${section} lists a ${kind} among its variables`);
    return this.format(id);
  }

  #parameters(type: BtfTypeOf<"func_proto">, indent: string, depth: number): string {
    const { parameters } = type;
    this.#count(parameters.length, type.id);
    if (parameters.length === 0) return "void";
    return parameters
      .map((parameter, i) => {
        // The last of a variadic function has neither type nor name.
        if (i === parameters.length - 1 && parameter.type === 0 && parameter.name === "") return "...";
        return this.declare(parameter.type, parameter.name, indent, depth + 1);
      })
      .join(", ");
  }

  /** What is left of a type when const and its like, but no typedef, are taken off. */
  #unqualified(id: number): BtfType["kind"] {
    let type = this.#btf.type(id);
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (
        type.kind !== "const" &&
        type.kind !== "volatile" &&
        type.kind !== "restrict" &&
        type.kind !== "type_tag"
      )
        return type.kind;
      type = this.#btf.type(type.type);
    }
    throw new BtfError("BTF_DEPTH", `type ${id} is nested more than ${MAX_DEPTH} deep`);
  }

  #count(lines: number, id: number): void {
    this.#lines += lines;
    if (this.#lines > MAX_LINES)
      throw new BtfError("BTF_LIMIT", `type ${id} has more than ${MAX_LINES} parts`);
  }
}

/** A type by its name, or the keyword alone. */
function base(type: BtfType): string {
  switch (type.kind) {
    case "struct":
    case "union":
    case "enum":
      return join(type.kind, type.name);
    case "enum64":
      return join("enum", type.name);
    case "fwd":
      return join(type.union ? "union" : "struct", type.name);
    default:
      return type.name || type.kind;
  }
}

/** Words with a space between them, where there are two and the second does not bring its own. */
function join(first: string, second: string): string {
  return second === "" || second.startsWith(" ") || second.startsWith("[")
    ? first + second
    : `${first} ${second}`;
}

/** What a value beyond 32 bits needs in C. */
function suffix(value: number | bigint, signed: boolean): string {
  if (typeof value === "number") return "";
  return signed ? "LL" : "ULL";
}

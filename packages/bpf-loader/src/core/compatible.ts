import { type Btf, MAX_DEPTH } from "../btf/btf.js";
import { BtfError } from "../btf/error.js";
import { essentialName } from "../btf/strings.js";
import type { BtfType, BtfTypeOf } from "../btf/types.js";

/** A type in one of two BTFs. */
export interface TypeRef {
  readonly btf: Btf;
  readonly id: number;
}

/** Bounds the work of comparing types: what nests and repeats can multiply without end in BTF that nobody compiled. */
export class Budget {
  #left = 1_000_000;

  /** Throws {@link BtfError} once too much has been spent. */
  spend(): void {
    if (this.#left-- === 0) throw new BtfError("BTF_LIMIT", "types are too entangled to be compared");
  }
}

type Composite = BtfTypeOf<"struct" | "union">;
type Enumeration = Extract<BtfType, { kind: "enum" | "enum64" }>;

/** Structs and unions. */
export function isComposite(type: BtfType): type is Composite {
  return type.kind === "struct" || type.kind === "union";
}

/** Enums of either width. */
export function isEnum(type: BtfType): type is Enumeration {
  return type.kind === "enum" || type.kind === "enum64";
}

/** Whether one can stand for the other: the same kind, or enums of either width (btf_kind_core_compat of libbpf). */
export function sameKind(a: BtfType["kind"], b: BtfType["kind"]): boolean {
  const plain = (kind: string) => (kind === "enum64" ? "enum" : kind);
  return plain(a) === plain(b);
}

/**
 * Whether a field's type may have become the other (bpf_core_fields_are_compat): composites, pointers, whole integers
 * and enums of the same name are each compatible among themselves, arrays if their elements are.
 */
export function fieldsAreCompatible(local: TypeRef, target: TypeRef): boolean {
  let [a, b] = [local.btf.resolve(local.id), target.btf.resolve(target.id)];
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (isComposite(a) && isComposite(b)) return true;
    if (!sameKind(a.kind, b.kind)) return false;
    switch (a.kind) {
      case "ptr":
      case "float":
        return true;
      case "fwd":
      case "enum":
      case "enum64":
        return a.name === "" || b.name === "" || essentialName(a.name) === essentialName(b.name);
      case "int":
        return a.bitOffset === 0 && (b as BtfTypeOf<"int">).bitOffset === 0;
      case "array":
        b = target.btf.resolve((b as BtfTypeOf<"array">).type);
        a = local.btf.resolve(a.type);
        break;
      default:
        return false;
    }
  }
  throw new BtfError("BTF_DEPTH", `arrays nest more than ${MAX_DEPTH} deep`);
}

/** Whether a type exists as the object knows it, whatever its members (bpf_core_types_are_compat). */
export function typesAreCompatible(local: TypeRef, target: TypeRef, budget: Budget, depth = 0): boolean {
  if (!sameKind(local.btf.kind(local.id), target.btf.kind(target.id))) return false;
  let [a, b] = [local.btf.resolve(local.id), target.btf.resolve(target.id)];
  for (let level = depth; level < MAX_DEPTH; level++) {
    budget.spend();
    if (!sameKind(a.kind, b.kind)) return false;
    switch (a.kind) {
      case "void":
      case "struct":
      case "union":
      case "enum":
      case "enum64":
      case "fwd":
        return true;
      case "int":
        return a.bitOffset === 0 && (b as BtfTypeOf<"int">).bitOffset === 0;
      case "func_proto": {
        const other = b as BtfTypeOf<"func_proto">;
        if (a.parameters.length !== other.parameters.length) return false;
        const agree = a.parameters.every((parameter, i) =>
          typesAreCompatible(
            { btf: local.btf, id: local.btf.resolveId(parameter.type) },
            { btf: target.btf, id: target.btf.resolveId(other.parameters[i]!.type) },
            budget,
            level + 1,
          ),
        );
        if (!agree) return false;
        break;
      }
      case "ptr":
      case "array":
        break;
      default:
        return false;
    }
    b = target.btf.resolve((b as BtfTypeOf<"ptr" | "array" | "func_proto">).type);
    a = local.btf.resolve(a.type);
  }
  throw new BtfError("BTF_DEPTH", `types nest more than ${MAX_DEPTH} deep`);
}

/**
 * Whether a type is as the object knows it, all members of the object's included (bpf_core_types_match): what is
 * behind a pointer only by name and kind.
 */
export function typesMatch(
  local: TypeRef,
  target: TypeRef,
  budget: Budget,
  behindPointer = false,
  depth = 0,
): boolean {
  let a: BtfType = local.btf.resolve(local.id);
  let b: BtfType = target.btf.resolve(target.id);
  let behind = behindPointer;
  for (let level = depth; level < MAX_DEPTH; level++) {
    budget.spend();
    if (!namesMatch(a.name, b.name)) return false;
    switch (a.kind) {
      case "void":
        return b.kind === "void";
      case "fwd":
        if (b.kind === "fwd") return a.union === b.union;
        return behind && b.kind === (a.union ? "union" : "struct");
      case "enum":
      case "enum64":
        return isEnum(b) && enumsMatch(a, b);
      case "struct":
      case "union":
        if (behind) return b.kind === "fwd" ? b.union === (a.kind === "union") : a.kind === b.kind;
        return a.kind === b.kind && membersMatch(local.btf, a, target.btf, b as Composite, budget, level);
      case "int":
        return b.kind === "int" && a.size === b.size && a.signed === b.signed;
      case "ptr":
        if (b.kind !== "ptr") return false;
        behind = true;
        break;
      case "array":
        if (b.kind !== "array" || a.length !== b.length) return false;
        break;
      case "func_proto": {
        const other = b;
        if (other.kind !== "func_proto" || a.parameters.length !== other.parameters.length) return false;
        const agree = a.parameters.every((parameter, i) =>
          typesMatch(
            { btf: local.btf, id: parameter.type },
            { btf: target.btf, id: other.parameters[i]!.type },
            budget,
            behind,
            level + 1,
          ),
        );
        if (!agree) return false;
        break;
      }
      default:
        return false;
    }
    b = target.btf.resolve((b as typeof a).type);
    a = local.btf.resolve(a.type);
  }
  throw new BtfError("BTF_DEPTH", `types nest more than ${MAX_DEPTH} deep`);
}

/** Names are the same but for flavours, or neither has one. */
function namesMatch(local: string, target: string): boolean {
  return essentialName(local) === essentialName(target);
}

function enumsMatch(local: Enumeration, target: Enumeration): boolean {
  if (local.size !== target.size || local.values.length > target.values.length) return false;
  const names = new Set<string>(target.values.map((value) => essentialName(value.name)));
  return local.values.every((value) => names.has(essentialName(value.name)));
}

function membersMatch(
  localBtf: Btf,
  local: Composite,
  targetBtf: Btf,
  target: Composite,
  budget: Budget,
  depth: number,
): boolean {
  if (local.members.length > target.members.length) return false;
  return local.members.every((member) =>
    target.members.some((other) => {
      budget.spend();
      return (
        namesMatch(member.name, other.name) &&
        typesMatch(
          { btf: localBtf, id: member.type },
          { btf: targetBtf, id: other.type },
          budget,
          false,
          depth + 1,
        )
      );
    }),
  );
}

import type { Btf } from "../btf/btf.js";
import { BtfError } from "../btf/error.js";
import { essentialName } from "../btf/strings.js";
import {
  Budget,
  fieldsAreCompatible,
  isComposite,
  isEnum,
  type TypeRef,
  typesAreCompatible,
  typesMatch,
} from "./compatible.js";
import { subjectOf } from "./kinds.js";
import { type Accessor, type CoreSpec, isFlexible, MAX_BIT_OFFSET, MAX_PARTS } from "./spec.js";

/**
 * Finds in a candidate what a relocation is about in the object (bpf_core_spec_match of libbpf): the same type, field
 * or enumerator by name. Undefined if the candidate does not have it. Throws {@link BtfError}.
 */
export function matchSpec(local: CoreSpec, candidate: TypeRef): CoreSpec | undefined {
  const { kind } = local;
  const { btf, id } = candidate;
  const budget = new Budget();
  switch (subjectOf(kind)) {
    case "type": {
      const localRef = { btf: local.btf, id: local.rootTypeId };
      const matches =
        kind === "type_matches"
          ? typesMatch(localRef, candidate, budget)
          : typesAreCompatible(localRef, candidate, budget);
      return matches ? { btf, kind, rootTypeId: id, accessors: [], bitOffset: 0 } : undefined;
    }
    case "enumerator":
      return matchEnumerator(local, candidate);
    default:
      return new FieldMatch(btf, budget).match(local, id);
  }
}

function matchEnumerator(local: CoreSpec, { btf, id }: TypeRef): CoreSpec | undefined {
  const type = btf.resolve(id);
  if (!isEnum(type)) return undefined;
  const wanted = essentialName(local.accessors[0]!.name!);
  const index = type.values.findIndex((value) => essentialName(value.name) === wanted);
  if (index < 0) return undefined;
  const accessors = [{ typeId: type.id, index, name: type.values[index]!.name }];
  return { btf, kind: local.kind, rootTypeId: id, accessors, bitOffset: 0 };
}

/** Follows the steps of an access through the types of a candidate. */
class FieldMatch {
  readonly #btf: Btf;
  readonly #budget: Budget;
  readonly #accessors: Accessor[] = [];
  #bitOffset = 0;
  /** Steps taken, members without a name included. */
  #parts = 0;

  constructor(btf: Btf, budget: Budget) {
    this.#btf = btf;
    this.#budget = budget;
  }

  match(local: CoreSpec, rootTypeId: number): CoreSpec | undefined {
    const btf = this.#btf;
    let typeId = btf.resolveId(rootTypeId);
    for (const [i, accessor] of local.accessors.entries()) {
      if (accessor.name !== undefined) {
        const next = this.#member(local.btf, accessor, typeId);
        if (next === undefined) return undefined;
        typeId = btf.resolveId(next);
        continue;
      }
      // The first step is over an array of the root type itself.
      if (i > 0) {
        const type = btf.type(typeId);
        if (type.kind !== "array") return undefined;
        if (accessor.index >= type.length && !isFlexible(btf, this.#accessors.at(-1)!, type))
          return undefined;
        typeId = btf.resolveId(type.type);
      }
      this.#enter();
      this.#accessors.push({ typeId, index: accessor.index, name: undefined });
      if (accessor.index > 0) this.#bitOffset += accessor.index * btf.sizeOf(typeId) * 8;
    }
    if (this.#bitOffset > MAX_BIT_OFFSET)
      throw new BtfError("BTF_LIMIT", "a field of the kernel lies beyond 4 GiB");
    return { btf, kind: local.kind, rootTypeId, accessors: this.#accessors, bitOffset: this.#bitOffset };
  }

  /** The type of the member of that name, also within members without a name; undefined if there is none that fits. */
  #member(localBtf: Btf, accessor: Accessor, typeId: number): number | undefined {
    const type = this.#btf.resolve(typeId);
    if (!isComposite(type)) return undefined;
    const owner = localBtf.type(accessor.typeId);
    if (!isComposite(owner)) return undefined;
    const localType = owner.members[accessor.index]!.type;
    for (const [index, member] of type.members.entries()) {
      this.#budget.spend();
      if (member.name !== "" && member.name !== accessor.name) continue;
      this.#enter();
      this.#bitOffset += member.bitOffset;
      if (member.name === "") {
        const found = this.#member(localBtf, accessor, member.type);
        if (found !== undefined) return found;
      } else {
        const compatible = fieldsAreCompatible(
          { btf: localBtf, id: localType },
          { btf: this.#btf, id: member.type },
        );
        if (!compatible) return undefined;
        this.#accessors.push({ typeId: type.id, index, name: member.name });
        return member.type;
      }
      this.#bitOffset -= member.bitOffset;
      this.#parts--;
    }
    return undefined;
  }

  #enter(): void {
    if (++this.#parts > MAX_PARTS)
      throw new BtfError("BTF_DEPTH", `a field of the kernel lies more than ${MAX_PARTS} levels deep`);
  }
}

import type { Btf } from "../btf/btf.js";
import { BtfError } from "../btf/error.js";
import type { BtfTypeOf } from "../btf/types.js";
import { type CoreRelocationKind, subjectOf } from "./kinds.js";

/** As BPF_CORE_SPEC_MAX_LEN of libbpf. */
export const MAX_PARTS = 64;
/** No instruction can hold more: an offset beyond is no offset into anything. */
export const MAX_BIT_OFFSET = 2 ** 35;

/** One step of an access: the member of a struct, the element of an array, or the enumerator of an enum. */
export interface Accessor {
  /** The struct, union or enum; or the type of the element. */
  readonly typeId: number;
  /** Which member, element or enumerator. */
  readonly index: number;
  /** The name of the member or enumerator; undefined for an element. Members without a name are no steps. */
  readonly name: string | undefined;
}

/** What a relocation is about, in one BTF. */
export interface CoreSpec {
  readonly btf: Btf;
  readonly kind: CoreRelocationKind;
  readonly rootTypeId: number;
  readonly accessors: readonly Accessor[];
  /** Where the field begins, from the start of the root type. */
  readonly bitOffset: number;
}

/** The parts of an access string, such as "0:1:2". Throws {@link BtfError}. */
export function parseAccess(access: string): number[] {
  // A negative index has crashed kernels that trusted user space to refuse it.
  if (!/^\d+(:\d+)*$/.test(access)) throw new BtfError("BTF_RANGE", `"${access}" is no CO-RE access string`);
  const parts = access.split(":").map(Number);
  if (parts.length > MAX_PARTS)
    throw new BtfError(
      "BTF_LIMIT",
      `a CO-RE access string has ${parts.length} parts; ${MAX_PARTS} is the most`,
    );
  const large = parts.find((part) => part > 0x7fff_ffff);
  if (large !== undefined) throw new BtfError("BTF_RANGE", `a CO-RE access string has the index ${large}`);
  return parts;
}

/** Follows an access string through the types of the object (bpf_core_parse_spec of libbpf). Throws {@link BtfError}. */
export function localSpec(btf: Btf, kind: CoreRelocationKind, rootTypeId: number, access: string): CoreSpec {
  const parts = parseAccess(access);
  const subject = subjectOf(kind);
  if (subject === "type") {
    if (access !== "0") throw invalid(btf, rootTypeId, access, "a type has no parts");
    btf.type(rootTypeId);
    return { btf, kind, rootTypeId, accessors: [], bitOffset: 0 };
  }
  const [first, ...rest] = parts as [number, ...number[]];
  const root = btf.resolve(rootTypeId);
  if (subject === "enumerator") {
    const name = root.kind === "enum" || root.kind === "enum64" ? root.values[first]?.name : undefined;
    if (name === undefined || rest.length > 0)
      throw invalid(btf, rootTypeId, access, "there is no such enumerator");
    return {
      btf,
      kind,
      rootTypeId,
      accessors: [{ typeId: root.id, index: first, name }],
      bitOffset: 0,
    };
  }
  const accessors: Accessor[] = [{ typeId: root.id, index: first, name: undefined }];
  let bitOffset = first === 0 ? 0 : first * btf.sizeOf(root.id) * 8;
  let typeId = root.id;
  for (const index of rest) {
    const type = btf.resolve(typeId);
    if (type.kind === "struct" || type.kind === "union") {
      const member = type.members[index];
      if (!member) throw invalid(btf, rootTypeId, access, `${type.kind} ${type.name} has no member ${index}`);
      bitOffset += member.bitOffset;
      if (member.name !== "") accessors.push({ typeId: type.id, index, name: member.name });
      typeId = member.type;
    } else if (type.kind === "array") {
      if (index >= type.length && !isFlexible(btf, accessors.at(-1)!, type))
        throw invalid(btf, rootTypeId, access, `element ${index} of ${type.length} is not there`);
      typeId = btf.resolveId(type.type);
      accessors.push({ typeId, index, name: undefined });
      bitOffset += index * btf.sizeOf(typeId) * 8;
    } else {
      throw invalid(btf, rootTypeId, access, `a ${type.kind} has no parts`);
    }
  }
  if (bitOffset > MAX_BIT_OFFSET) throw invalid(btf, rootTypeId, access, "the field lies beyond 4 GiB");
  return { btf, kind, rootTypeId, accessors, bitOffset };
}

/** Whether an array is the flexible one at the end of the struct that the accessor before it looked into. */
export function isFlexible(btf: Btf, before: Accessor, array: BtfTypeOf<"array">): boolean {
  if (before.name === undefined || array.length > 0) return false;
  const owner = btf.type(before.typeId);
  return (owner.kind === "struct" || owner.kind === "union") && before.index === owner.members.length - 1;
}

/** A spec as a reader knows it: `task_struct.mm.owner`, `sk_buff.cb[3]`, `bpf_map_type.BPF_MAP_TYPE_HASH`. */
export function describeSpec({ btf, rootTypeId, accessors }: CoreSpec): string {
  let text = btf.name(rootTypeId) || btf.name(btf.resolveId(rootTypeId)) || "(anon)";
  accessors.forEach(({ name, index }, i) => {
    if (name !== undefined) text += `.${name}`;
    else if (i > 0 || index !== 0) text += `[${index}]`;
  });
  return text;
}

/** A type with its keyword: `struct task_struct`, `typedef u64`, `int`. */
export function describeType(btf: Btf, id: number): string {
  const kind = btf.kind(id);
  const name = btf.name(id) || "(anon)";
  switch (kind) {
    case "void":
    case "int":
    case "float":
      return name === "(anon)" ? kind : name;
    case "enum64":
      return `enum ${name}`;
    case "fwd":
      return `struct ${name}`;
    default:
      return `${kind} ${name}`;
  }
}

function invalid(btf: Btf, rootTypeId: number, access: string, reason: string): BtfError {
  return new BtfError(
    "BTF_RANGE",
    `CO-RE access "${access}" of ${describeType(btf, rootTypeId)} is wrong: ${reason}`,
  );
}

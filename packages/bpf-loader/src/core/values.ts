import type { Btf } from "../btf/btf.js";
import { BtfError } from "../btf/error.js";
import type { BtfType } from "../btf/types.js";
import { isComposite, isEnum } from "./compatible.js";
import { subjectOf } from "./kinds.js";
import { type CoreSpec, describeSpec } from "./spec.js";

/** What a relocation gives in one BTF. */
export interface CoreValue {
  readonly value: bigint;
  /** Whether the compiler must have written the same value for its own types; it chooses bit-fields' loads by itself. */
  readonly validate: boolean;
  /** The bytes that an access reads or writes, and the type that it reads; only for the offset of a plain field. */
  readonly access?: { readonly size: number; readonly type: BtfType };
}

/** What a relocation gives for its own spec, or for the one found in the kernel (bpf_core_calc_relo of libbpf). */
export function coreValue(spec: CoreSpec): CoreValue {
  switch (subjectOf(spec.kind)) {
    case "type":
      return typeValue(spec);
    case "enumerator":
      return enumeratorValue(spec);
    default:
      return fieldValue(spec);
  }
}

/** What a relocation gives where the kernel has nothing of the kind; undefined if there is no answer. */
export function missingValue(kind: CoreSpec["kind"]): CoreValue | undefined {
  const answered = subjectOf(kind) === "type" || kind === "field_exists" || kind === "enumval_exists";
  return answered ? { value: 0n, validate: true } : undefined;
}

function typeValue({ btf, kind, rootTypeId }: CoreSpec): CoreValue {
  switch (kind) {
    case "local_type_id":
    case "target_type_id":
      // Linkers renumber types and do not always rewrite what instructions hold.
      return { value: BigInt(rootTypeId), validate: false };
    case "type_size":
      return { value: BigInt(btf.sizeOf(rootTypeId)), validate: true };
    default:
      return { value: 1n, validate: true };
  }
}

function enumeratorValue({ btf, kind, accessors }: CoreSpec): CoreValue {
  if (kind === "enumval_exists") return { value: 1n, validate: true };
  const [{ typeId, index }] = accessors as [CoreSpec["accessors"][number]];
  const type = btf.type(typeId);
  if (!isEnum(type)) throw new BtfError("BTF_KIND", `type ${typeId} is no enum`);
  // Compilers before clang 15 do not say whether an enum is signed, and libbpf takes all that are 32 bits wide for it.
  const value = type.values[index]!.value;
  return { value: typeof value === "number" ? BigInt(value | 0) : value, validate: true };
}

function fieldValue(spec: CoreSpec): CoreValue {
  const { btf, kind, accessors, bitOffset } = spec;
  if (kind === "field_exists") return { value: 1n, validate: true };
  const last = accessors.at(-1)!;
  if (last.name === undefined) {
    const size = btf.sizeOf(last.typeId);
    if (kind === "byte_off")
      return {
        value: BigInt(Math.floor(bitOffset / 8)),
        validate: true,
        access: { size, type: btf.resolve(last.typeId) },
      };
    if (kind === "byte_sz") return { value: BigInt(size), validate: true };
    throw new BtfError("BTF_RANGE", `${describeSpec(spec)} is an element of an array, and has no ${kind}`);
  }
  const owner = btf.type(last.typeId);
  if (!isComposite(owner)) throw new BtfError("BTF_KIND", `type ${last.typeId} has no members`);
  const member = owner.members[last.index]!;
  const type = btf.resolve(member.type);
  if (kind === "signed")
    return { value: isEnum(type) || type.kind === "int" ? BigInt(type.signed) : 0n, validate: true };
  const isBitField = member.bitSize > 0;
  const size = isBitField ? declaredSize(type, spec) : btf.sizeOf(type.id);
  const window = isBitField
    ? bitWindow(bitOffset, member.bitSize, size, spec)
    : { size, offset: Math.floor(bitOffset / 8) };
  const bits = isBitField ? member.bitSize : size * 8;
  const validate = !isBitField;
  switch (kind) {
    case "byte_off":
      return {
        value: BigInt(window.offset),
        validate,
        ...(validate && { access: innermost(btf, type) }),
      };
    case "byte_sz":
      return { value: BigInt(window.size), validate };
    case "lshift_u64":
      return {
        value: BigInt(
          btf.littleEndian
            ? 64 - (bitOffset + bits - window.offset * 8)
            : (8 - window.size) * 8 + (bitOffset - window.offset * 8),
        ),
        validate,
      };
    default:
      return { value: BigInt(64 - bits), validate: true };
  }
}

/** What a load of a field reads: of an array, its elements. */
function innermost(btf: Btf, type: BtfType): { size: number; type: BtfType } {
  let element = type;
  // sizeOf has bounded how deep arrays nest.
  const size = btf.sizeOf(type.id);
  if (element.kind !== "array") return { size, type };
  while (element.kind === "array") element = btf.resolve(element.type);
  return { size: btf.sizeOf(element.id), type: element };
}

function declaredSize(type: BtfType, spec: CoreSpec): number {
  if ((type.kind === "int" || isEnum(type)) && [1, 2, 4, 8].includes(type.size)) return type.size;
  throw new BtfError("BTF_RANGE", `${describeSpec(spec)} is a bit-field, but no integer of up to 8 bytes`);
}

/** The smallest aligned integer that holds a whole bit-field, at least as large as its declared type. */
function bitWindow(bitOffset: number, bits: number, declared: number, spec: CoreSpec) {
  let size = declared;
  const start = () => Math.floor(bitOffset / 8 / size) * size;
  while (bitOffset + bits > (start() + size) * 8) {
    if (size >= 8) throw new BtfError("BTF_RANGE", `${describeSpec(spec)} cannot be read as 64 bits`);
    size *= 2;
  }
  return { size, offset: start() };
}

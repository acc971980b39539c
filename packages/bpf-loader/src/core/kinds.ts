/**
 * What a CO-RE relocation asks:
 * - of a field: `byte_off`, `byte_sz`, `field_exists`, `signed`, and the shifts that isolate a bit-field read as 64
 *   bits, `lshift_u64` and `rshift_u64`
 * - of a type: `local_type_id` in the object's BTF, `target_type_id` in the kernel's, `type_exists`, `type_size`,
 *   `type_matches`
 * - of an enumerator: `enumval_exists`, `enumval_value`
 *
 * @useDeclaredType
 */
export type CoreRelocationKind =
  | "byte_off"
  | "byte_sz"
  | "field_exists"
  | "signed"
  | "lshift_u64"
  | "rshift_u64"
  | "local_type_id"
  | "target_type_id"
  | "type_exists"
  | "type_size"
  | "enumval_exists"
  | "enumval_value"
  | "type_matches";

/**
 * What a CO-RE relocation asks of the kernel's types, by the number in `enum bpf_core_relo_kind`
 * (include/uapi/linux/bpf.h). The names are those of libbpf's log.
 */
export const coreKinds: readonly CoreRelocationKind[] = [
  "byte_off",
  "byte_sz",
  "field_exists",
  "signed",
  "lshift_u64",
  "rshift_u64",
  "local_type_id",
  "target_type_id",
  "type_exists",
  "type_size",
  "enumval_exists",
  "enumval_value",
  "type_matches",
];

/** What a kind is about. */
export function subjectOf(kind: CoreRelocationKind): "field" | "type" | "enumerator" {
  const number = coreKinds.indexOf(kind);
  if (number < 6) return "field";
  return number >= 10 && number < 12 ? "enumerator" : "type";
}

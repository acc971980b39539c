import type { Btf } from "../btf/btf.js";
import { BtfError } from "../btf/error.js";
import { type BtfExt, type ExtRecords, firstAtOrAfter } from "../btf/ext.js";
import { type BpfFunction, INSTRUCTION_SIZE } from "../object/function.js";
import { type CoreRelocationKind, coreKinds } from "./kinds.js";
import { describeSpec, describeType, localSpec } from "./spec.js";

/** `struct bpf_core_relo` of one instruction (include/uapi/linux/bpf.h). */
export interface CoreRecord {
  /** Which instruction of its function. */
  readonly at: number;
  readonly kind: CoreRelocationKind;
  readonly typeId: number;
  /** The access string: "0:1:2". */
  readonly access: string;
}

/** A CO-RE relocation: something that an instruction wants to know about a type of the kernel it will run on. */
export interface CoreRelocation {
  /** The name of the function that the instruction belongs to. */
  readonly function: string;
  /** Which instruction of the function, counted from 0; a 64-bit load counts as two. */
  readonly instruction: number;
  readonly kind: CoreRelocationKind;
  /** The type at which the access begins, by its id in the object's BTF. */
  readonly typeId: number;
  /** That type in words: `struct task_struct`. */
  readonly type: string;
  /** What is looked for, in words: `task_struct.mm.owner`, or the enumerator `bpf_map_type.BPF_MAP_TYPE_HASH`. */
  readonly access: string;
}

/** The records of a function, in the order of its instructions. Throws {@link BtfError} for a record that makes no sense. */
export function coreRecords(function_: BpfFunction, ext: BtfExt, btf: Btf): CoreRecord[] {
  const records = ext.coreRelocations.get(function_.section);
  if (!records) return [];
  const start = function_.start * INSTRUCTION_SIZE;
  const from = firstAtOrAfter(records, start);
  const to = firstAtOrAfter(records, start + function_.code.length);
  return Array.from({ length: to - from }, (_, i) => readRecord(function_, records, from + i, btf));
}

/** All CO-RE relocations of some functions, in words. Throws {@link BtfError}. */
export function describeRelocations(
  functions: readonly BpfFunction[],
  ext: BtfExt,
  btf: Btf,
): CoreRelocation[] {
  return functions.flatMap((function_) =>
    coreRecords(function_, ext, btf).map(({ at, kind, typeId, access }) => ({
      function: function_.name,
      instruction: at,
      kind,
      typeId,
      type: describeType(btf, typeId),
      access: describeSpec(localSpec(btf, kind, typeId, access)),
    })),
  );
}

function readRecord(function_: BpfFunction, records: ExtRecords, index: number, btf: Btf): CoreRecord {
  const at = index * records.recordSize;
  const word = (offset: number) => records.data.getUint32(at + offset, btf.littleEndian);
  const kind = coreKinds[word(12)];
  if (!kind)
    throw new BtfError("BTF_KIND", `function "${function_.name}" has a CO-RE relocation of kind ${word(12)}`);
  return {
    at: records.offsets[index]! / INSTRUCTION_SIZE - function_.start,
    kind,
    typeId: word(4),
    access: btf.string(word(8)),
  };
}

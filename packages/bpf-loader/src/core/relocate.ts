import type { Btf } from "../btf/btf.js";
import type { BtfExt } from "../btf/ext.js";
import { BpfObjectError } from "../object/error.js";
import type { LinkedProgram } from "../object/link.js";
import { subjectOf } from "./kinds.js";
import { matchSpec } from "./match.js";
import { POISON, patch, poison } from "./patch.js";
import { type CoreRecord, coreRecords } from "./records.js";
import { type CoreSpec, describeSpec, describeType, localSpec } from "./spec.js";
import type { CoreTarget } from "./target.js";
import { type CoreValue, coreValue, missingValue } from "./values.js";

/**
 * Fits a linked program to a kernel: writes into its instructions what the kernel's types say. Where the kernel lacks
 * a type or a field, the instruction is poisoned: the program loads as long as the verifier never reaches it.
 * @returns the reasons of the poisoned instructions, in the order of the numbers that {@link poisonReason} finds
 * @throws BtfError, BpfObjectError for a relocation that makes no sense, or that the kernel answers in several ways
 */
export function relocateCore(
  program: LinkedProgram,
  ext: BtfExt,
  btf: Btf,
  littleEndian: boolean,
  target: CoreTarget,
): readonly string[] {
  const code = new DataView(program.code.buffer, program.code.byteOffset, program.code.byteLength);
  const reasons: string[] = [];
  const decisions = new Map<string, Decision>();
  for (const { function: function_, start } of program.functions) {
    for (const record of coreRecords(function_, ext, btf)) {
      const key = `${record.kind} ${record.typeId} ${record.access}`;
      let decision = decisions.get(key);
      if (!decision) {
        decision = decide(record, btf, target);
        decisions.set(key, decision);
      }
      const at = start + record.at;
      const { spec, local, found } = decision;
      const where = () =>
        `instruction ${record.at} of function "${function_.name}", which asks for ${record.kind} of ${describeSpec(spec)},`;
      const reason = !found
        ? decision.missing()
        : patch(code, at, littleEndian, local, found, where) === "poison"
          ? `${describeSpec(spec)} has ${found.access?.size} bytes instead of ${local.access?.size}, and is neither a pointer nor unsigned`
          : undefined;
      if (reason !== undefined) {
        poison(code, at, reasons.length, littleEndian);
        reasons.push(reason);
      }
    }
  }
  return reasons;
}

/** The reason why an instruction was poisoned, if a verifier's log says that it was reached. */
export function poisonReason(log: string, poisoned: readonly string[]): string | undefined {
  const number = /invalid func unknown#(\d+)/.exec(log)?.[1];
  return number === undefined ? undefined : poisoned[Number(number) - POISON];
}

interface Decision {
  readonly spec: CoreSpec;
  /** What the compiler must have written. */
  readonly local: CoreValue;
  /** What to write instead; undefined if the kernel has nothing of the kind. */
  readonly found: CoreValue | undefined;
  /** What the kernel lacks, in words. */
  readonly missing: () => string;
}

function decide({ kind, typeId, access }: CoreRecord, btf: Btf, target: CoreTarget): Decision {
  const spec = localSpec(btf, kind, typeId, access);
  const local = coreValue(spec);
  if (kind === "local_type_id") return { spec, local, found: local, missing: () => "" };
  const name = btf.name(typeId);
  if (name === "") {
    throw new BpfObjectError(
      "BPF_RELOCATION",
      `a ${btf.kind(typeId)} without a name cannot be looked for in the kernel (CO-RE relocation ${kind})`,
    );
  }
  let first: { spec: CoreSpec; value: CoreValue } | undefined;
  const candidates = target.candidates(name, btf.kind(typeId));
  for (const candidate of candidates) {
    const match = matchSpec(spec, candidate);
    if (!match) continue;
    const value = coreValue(match);
    if (!first) first = { spec: match, value };
    else if (match.bitOffset !== first.spec.bitOffset || value.value !== first.value.value) {
      throw new BpfObjectError(
        "BPF_RELOCATION",
        `the kernel has several ${describeType(btf, typeId)} that disagree about ${kind} of ${describeSpec(spec)}: ` +
          `${first.value.value} and ${value.value}`,
      );
    }
  }
  const missing = () =>
    candidates.length === 0 ? `there is no ${describeType(btf, typeId)}` : lacking(spec);
  return { spec, local, found: first ? first.value : missingValue(kind), missing };
}

function lacking(spec: CoreSpec): string {
  const { btf, rootTypeId, accessors, kind } = spec;
  const root = describeType(btf, rootTypeId);
  const whole = describeSpec(spec);
  const names = accessors.flatMap(({ name }) => name ?? []);
  switch (subjectOf(kind)) {
    case "enumerator":
      return `${root} has no enumerator "${names.at(-1)}"`;
    case "field":
      return `${root} has no field "${whole.slice(btf.name(rootTypeId).length).replace(/^\./, "")}"`;
    default:
      return `there is no ${root}`;
  }
}

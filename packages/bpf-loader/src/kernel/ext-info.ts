import { type BtfExt, type ExtRecords, firstAtOrAfter } from "../btf/ext.js";
import { type BpfFunction, INSTRUCTION_SIZE } from "../object/function.js";
import type { LinkedProgram } from "../object/link.js";
import type { InfoRecords } from "./program-load.js";

/** The function and line records of a linked program. Either is left out where a function has none: the kernel wants all or nothing. */
export function extInfo(
  program: LinkedProgram,
  ext: BtfExt,
  littleEndian: boolean,
): { functions: InfoRecords | undefined; lines: InfoRecords | undefined } {
  return {
    functions: gather(program, ext.functions, littleEndian, true),
    lines: gather(program, ext.lines, littleEndian, false),
  };
}

/** The indexes of the records of a function. */
function recordsOf(function_: BpfFunction, records: ExtRecords): number[] {
  const start = function_.start * INSTRUCTION_SIZE;
  const from = firstAtOrAfter(records, start);
  const to = firstAtOrAfter(records, start + function_.code.length);
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function gather(
  program: LinkedProgram,
  bySection: ReadonlyMap<string, ExtRecords>,
  littleEndian: boolean,
  onePerFunction: boolean,
): InfoRecords | undefined {
  const parts: Uint8Array[] = [];
  let recordSize = 0;
  for (const { function: function_, start } of program.functions) {
    const records = bySection.get(function_.section);
    const indexes = records ? recordsOf(function_, records) : [];
    // Both kinds must begin with the function's first instruction (check_btf_func, check_btf_line in kernel/bpf/verifier.c).
    if (!records || records.offsets[indexes[0] ?? 0] !== function_.start * INSTRUCTION_SIZE) return undefined;
    recordSize = records.recordSize;
    for (const index of onePerFunction ? indexes.slice(0, 1) : indexes) {
      const at = records.data.byteOffset + index * recordSize;
      const record = new Uint8Array(records.data.buffer, at, recordSize).slice();
      const instruction = start + records.offsets[index]! / INSTRUCTION_SIZE - function_.start;
      new DataView(record.buffer).setUint32(0, instruction, littleEndian);
      parts.push(record);
    }
  }
  const data = new Uint8Array(parts.length * recordSize);
  parts.forEach((record, i) => {
    data.set(record, i * recordSize);
  });
  return { data, recordSize, count: parts.length };
}

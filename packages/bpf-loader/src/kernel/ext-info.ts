import { type BtfExt, type ExtRecords, firstAtOrAfter } from "../btf/ext.js";
import type { BtfSlice } from "../btf/slice.js";
import { INSTRUCTION_SIZE } from "../object/function.js";
import type { LinkedProgram } from "../object/link.js";
import type { InfoRecords } from "./program-load.js";

/** The words of `struct bpf_func_info` and `struct bpf_line_info` after the instruction (include/uapi/linux/bpf.h). */
const TYPE_ID = 4;
const FILE_NAME = 4;
const LINE = 8;

/** The function and line records of a linked program. Either is left out where a function has none: the kernel wants all or nothing. */
export function extInfo(
  program: LinkedProgram,
  ext: BtfExt,
  slice: BtfSlice,
  littleEndian: boolean,
): { functions: InfoRecords | undefined; lines: InfoRecords | undefined } {
  const functions = gather(program, ext.functions, littleEndian, true);
  const lines = gather(program, ext.lines, littleEndian, false);
  if (slice.partial) {
    rewrite(functions, TYPE_ID, littleEndian, (id) => slice.typeId(id));
    rewrite(lines, FILE_NAME, littleEndian, (offset) => slice.string(offset));
    rewrite(lines, LINE, littleEndian, (offset) => slice.string(offset));
  }
  return { functions, lines };
}

/** The types and the strings of an object's BTF that the records of a program refer to. */
export function extReferences(
  program: LinkedProgram,
  ext: BtfExt,
  littleEndian: boolean,
  addType: (id: number) => void,
  addString: (offset: number) => void,
): void {
  for (const { records, from, to } of rangesOf(program, ext.functions, true)?.ranges ?? []) {
    for (let at = from * records.recordSize; at < to * records.recordSize; at += records.recordSize)
      addType(records.data.getUint32(at + TYPE_ID, littleEndian));
  }
  for (const { records, from, to } of rangesOf(program, ext.lines, false)?.ranges ?? []) {
    for (let at = from * records.recordSize; at < to * records.recordSize; at += records.recordSize) {
      addString(records.data.getUint32(at + FILE_NAME, littleEndian));
      addString(records.data.getUint32(at + LINE, littleEndian));
    }
  }
}

function rewrite(
  records: InfoRecords | undefined,
  offset: number,
  littleEndian: boolean,
  change: (word: number) => number,
): void {
  if (!records) return;
  const view = new DataView(records.data.buffer);
  for (let at = offset; at < records.data.length; at += records.recordSize)
    view.setUint32(at, change(view.getUint32(at, littleEndian)), littleEndian);
}

function gather(
  program: LinkedProgram,
  bySection: ReadonlyMap<string, ExtRecords>,
  littleEndian: boolean,
  onePerFunction: boolean,
): InfoRecords | undefined {
  const found = rangesOf(program, bySection, onePerFunction);
  if (!found) return undefined;
  const { ranges, count } = found;
  const recordSize = ranges[0]?.records.recordSize ?? 0;
  const data = new Uint8Array(count * recordSize);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const { records, from, to, shift } of ranges) {
    const { data: source, offsets } = records;
    const start = source.byteOffset + from * recordSize;
    data.set(new Uint8Array(source.buffer, start, (to - from) * recordSize), at);
    for (let i = from; i < to; i++, at += recordSize) {
      view.setUint32(at, offsets[i]! / INSTRUCTION_SIZE + shift, littleEndian);
    }
  }
  return { data, recordSize, count };
}

/** Some records of a section, and what to add to the number of the instruction in each. */
interface Range {
  readonly records: ExtRecords;
  readonly from: number;
  readonly to: number;
  readonly shift: number;
}

/** Where the records of each function of a program lie; undefined if a function has none. */
function rangesOf(
  program: LinkedProgram,
  bySection: ReadonlyMap<string, ExtRecords>,
  onePerFunction: boolean,
): { ranges: Range[]; count: number } | undefined {
  const ranges: Range[] = [];
  let count = 0;
  for (const { function: function_, start } of program.functions) {
    const records = bySection.get(function_.section);
    if (!records) return undefined;
    const offset = function_.start * INSTRUCTION_SIZE;
    const from = firstAtOrAfter(records, offset);
    // Both kinds must begin with the function's first instruction (check_btf_func, check_btf_line in kernel/bpf/verifier.c).
    if (records.offsets[from] !== offset) return undefined;
    const to = onePerFunction ? from + 1 : firstAtOrAfter(records, offset + function_.code.length);
    ranges.push({ records, from, to, shift: start - function_.start });
    count += to - from;
  }
  return { ranges, count };
}

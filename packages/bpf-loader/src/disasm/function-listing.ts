import type { Btf } from "../btf/btf.js";
import { type ExtRecords, firstAtOrAfter } from "../btf/ext.js";
import type { BpfObject } from "../object/bpf-object.js";
import { type BpfFunction, INSTRUCTION_SIZE } from "../object/function.js";
import { variableAt } from "../object/variable.js";
import { type DisassembledInstruction, disassemble } from "./disassemble.js";

/** A line of a program's source. */
export interface SourceLine {
  /** The file's name as the compiler was given it. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line itself, without the spaces around it; "" where the object does not hold it. */
  readonly text: string;
}

/** An instruction of a function of an object. */
export interface ListedInstruction extends DisassembledInstruction {
  /** The source line that begins with this instruction, where it is another than that of the one before. */
  readonly source?: SourceLine;
}

/**
 * Writes a function of an object as text, with the names of maps, variables, functions and helpers in it, and with the
 * source lines that `.BTF.ext` gives. Throws BtfError where the line information contradicts itself.
 */
export function disassembleFunction(object: BpfObject, function_: BpfFunction): ListedInstruction[] {
  const instructions = disassemble(function_.code, {
    littleEndian: object.littleEndian,
    references: function_.references,
    variableName: (section, offset) => variableAt(object, section, offset),
  });
  const records = object.btfExt?.lines.get(function_.section);
  if (!object.btf || !records) return instructions;
  const lines = sourceLines(object.btf, records, function_);
  let last: string | undefined;
  return instructions.map((instruction) => {
    const source = lines.get(instruction.at);
    if (!source) return instruction;
    const place = `${source.file}:${source.line}`;
    if (place === last) return instruction;
    last = place;
    return { ...instruction, source };
  });
}

/** `struct bpf_line_info`: instruction offset, file name, line, and line number and column in one word. */
function sourceLines(btf: Btf, records: ExtRecords, function_: BpfFunction): Map<number, SourceLine> {
  const lines = new Map<number, SourceLine>();
  const start = function_.start * INSTRUCTION_SIZE;
  const end = start + function_.code.length;
  for (let i = firstAtOrAfter(records, start); i < records.offsets.length; i++) {
    const offset = records.offsets[i]!;
    if (offset >= end) break;
    const at = i * records.recordSize;
    const word = records.data.getUint32(at + 12, btf.littleEndian);
    lines.set((offset - start) / INSTRUCTION_SIZE, {
      file: btf.string(records.data.getUint32(at + 4, btf.littleEndian)),
      line: word >>> 10,
      column: word & 0x3ff,
      text: btf.string(records.data.getUint32(at + 8, btf.littleEndian)).trim(),
    });
  }
  return lines;
}

import { hostLittleEndian } from "../asm.js";
import { helperName } from "../names/helpers.js";
import { INSTRUCTION_SIZE, type Reference } from "../object/function.js";
import { type Fields, instructionText, LOAD_IMMEDIATE_64, signed, UNKNOWN } from "./instruction-text.js";

/** How to read instructions. */
export interface DisassembleOptions {
  /** The byte order of the code; this machine's if absent. */
  readonly littleEndian?: boolean;
  /**
   * What instructions refer to, which then appears by name: {@link BpfFunction.references}. The text of a map, of a
   * variable and of a callback is `r1 = map[pods]`, `r1 = map[.rodata][0]+8 <horizon>` and `r2 = subprog[step]`.
   */
  readonly references?: readonly Reference[];
  /** The name of the variable at an offset of a data section: "horizon", or "table+4". */
  readonly variableName?: (section: string, offset: number) => string | undefined;
  /**
   * `llvm` writes numbers alone, as `llvm-objdump -d` does: `call 1`, `goto +2`, `ld_pseudo r1, 1, 0`.
   * `symbolic`, which it is if absent, writes names where there are any: `call bpf_map_lookup_elem#1`,
   * `goto +2 <L1>`, `r1 = map[fd:3]`.
   */
  readonly style?: "llvm" | "symbolic";
}

/** One instruction as text. */
export interface DisassembledInstruction {
  /** Its place in the code, counted in instructions of 8 bytes; a 64-bit load takes two. */
  readonly at: number;
  /** Its bytes: 8, or the 16 of a 64-bit load. A view of the code. */
  readonly bytes: Uint8Array;
  /** What it does, in the syntax of LLVM's assembler; "<unknown>" for bytes that are no instruction. */
  readonly text: string;
  /** Where it jumps to, if it does and that lies inside the code. */
  readonly target?: number;
  /** "L1", "L2", ... in the order of the code, for what is jumped to. */
  readonly label?: string;
}

/** BPF_PSEUDO_* of include/uapi/linux/bpf.h: what a 64-bit load loads, and whom a call calls. */
const PSEUDO_MAP_FD = 1;
const PSEUDO_MAP_VALUE = 2;
const PSEUDO_BTF_ID = 3;
const PSEUDO_FUNC = 4;
const PSEUDO_MAP_IDX = 5;
const PSEUDO_MAP_IDX_VALUE = 6;
const PSEUDO_CALL = 1;
const PSEUDO_KFUNC_CALL = 2;
const CALL = 0x85;

/**
 * Writes BPF instructions as text: all of the instruction set to version 4, with atomics, load-acquire, store-release,
 * may_goto and address space casts. Takes any bytes; what remains behind the last whole instruction is left out.
 * @param code instructions, from an object or from the kernel ({@link BpfProgram.translatedInstructions})
 */
export function disassemble(code: Uint8Array, options: DisassembleOptions = {}): DisassembledInstruction[] {
  const littleEndian = options.littleEndian ?? hostLittleEndian;
  const symbolic = options.style !== "llvm";
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const count = Math.floor(code.length / INSTRUCTION_SIZE);
  const references = new Map((options.references ?? []).map((reference) => [reference.at, reference]));

  const found: { at: number; slots: number; text: string; target: number | undefined; fields: Fields }[] = [];
  for (let at = 0; at < count; ) {
    const fields = readFields(view, at, count, littleEndian);
    const cut = fields.opcode === LOAD_IMMEDIATE_64 && at + 1 >= count;
    const { text, jump } = cut ? UNKNOWN : instructionText(fields);
    const slots = fields.opcode === LOAD_IMMEDIATE_64 && !cut ? 2 : 1;
    const target = jump === undefined ? undefined : at + 1 + jump;
    found.push({
      at,
      slots,
      text,
      fields,
      target: target !== undefined && target >= 0 && target < count ? target : undefined,
    });
    at += slots;
  }

  const labels = labelTargets(found.map((one) => one.target));
  return found.map(({ at, slots, text, target, fields }) => {
    const label = labels.get(at);
    return {
      at,
      bytes: code.subarray(at * INSTRUCTION_SIZE, (at + slots) * INSTRUCTION_SIZE),
      text: symbolic ? symbolicText(text, fields, references.get(at), target, labels, options) : text,
      ...(target !== undefined && { target }),
      ...(label !== undefined && { label }),
    };
  });
}

function readFields(view: DataView, at: number, count: number, littleEndian: boolean): Fields {
  const offset = at * INSTRUCTION_SIZE;
  const opcode = view.getUint8(offset);
  const registers = view.getUint8(offset + 1);
  return {
    opcode,
    dst: littleEndian ? registers & 0xf : registers >> 4,
    src: littleEndian ? registers >> 4 : registers & 0xf,
    offset: view.getInt16(offset + 2, littleEndian),
    imm: view.getInt32(offset + 4, littleEndian),
    nextImm: opcode === LOAD_IMMEDIATE_64 && at + 1 < count ? view.getInt32(offset + 12, littleEndian) : 0,
  };
}

function labelTargets(targets: readonly (number | undefined)[]): Map<number, string> {
  const places = [...new Set(targets)].filter((target) => target !== undefined).sort((a, b) => a - b);
  return new Map(places.map((place, i) => [place, `L${i + 1}`]));
}

function symbolicText(
  text: string,
  fields: Fields,
  reference: Reference | undefined,
  target: number | undefined,
  labels: ReadonlyMap<number, string>,
  options: DisassembleOptions,
): string {
  if (target !== undefined) return `${text} <${labels.get(target)}>`;
  if (fields.opcode === CALL) return `call ${callee(fields, reference)}`;
  if (fields.opcode !== LOAD_IMMEDIATE_64 || text === UNKNOWN.text) return text;
  const loaded = reference ? referenceText(reference, options) : pseudoText(fields);
  return loaded === undefined ? text : `r${fields.dst} = ${loaded}`;
}

function callee({ src, imm, offset }: Fields, reference: Reference | undefined): string {
  if (reference) return "target" in reference ? reference.target.name : referenceName(reference);
  if (src === PSEUDO_CALL) return `pc${signed(imm)}`;
  // The offset is the index of the module's BTF (Documentation/bpf/kfuncs.rst).
  if (src === PSEUDO_KFUNC_CALL)
    return offset === 0 ? `kernel-function#${imm}` : `kernel-function#${imm}:${offset}`;
  const name = helperName(imm);
  return name === undefined ? `${imm}` : `${name}#${imm}`;
}

function referenceText(reference: Reference, { variableName }: DisassembleOptions): string {
  switch (reference.kind) {
    case "map":
      return `map[${reference.map.name}]`;
    case "map_value": {
      const { map, offset } = reference;
      const variable = variableName?.(map.name, offset);
      const place = `map[${map.name}][0]${signed(offset)}`;
      return variable === undefined ? place : `${place} <${variable}>`;
    }
    case "function_address":
      return `subprog[${reference.target.name}]`;
    default:
      return `extern[${referenceName(reference)}]`;
  }
}

function referenceName(reference: Reference): string {
  return "name" in reference ? reference.name : reference.kind;
}

/** The text of a load of something that only the kernel, or whoever loads, can name. */
function pseudoText({ src, imm, nextImm }: Fields): string | undefined {
  switch (src) {
    case PSEUDO_MAP_FD:
      return `map[fd:${imm}]`;
    case PSEUDO_MAP_VALUE:
      return `map[fd:${imm}][0]${signed(nextImm)}`;
    case PSEUDO_BTF_ID:
      return nextImm === 0 ? `btf[${imm}]` : `btf[${imm}:${nextImm}]`;
    case PSEUDO_FUNC:
      return `subprog[${signed(imm)}]`;
    case PSEUDO_MAP_IDX:
      return `map[idx:${imm}]`;
    case PSEUDO_MAP_IDX_VALUE:
      return `map[idx:${imm}][0]${signed(nextImm)}`;
    default:
      return undefined;
  }
}

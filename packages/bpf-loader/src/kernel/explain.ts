import { NotSupportedError } from "@weir/syscall";
import { mapType } from "../features/map-probe.js";
import { misc } from "../features/misc.js";
import { programType } from "../features/program-probe.js";
import { attachTypeSince, helperSince, mapTypeSince, programTypeSince } from "../features/since.js";
import { helperName } from "../names/helpers.js";
import { type AttachType, type MapType, ProgramFlag, type ProgramType } from "../names/tables.js";
import { kernelBefore } from "./call.js";

/** What a refused program asked of the kernel. */
interface RefusedProgram {
  readonly type: ProgramType;
  readonly instructions: Uint8Array;
  readonly expectedAttachType?: AttachType | number | undefined;
  readonly flags?: number;
}

/** The missing feature that explains why a program does not load; undefined if none is known to be missing. */
export function missingForProgram(program: RefusedProgram, log: string): NotSupportedError | undefined {
  const { type, instructions: code } = program;
  if (saysNothing(log)) {
    if (!programType(type)) return missing(`programs of type ${type}`, programTypeSince(type));
    const attribute = missingAttribute(program);
    if (attribute) return attribute;
  }
  const helper = /invalid func unknown#(\d+)/.exec(log)?.[1];
  if (helper !== undefined) {
    const name = helperName(Number(helper));
    return missing(name ? `helper ${name} (${helper})` : `helper ${helper}`, helperSince(Number(helper)));
  }
  if (uses(code, isAtomic) && !misc("atomics")) {
    return missing(
      "atomic BPF instructions beyond a plain add",
      "5.12",
      "The program uses fetch, exchange or compare-and-exchange; load a variant without them.",
    );
  }
  if (uses(code, isVersion4) && !misc("v4_isa"))
    return missing("BPF instructions of version 4", "6.6", "Compile the program with -mcpu=v3.");
  if (/programs can be sleepable/.test(log) && (program.flags ?? 0) & ProgramFlag.SLEEPABLE) {
    if (type === "kprobe" && kernelBefore(6, 0)) return missing("sleepable uprobes", "6.0");
    if (program.expectedAttachType === "trace_iter" && kernelBefore(6, 0))
      return missing("sleepable iterators", "6.0");
  }
  return undefined;
}

/** Whether the verifier refused a program before it looked at any instruction, and without a reason. */
export function saysNothing(log: string): boolean {
  return /^(processed 0 insns [^\n]*\n?)?$/.test(log);
}

/** A flag or an attach type that the kernel refuses without a word. */
function missingAttribute({ expectedAttachType, flags = 0 }: RefusedProgram): NotSupportedError | undefined {
  if (flags & ProgramFlag.XDP_HAS_FRAGS && kernelBefore(5, 18))
    return missing("XDP programs for packets in fragments (xdp.frags)", "5.18");
  if (typeof expectedAttachType !== "string") return undefined;
  const since = attachTypeSince(expectedAttachType);
  const [major, minor] = since?.split(".").map(Number) ?? [];
  return since && kernelBefore(major!, minor!)
    ? missing(`programs for the attach type ${expectedAttachType}`, since)
    : undefined;
}

function missing(feature: string, since: string | undefined, hint?: string): NotSupportedError {
  return new NotSupportedError({ feature, ...(since && { since }), ...(hint && { hint }) });
}

/** The missing feature that explains why a map is not created; undefined if none is known to be missing. */
export function missingForMap(type: MapType): NotSupportedError | undefined {
  if (mapType(type)) return undefined;
  return missing(`maps of type ${type}`, mapTypeSince(type));
}

/** Whether an instruction of the code is of some kind; the second half of a 64-bit load is none. */
function uses(code: Uint8Array, is: (code: Uint8Array, at: number) => boolean): boolean {
  for (let at = 0; at + 8 <= code.length; at += 8) {
    if (code[at] === 0x18) at += 8;
    else if (is(code, at)) return true;
  }
  return false;
}

/** An atomic instruction (BPF_STX | BPF_ATOMIC, 4 or 8 bytes) other than BPF_ADD without fetch. */
function isAtomic(code: Uint8Array, at: number): boolean {
  const opcode = code[at];
  return (opcode === 0xc3 || opcode === 0xdb) && code.subarray(at + 4, at + 8).some((byte) => byte !== 0);
}

/** What came with -mcpu=v4: sign-extending loads and moves, signed division, long jumps, unconditional byte swaps. */
function isVersion4(code: Uint8Array, at: number): boolean {
  const opcode = code[at]!;
  const hasOffset = code[at + 2] !== 0 || code[at + 3] !== 0;
  switch (opcode & 0x07) {
    case 0x01: // BPF_LDX | BPF_MEMSX
      return (opcode & 0xe0) === 0x80;
    case 0x04: // BPF_ALU: BPF_DIV, BPF_MOD, BPF_MOV
      return [0x30, 0x90, 0xb0].includes(opcode & 0xf0) && hasOffset;
    case 0x06: // BPF_JMP32 | BPF_JA
      return (opcode & 0xf0) === 0;
    case 0x07: // BPF_ALU64: as BPF_ALU, and BPF_END
      return ([0x30, 0x90, 0xb0].includes(opcode & 0xf0) && hasOffset) || (opcode & 0xf0) === 0xd0;
    default:
      return false;
  }
}

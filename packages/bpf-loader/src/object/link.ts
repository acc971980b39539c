import { BpfObjectError } from "./error.js";
import { type BpfFunction, INSTRUCTION_SIZE, type Reference } from "./function.js";

/** The kernel takes no program of more instructions than BPF_COMPLEXITY_LIMIT_INSNS (include/linux/bpf.h). */
const MAX_INSTRUCTIONS = 1_000_000;
/** BPF_PSEUDO_FUNC of include/uapi/linux/bpf.h. */
const PSEUDO_FUNC = 4;

/** What only the kernel, or a descriptor in it, has a number for. */
export type LoadReference = Extract<Reference, { kind: "map" | "map_value" | "extern" }>;

/** A program with every function that it calls appended to it. */
export interface LinkedProgram {
  /** All instructions: a copy. */
  readonly code: Uint8Array;
  /** The functions in the order in which they stand in `code`, each with its first instruction; the entry comes first. */
  readonly functions: readonly { readonly function: BpfFunction; readonly start: number }[];
  /** What is left to fill in when it is loaded; `at` counts from the start of `code`. */
  readonly references: readonly LoadReference[];
}

/**
 * Appends to a function all that it calls, each once, in the order of the first call as libbpf does, and makes the
 * calls relative. Throws {@link BpfObjectError} where that is too much.
 */
export function link(entry: BpfFunction, littleEndian: boolean): LinkedProgram {
  const functions = reachable(entry);
  const starts = new Map(functions.map((placed) => [placed.function, placed.start]));
  const last = functions.at(-1)!;
  const code = new Uint8Array(last.start * INSTRUCTION_SIZE + last.function.code.length);
  const view = new DataView(code.buffer);
  const references: LinkedProgram["references"][number][] = [];

  for (const { function: function_, start } of functions) {
    code.set(function_.code, start * INSTRUCTION_SIZE);
    for (const reference of function_.references) {
      const at = start + reference.at;
      switch (reference.kind) {
        case "map":
        case "map_value":
        case "extern":
          references.push({ ...reference, at });
          break;
        case "call":
          view.setInt32(at * INSTRUCTION_SIZE + 4, starts.get(reference.target)! - at - 1, littleEndian);
          break;
        case "function_address":
          setSourceRegister(view, at, PSEUDO_FUNC, littleEndian);
          view.setInt32(at * INSTRUCTION_SIZE + 4, starts.get(reference.target)! - at - 1, littleEndian);
          view.setInt32(at * INSTRUCTION_SIZE + 12, 0, littleEndian);
          break;
      }
    }
  }
  return { code, functions, references };
}

/** Writes the source register of an instruction, which says what kind of 64-bit load it is. */
export function setSourceRegister(view: DataView, at: number, register: number, littleEndian: boolean): void {
  const offset = at * INSTRUCTION_SIZE + 1;
  const registers = view.getUint8(offset);
  view.setUint8(offset, littleEndian ? (registers & 0x0f) | (register << 4) : (registers & 0xf0) | register);
}

// Depth first without recursion: a chain of calls may be as long as the object has functions.
function reachable(entry: BpfFunction): { function: BpfFunction; start: number }[] {
  const placed: { function: BpfFunction; start: number }[] = [];
  const seen = new Set<BpfFunction>();
  let count = 0;
  const place = (function_: BpfFunction) => {
    seen.add(function_);
    placed.push({ function: function_, start: count });
    count += function_.code.length / INSTRUCTION_SIZE;
    if (count > MAX_INSTRUCTIONS) {
      throw new BpfObjectError(
        "BPF_FUNCTION",
        `"${entry.name}" and what it calls have more than ${MAX_INSTRUCTIONS} instructions`,
      );
    }
  };
  place(entry);
  const stack = [{ references: entry.references, next: 0 }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const reference = top.references[top.next++];
    if (!reference) stack.pop();
    else if (
      (reference.kind === "call" || reference.kind === "function_address") &&
      !seen.has(reference.target)
    ) {
      place(reference.target);
      stack.push({ references: reference.target.references, next: 0 });
    }
  }
  return placed;
}

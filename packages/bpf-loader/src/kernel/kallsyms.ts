import { readFileSync } from "node:fs";
import { BpfObjectError } from "../object/error.js";

/** Whether the kernel, or a module, has a symbol of that name. */
export function hasSymbol(name: string): boolean {
  return kernelSymbols([name]).has(name);
}

/**
 * The addresses of kernel symbols, from /proc/kallsyms: in one pass, as the file is large.
 * Throws {@link BpfObjectError} for a name that stands for several addresses.
 */
export function kernelSymbols(names: Iterable<string>): Map<string, bigint> {
  const wanted = new Set(names);
  const found = new Map<string, bigint>();
  if (wanted.size === 0) return found;
  const text = readKallsyms();
  for (const name of wanted) {
    for (const value of addressesOf(text, name)) {
      const known = found.get(name);
      if (known !== undefined && known !== value) {
        throw new BpfObjectError(
          "BPF_EXTERN",
          `kernel symbol "${name}" is ambiguous: 0x${known.toString(16)} or 0x${value.toString(16)}`,
        );
      }
      found.set(name, value);
    }
  }
  return found;
}

// Lines read "ffffffff81000000 T name", followed by the module in brackets if it is in one. Clang's link-time
// optimisation adds ".llvm." and a hash to the names of static functions.
function* addressesOf(text: string, name: string): IterableIterator<bigint> {
  for (let at = text.indexOf(` ${name}`); at !== -1; at = text.indexOf(` ${name}`, at + 1)) {
    const behind = at + 1 + name.length;
    const next = text[behind];
    if (next !== "\n" && next !== "\t" && next !== undefined && !text.startsWith(".llvm.", behind)) continue;
    const start = text.lastIndexOf("\n", at) + 1;
    const address = /^([0-9a-f]+) \S$/.exec(text.slice(start, at))?.[1];
    if (address !== undefined) yield BigInt(`0x${address}`);
  }
}

function readKallsyms(): string {
  try {
    return readFileSync("/proc/kallsyms", "latin1");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return "";
    throw error;
  }
}

import type { Btf } from "../btf/btf.js";
import { poisonReason, relocateCore } from "../core/relocate.js";
import { CoreTarget } from "../core/target.js";
import type { BpfObject } from "../object/bpf-object.js";
import type { LinkedProgram } from "../object/link.js";
import { kernelBtf } from "./kernel-btf.js";

/** The kernel to fit programs to: the running one with its modules, read when first needed, or another's BTF. */
export function coreTarget(other: Btf | undefined): CoreTarget {
  if (other) return new CoreTarget(() => other);
  return new CoreTarget(kernelBtf.vmlinux, () => kernelBtf.modules().flatMap(moduleIfLoaded));
}

/** A module may be unloaded at any time. */
function moduleIfLoaded(name: string): Btf[] {
  try {
    return [kernelBtf.module(name)];
  } catch (error) {
    if (kernelBtf.modules().includes(name)) throw error;
    return [];
  }
}

/**
 * Applies a program's CO-RE relocations. Gives a function that finds in a verifier's log what the kernel lacks;
 * undefined if it lacks nothing.
 */
export function fitToKernel(
  { btf, btfExt, littleEndian }: BpfObject,
  program: LinkedProgram,
  target: CoreTarget,
): ((log: string) => string | undefined) | undefined {
  if (!btf || !btfExt || btfExt.coreRelocations.size === 0) return undefined;
  const reasons = relocateCore(program, btfExt, btf, littleEndian, target);
  return reasons.length === 0 ? undefined : (log) => poisonReason(log, reasons);
}

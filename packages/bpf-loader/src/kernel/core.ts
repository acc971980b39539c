import type { Btf } from "../btf/btf.js";
import type { BtfSlice } from "../btf/slice.js";
import { writeNumber } from "../core/patch.js";
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

/** A program that was fitted to a kernel. */
export interface Fit {
  /** Finds in a verifier's log what the kernel lacks. */
  explain(log: string): string | undefined;
  /** Writes the ids of the object's own types as they are in the part of its BTF that is loaded. */
  writeLocalTypes(code: DataView, slice: BtfSlice): void;
}

/** Applies a program's CO-RE relocations. Undefined for an object without any. */
export function fitToKernel(
  { btf, btfExt, littleEndian }: BpfObject,
  program: LinkedProgram,
  target: CoreTarget,
): Fit | undefined {
  if (!btf || !btfExt || btfExt.coreRelocations.size === 0) return undefined;
  const { reasons, localTypes } = relocateCore(program, btfExt, btf, littleEndian, target);
  return {
    explain: (log) => poisonReason(log, reasons),
    writeLocalTypes(code, slice) {
      for (const { at, typeId } of localTypes) writeNumber(code, at, slice.typeId(typeId), littleEndian);
    },
  };
}

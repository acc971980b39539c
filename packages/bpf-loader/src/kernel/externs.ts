import { type Fd, NotSupportedError } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import type { Btf } from "../btf/btf.js";
import { formatDeclaration } from "../btf/format.js";
import { Budget, type TypeRef, typesAreCompatible } from "../core/compatible.js";
import type { BpfObject } from "../object/bpf-object.js";
import { BpfObjectError } from "../object/error.js";
import type { ExternSpec } from "../object/externs.js";
import { INSTRUCTION_SIZE } from "../object/function.js";
import { type LinkedProgram, setSourceRegister } from "../object/link.js";
import { kernelBefore } from "./call.js";
import { kernelSymbols } from "./kallsyms.js";
import { type KconfigValues, kconfigValues } from "./kconfig.js";
import type { KernelTypes } from "./kernel-types.js";

/** BPF_PSEUDO_BTF_ID and BPF_PSEUDO_KFUNC_CALL of include/uapi/linux/bpf.h: of a 64-bit load, and of a call. */
const PSEUDO_BTF_ID = 3;
const PSEUDO_KFUNC_CALL = 2;
const LOAD_64 = 0x18;
/** A helper that no kernel has: the verifier refuses the call unless it finds that it is never reached. The number is libbpf's. */
const POISON = 2_002_000_000;

/** What an extern became; kernel options are not here, as they lie in a map. */
type Resolution =
  | { readonly kind: "address"; readonly address: bigint }
  | { readonly kind: "type"; readonly id: number; readonly module: Fd | undefined }
  | { readonly kind: "missing" };

/** The externs that some programs use, found in the kernel. */
export class Externs {
  readonly #resolved = new Map<ExternSpec, Resolution>();
  readonly #poisoned: ExternSpec[] = [];
  readonly #readOptions: () => KconfigValues;
  #options: KconfigValues | undefined;

  /**
   * Finds what the programs use, and nothing else: one missing symbol fails no program that does without it.
   * @param kconfig lines that go before the kernel's configuration
   * @throws BpfObjectError for a symbol or an option that is missing and not weak, or that does not fit
   */
  constructor(
    { externs: all, btf }: BpfObject,
    programs: readonly LinkedProgram[],
    types: KernelTypes,
    kconfig: string | undefined,
  ) {
    this.#readOptions = () => kconfigValues(all, kconfig);
    const used = new Set<ExternSpec>();
    for (const { references } of programs)
      for (const reference of references) if (reference.kind === "extern") used.add(reference.extern);
    const untyped = [...used].filter((extern) => extern.kind === "ksym" && extern.type === 0);
    const addresses = kernelSymbols(untyped.map((extern) => extern.name));
    for (const extern of used) {
      const problem = extern.kconfig && this.#kconfigValues.problems.get(extern);
      if (problem) throw problem;
      if (extern.kind !== "kconfig") this.#resolved.set(extern, resolve(extern, btf, addresses, types));
    }
  }

  /** The contents of section ".kconfig". */
  get kconfig(): Uint8Array {
    return this.#kconfigValues.bytes;
  }

  /**
   * Completes an instruction that refers to an extern other than a kernel option.
   * @param modules the BTF of modules that the program needs by their index, from 1; what is missing is added
   */
  complete(view: DataView, at: number, extern: ExternSpec, modules: Fd[]): void {
    const offset = at * INSTRUCTION_SIZE;
    const resolution = this.#resolved.get(extern)!;
    if (view.getUint8(offset) === LOAD_64) this.#completeLoad(view, at, extern, resolution);
    else this.#completeCall(view, at, extern, resolution, modules);
  }

  /** What the verifier's log says about externs, if anything. */
  explain(log: string): NotSupportedError | undefined {
    const number = /unknown#(20020\d{5})/.exec(log)?.[1];
    const extern = number === undefined ? undefined : this.#poisoned[Number(number) - POISON];
    if (extern) {
      return new NotSupportedError({
        feature: `kernel function "${extern.name}"`,
        hint: "The program calls it although it is weak and this kernel lacks it; test its address before.",
      });
    }
    const calls = [...this.#resolved].some(
      ([{ kind }, { kind: found }]) => kind === "kfunc" && found === "type",
    );
    if (calls && /BPF_CALL uses reserved fields/.test(log))
      return new NotSupportedError({ feature: "calls of kernel functions", since: "5.13" });
    const symbol = /failed to find the address for kernel symbol '(.*)'/.exec(log)?.[1];
    if (symbol !== undefined) {
      return new NotSupportedError({
        feature: `variable "${symbol}" among the symbols that it keeps`,
        hint: "It must be built with CONFIG_KALLSYMS_ALL.",
      });
    }
    return undefined;
  }

  get #kconfigValues(): KconfigValues {
    this.#options ??= this.#readOptions();
    return this.#options;
  }

  #completeLoad(view: DataView, at: number, extern: ExternSpec, resolution: Resolution): void {
    const offset = at * INSTRUCTION_SIZE;
    let [source, low, high] = [0, 0, 0];
    if (resolution.kind === "address") {
      low = Number(BigInt.asIntN(32, resolution.address));
      high = Number(BigInt.asIntN(32, resolution.address >> 32n));
    } else if (resolution.kind === "type" && extern.kind === "kfunc" && kernelBefore(6, 4)) {
      // Older kernels give the addresses of variables alone. A function's is only ever asked whether it is 0.
      low = 1;
    } else if (resolution.kind === "type") {
      source = PSEUDO_BTF_ID;
      low = resolution.id;
      high = resolution.module?.number ?? 0;
    }
    setSourceRegister(view, at, source, hostLittleEndian);
    view.setInt32(offset + 4, low, hostLittleEndian);
    view.setInt32(offset + 12, high, hostLittleEndian);
  }

  #completeCall(view: DataView, at: number, extern: ExternSpec, resolution: Resolution, modules: Fd[]): void {
    const offset = at * INSTRUCTION_SIZE;
    if (resolution.kind === "type") {
      setSourceRegister(view, at, PSEUDO_KFUNC_CALL, hostLittleEndian);
      view.setInt16(offset + 2, indexOf(modules, resolution.module), hostLittleEndian);
      view.setInt32(offset + 4, resolution.id, hostLittleEndian);
      return;
    }
    setSourceRegister(view, at, 0, hostLittleEndian);
    view.setInt16(offset + 2, 0, hostLittleEndian);
    let index = this.#poisoned.indexOf(extern);
    if (index === -1) index = this.#poisoned.push(extern) - 1;
    view.setInt32(offset + 4, POISON + index, hostLittleEndian);
  }
}

function indexOf(modules: Fd[], module: Fd | undefined): number {
  if (!module) return 0;
  const known = modules.indexOf(module);
  return known === -1 ? modules.push(module) : known + 1;
}

function resolve(
  extern: ExternSpec,
  btf: Btf | undefined,
  addresses: ReadonlyMap<string, bigint>,
  types: KernelTypes,
): Resolution {
  const { name, kind, weak } = extern;
  // "bpf_func___v2" stands for bpf_func: two declarations of it may differ.
  const kernelName = name.replace(/(?<=.)___.*$/, "");
  if (kind === "ksym" && extern.type === 0) {
    const address = addresses.get(name);
    if (address === 0n) throw hidden(name);
    if (address !== undefined) return { kind: "address", address };
  } else if (kind === "ksym" || kind === "kfunc") {
    const found = types.find(kernelName, kind === "kfunc" ? "func" : "var");
    const local = btf && { btf, id: btf.resolveId(extern.type) };
    if (found && local) {
      const target = { btf: found.btf, id: found.btf.resolveId(found.type.type) };
      if (typesAreCompatible(local, target, new Budget()))
        return { kind: "type", id: found.type.id, module: found.module };
      if (!weak || kind === "ksym") throw otherType(extern, target);
    }
  }
  if (weak) return { kind: "missing" };
  const what = {
    kconfig: "",
    ksym: extern.type === 0 ? "kernel symbol" : "kernel variable",
    kfunc: "kernel function",
    undeclared: "symbol",
  }[kind];
  const hint =
    kind === "undeclared"
      ? "this object does not define it, and it is declared neither __ksym nor __kconfig"
      : "this kernel does not have it";
  throw new BpfObjectError("BPF_EXTERN", `${what} "${name}": ${hint}`);
}

function otherType({ name }: ExternSpec, { btf, id }: TypeRef): BpfObjectError {
  const type = formatDeclaration(btf, id, name);
  return new BpfObjectError(
    "BPF_EXTERN",
    `"${name}" is of another type in this kernel than the object declares: ${type}`,
  );
}

function hidden(name: string): BpfObjectError {
  return new BpfObjectError(
    "BPF_EXTERN",
    `the kernel hides the address of "${name}": take CAP_SYSLOG, or lower kernel.kptr_restrict`,
  );
}

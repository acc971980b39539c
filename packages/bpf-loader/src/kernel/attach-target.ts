import type { Fd } from "@weir/syscall";
import type { AttachType } from "../names/tables.js";
import { BpfObjectError } from "../object/error.js";
import type { ProgramSpec } from "../object/program-spec.js";
import type { KernelTypes } from "./kernel-types.js";
import { programBtf } from "./program-btf.js";

/** What a program attaches to, where it must be known when the program is loaded. */
export interface AttachTarget {
  /** Id of a type in the kernel's BTF, or in that of `fd`. */
  readonly id: number;
  /** The program, or the module's BTF, that the type belongs to. */
  readonly fd: Fd | undefined;
}

/** How a hook is called in the kernel's BTF (find_kernel_btf_id and btf_get_kernel_prefix_kind of libbpf). */
const prefixes: Partial<Record<AttachType, readonly [prefix: string, kind: "func" | "typedef"]>> = {
  trace_raw_tp: ["btf_trace_", "typedef"],
  lsm_mac: ["bpf_lsm_", "func"],
  lsm_cgroup: ["bpf_lsm_", "func"],
  trace_iter: ["bpf_iter_", "func"],
};

/**
 * Finds what a tracing, lsm or ext program attaches to, by its `attachTarget`; undefined for other types.
 * @throws BpfObjectError if there is no such function or hook, or none is named
 */
export function findAttachTarget(spec: ProgramSpec, types: KernelTypes): AttachTarget | undefined {
  const { type, attachTarget, attachProgram } = spec;
  if (type !== "tracing" && type !== "lsm" && type !== "ext") return undefined;
  if (attachTarget === "") {
    throw problem(spec, `section "${spec.section}" does not say what to attach to; assign attachTarget`);
  }
  if (attachProgram) {
    const { btf } = programBtf(attachProgram);
    const found = btf.find(attachTarget, "func");
    if (!found) throw problem(spec, `program "${attachProgram.name}" has no function "${attachTarget}"`);
    return { id: found.id, fd: attachProgram.fd };
  }
  if (type === "ext") throw problem(spec, "it replaces a function of another program; assign attachProgram");
  const [prefix, kind] = (spec.expectedAttachType && prefixes[spec.expectedAttachType]) ?? ["", "func"];
  const colon = attachTarget.indexOf(":");
  const name = `${prefix}${attachTarget.slice(colon + 1)}`;
  const found = types.find(name, kind, colon === -1 ? undefined : attachTarget.slice(0, colon));
  if (!found)
    throw problem(spec, `the kernel's BTF has no ${kind === "func" ? "function" : "type"} "${name}"`);
  return { id: found.type.id, fd: found.module };
}

function problem(spec: ProgramSpec, what: string): BpfObjectError {
  return new BpfObjectError("BPF_EXTERN", `program "${spec.name}" has nothing to attach to: ${what}`);
}

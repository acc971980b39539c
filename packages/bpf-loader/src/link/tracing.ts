import { attachTypeTable } from "../names/tables.js";
import { linkCreateTracing } from "./attributes.js";
import {
  type AttachableProgram,
  createLink,
  LINK_CREATE,
  requireType,
  tracingCapabilities,
} from "./create.js";
import type { BpfLink } from "./link.js";
import { attachRawTracepoint } from "./tracepoint.js";

/** How to attach a tracing or LSM program to the function that it was loaded for. */
export interface TracingOptions {
  /** A number that bpf_get_attach_cookie gives to the program; Linux 5.19, for tp_btf 6.10. */
  readonly cookie?: bigint;
}

/** What a freplace program takes the place of, if not of what it was loaded for. */
export interface FreplaceOptions {
  /** The program that has the function; Linux 5.10. */
  readonly program: { readonly fd: { readonly number: number }; readonly name: string };
  /** Id of the function's type in that program's BTF. */
  readonly btfId: number;
}

/** What {@link BpfProgram.attachTracing} and {@link BpfProgram.attachLsm} do. */
export function attachTracing(program: AttachableProgram, options: TracingOptions = {}): BpfLink {
  requireType(program, "attachTracing", "tracing", "lsm", "ext");
  // Without a cookie the older command does, which every kernel with such programs has.
  if (options.cookie === undefined) return attachRawTracepoint(program, "");
  if (program.expectedAttachType === "trace_raw_tp") return attachRawTracepoint(program, "", options);
  // The kernel does not tell what a program was loaded for, and wants to hear the same again.
  if (!program.expectedAttachType)
    throw new RangeError(`program "${program.name}" was opened rather than loaded, and takes no cookie`);
  const attr = linkCreateTracing.build({
    progFd: program.fd.number,
    attachType: attachTypeTable.number(program.expectedAttachType),
    cookie: options.cookie,
  });
  const action = `attach program "${program.name}"`;
  return createLink(LINK_CREATE, attr, `tracing link of ${program.name}`, action, tracingCapabilities, {
    name: "cookies of tracing programs",
    since: "5.19",
  });
}

/** What {@link BpfProgram.attachFreplace} does. */
export function attachFreplace(program: AttachableProgram, options?: FreplaceOptions): BpfLink {
  requireType(program, "attachFreplace", "ext");
  if (!options) return attachRawTracepoint(program, "");
  const attr = linkCreateTracing.build({
    progFd: program.fd.number,
    target: options.program.fd.number,
    targetBtfId: options.btfId,
  });
  const action = `put program "${program.name}" in the place of a function of "${options.program.name}"`;
  return createLink(LINK_CREATE, attr, `freplace link of ${program.name}`, action, tracingCapabilities, {
    name: "freplace programs that are attached to another program than they were loaded for",
    since: "5.10",
  });
}

import { BpfCommand, cString, perfEventOpen } from "@weir/syscall";
import { kernelBefore } from "../kernel/call.js";
import { rawTracepointOpen } from "./attributes.js";
import { type AttachableProgram, createLink, requireType, tracingCapabilities } from "./create.js";
import type { BpfLink } from "./link.js";
import { perfEventAttr } from "./perf-attributes.js";
import { attachToEvent, type CookieOptions } from "./perf-event.js";
import { readTracefs } from "./tracefs.js";

const PERF_TYPE_TRACEPOINT = 2;

/** What {@link BpfProgram.attachTracepoint} does. */
export function attachTracepoint(
  program: AttachableProgram,
  category: string,
  name: string,
  options: CookieOptions = {},
): BpfLink {
  requireType(program, "attachTracepoint", "tracepoint");
  if (!/^[\w-]+$/.test(category) || !/^[\w-]+$/.test(name))
    throw new RangeError(`"${category}/${name}" is no tracepoint`);
  const place = `tracepoint ${category}/${name}`;
  const action = `attach program "${program.name}" to ${place}`;
  const config = Number(readTracefs(`events/${category}/${name}/id`, action));
  const attr = perfEventAttr.build({
    type: PERF_TYPE_TRACEPOINT,
    size: perfEventAttr.size,
    config,
    samplePeriod: 1,
    wakeupEvents: 1,
  });
  return attachToEvent(program, perfEventOpen(attr, -1, 0, -1, 0, action), place, options);
}

/** A cookie for programs that are attached without a perf event. */
export interface RawTracepointOptions {
  /** A number that bpf_get_attach_cookie gives to the program; Linux 6.10. */
  readonly cookie?: bigint;
}

/** What {@link BpfProgram.attachRawTracepoint} does: BPF_RAW_TRACEPOINT_OPEN. */
export function attachRawTracepoint(
  program: AttachableProgram,
  name: string,
  options: RawTracepointOptions = {},
): BpfLink {
  const attr = rawTracepointOpen.build({
    name: name === "" ? null : cString(name),
    progFd: program.fd.number,
    cookie: options.cookie ?? 0n,
  });
  const action =
    name === ""
      ? `attach program "${program.name}"`
      : `attach program "${program.name}" to the raw tracepoint ${name}`;
  const feature =
    options.cookie !== undefined && kernelBefore(6, 10)
      ? ({ name: "cookies of raw tracepoints", since: "6.10" } as const)
      : undefined;
  return createLink(
    BpfCommand.RAW_TRACEPOINT_OPEN,
    attr,
    `raw tracepoint link of ${program.name}`,
    action,
    tracingCapabilities,
    feature,
  );
}

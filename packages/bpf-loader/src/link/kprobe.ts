import { readFileSync } from "node:fs";
import { cString, errno, NotSupportedError, perfEventOpen, SystemError } from "@weir/syscall";
import { type AttachableProgram, requireType } from "./create.js";
import type { BpfLink } from "./link.js";
import { perfEventAttr } from "./perf-attributes.js";
import { attachToEvent, type CookieOptions } from "./perf-event.js";

/** How to attach to a kernel function. */
export interface KprobeOptions extends CookieOptions {
  /** Bytes behind the function's beginning; not with `return`. */
  readonly offset?: number;
  /** Run when the function returns. */
  readonly return?: boolean;
}

/** What {@link BpfProgram.attachKprobe} does: a perf event of the kprobe PMU (kernel/events/core.c), Linux 4.17. */
export function attachKprobe(
  program: AttachableProgram,
  target: string | bigint,
  options: KprobeOptions = {},
): BpfLink {
  requireType(program, "attachKprobe", "kprobe");
  const offset = options.offset ?? 0;
  const atReturn = options.return === true;
  const where = typeof target === "string" ? target : `0x${target.toString(16)}`;
  const place = `${atReturn ? "kretprobe" : "kprobe"} of ${where}${offset ? `+${offset}` : ""}`;
  const action = `attach program "${program.name}" to the ${place}`;
  const pmu = dynamicEvent("kprobe", action);
  const attr = perfEventAttr.build({
    type: pmu.type,
    size: perfEventAttr.size,
    config: atReturn ? 1n << pmu.returnBit : 0n,
    config1: typeof target === "string" ? cString(target) : null,
    config2: typeof target === "string" ? offset : target + BigInt(offset),
  });
  try {
    return attachToEvent(program, perfEventOpen(attr, -1, 0, -1, 0, action), place, options);
  } catch (error) {
    throw explain(error, action, where);
  }
}

/** A PMU that makes probes, with the bit of its config that asks for the return; see /sys/bus/event_source/devices. */
export function dynamicEvent(kind: "kprobe" | "uprobe", action: string): { type: number; returnBit: bigint } {
  const folder = `/sys/bus/event_source/devices/${kind}`;
  try {
    const type = Number(readFileSync(`${folder}/type`, "latin1"));
    const bit = /config:(\d+)/.exec(readFileSync(`${folder}/format/retprobe`, "latin1"))?.[1] ?? "0";
    return { type, returnBit: BigInt(bit) };
  } catch (cause) {
    const option = kind === "kprobe" ? "CONFIG_KPROBE_EVENTS" : "CONFIG_UPROBE_EVENTS";
    throw new NotSupportedError({
      feature: `${kind} events`,
      hint: `Could not ${action}: the kernel must be built with ${option}, and sysfs be mounted.`,
      cause,
    });
  }
}

function explain(error: unknown, action: string, where: string): unknown {
  if (!(error instanceof SystemError) || error.syscall !== "perf_event_open") return error;
  if (error.errno !== errno.ENOENT && error.errno !== errno.EINVAL && error.errno !== errno.EADDRNOTAVAIL)
    return error;
  return new SystemError({
    errno: error.errno,
    syscall: error.syscall,
    action,
    hint: `/proc/kallsyms must have ${where}, and it must not be among /sys/kernel/debug/kprobes/blacklist.`,
    cause: error,
  });
}

import { cString, perfEventOpen } from "@weir/syscall";
import { type AttachableProgram, requireType } from "./create.js";
import { resolveBinary, symbolOffset } from "./executable.js";
import { dynamicEvent } from "./kprobe.js";
import type { BpfLink } from "./link.js";
import { perfEventAttr } from "./perf-attributes.js";
import { attachToEvent, type CookieOptions } from "./perf-event.js";

/** Where in a file the offset of a reference counter stands in the config of the uprobe PMU. */
const REF_COUNTER_BITS = 32n;

/** How to attach to a function of an executable or a shared library. */
export interface UprobeOptions extends CookieOptions {
  /** Run for this process alone; for all that have the file in memory if absent. */
  readonly pid?: number;
  /** The function, by name ("malloc", "foo@VERS_2"); or else `offset` alone says where. */
  readonly symbol?: string;
  /** Bytes behind the symbol's beginning, or in the file where there is no symbol. */
  readonly offset?: number;
  /** Run when the function returns. */
  readonly return?: boolean;
  /** Where in the file a counter stands that tells how many watch (USDT's semaphore). */
  readonly refCounterOffset?: number;
}

/**
 * What {@link BpfProgram.attachUprobe} does: a perf event of the uprobe PMU (kernel/events/core.c), Linux 4.17.
 * @param path of the file; a name without a slash is looked for where the system keeps libraries and programs
 */
export function attachUprobe(program: AttachableProgram, path: string, options: UprobeOptions): BpfLink {
  requireType(program, "attachUprobe", "kprobe");
  const { symbol, pid = -1, refCounterOffset = 0 } = options;
  if (symbol === undefined && options.offset === undefined)
    throw new RangeError("give the symbol or the offset that a uprobe is for");
  const file = resolveBinary(path);
  const offset = (symbol === undefined ? 0 : symbolOffset(file, symbol)) + (options.offset ?? 0);
  const atReturn = options.return === true;
  const place = `${atReturn ? "uretprobe" : "uprobe"} of ${symbol ?? `0x${offset.toString(16)}`} in ${file}`;
  const action = `attach program "${program.name}" to the ${place}`;
  const pmu = dynamicEvent("uprobe", action);
  const attr = perfEventAttr.build({
    type: pmu.type,
    size: perfEventAttr.size,
    config: (atReturn ? 1n << pmu.returnBit : 0n) | (BigInt(refCounterOffset) << REF_COUNTER_BITS),
    config1: cString(file),
    config2: offset,
  });
  const event = perfEventOpen(attr, pid, pid === -1 ? 0 : -1, -1, 0, action);
  return attachToEvent(program, event, place, options);
}

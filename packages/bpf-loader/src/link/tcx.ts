import { NotSupportedError } from "@weir/syscall";
import { misc } from "../features/misc.js";
import { type AttachableProgram, requireType } from "./create.js";
import type { BpfLink } from "./link.js";
import { attachOrdered, type OrderedOptions } from "./ordered.js";
import { attachTc, type TcOptions } from "./tc.js";

/** Where to attach a program with tcx. */
export interface TcxOptions extends OrderedOptions {
  readonly direction: "ingress" | "egress";
  /**
   * What to do before Linux 6.6: by default the program becomes a filter of the device's clsact qdisc
   * ({@link BpfProgram.attachTc}), whose handle and priority may be given here; false refuses it.
   */
  readonly fallback?: false | Pick<TcOptions, "handle" | "priority" | "replace">;
}

const feature = {
  name: "tcx links",
  since: "6.6",
  has: () => misc("tcx"),
  hint: "Attach the program as a filter of the device's clsact qdisc instead.",
} as const;

/** What {@link BpfProgram.attachTcx} does. */
export function attachTcx(program: AttachableProgram, options: TcxOptions): BpfLink {
  requireType(program, "attachTcx", "sched_cls");
  const { ifindex, direction, netns, fallback } = options;
  const place = `the ${direction} of device ${ifindex}`;
  try {
    return attachOrdered(program, options, "tcx", `tcx_${direction}`, place, feature);
  } catch (error) {
    if (!(error instanceof NotSupportedError) || fallback === false || isOrdered(options)) throw error;
    return attachTc(program, { ifindex, direction, ...(netns !== undefined && { netns }), ...fallback });
  }
}

/** Whether a place among others is asked for, which a filter could not be given. */
function isOrdered(options: TcxOptions): boolean {
  const { before, after, expectedRevision, link } = options;
  return before !== undefined || after !== undefined || expectedRevision !== undefined || link === false;
}

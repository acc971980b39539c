import { misc } from "../features/misc.js";
import { type AttachableProgram, requireType } from "./create.js";
import type { BpfLink } from "./link.js";
import { attachOrdered, type OrderedOptions } from "./ordered.js";

/** Where to attach a program in a netkit pair. The index is that of the primary device: programs of both ends hang on it. */
export interface NetkitOptions extends OrderedOptions {
  /** The device whose outgoing packets it handles; by the section that the program came from if absent, else the primary. */
  readonly end?: "primary" | "peer";
}

/** What {@link BpfProgram.attachNetkit} does. */
export function attachNetkit(program: AttachableProgram, options: NetkitOptions): BpfLink {
  requireType(program, "attachNetkit", "sched_cls");
  const end = options.end ?? (program.expectedAttachType === "netkit_peer" ? "peer" : "primary");
  const place = `the ${end} end of netkit device ${options.ifindex}`;
  return attachOrdered(program, options, "netkit", `netkit_${end}`, place, {
    name: "netkit links",
    since: "6.7",
    has: () => misc("netkit"),
  });
}

import { mkdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { BpfLink, type NetnsReference } from "@weir/bpf-loader";
import { loadEntryProgram } from "./entry-program.js";
import type { ProgramTable } from "./program-table.js";

/** What a pinned link should be. */
export interface HeldLink {
  /** The file on the BPF filesystem that holds the link. Names there must not contain a dot. */
  pin: string;
  /** The device, in the namespace. */
  ifindex: number;
  netns?: NetnsReference | undefined;
  direction: "egress" | "ingress";
  /** The shared program, by its place in the table. */
  slot: number;
  /** What it finds in `skb->tc_classid`. */
  classid: number;
}

/**
 * Attaches a shared program to a device by a tcx link that a file on the host's BPF filesystem holds: a process inside
 * the pod's namespace cannot detach it, whatever its capabilities there. It runs before what is attached already, and
 * lets others run after it. A link that is there already is replaced, without a moment in which neither runs.
 *
 * The kernel waits for a grace period of RCU, 10 to 30 ms, before it lets the caller go on (tcx_entry_sync). It ends a
 * link with its last descriptor or file, so a process that dies before it is pinned leaves nothing.
 */
export function attachHeld(programs: ProgramTable, { pin, slot, classid, ...place }: HeldLink): void {
  using program = loadEntryProgram(programs.map, slot, classid);
  const { ifindex, netns, direction } = place;
  using link = program.attachTcx({
    ifindex,
    direction,
    before: "all",
    ...(netns === undefined ? {} : { netns }),
  });
  // Packets that meet both programs meanwhile are charged twice, which is better than not at all.
  removeHeld(pin);
  mkdirSync(dirname(pin), { recursive: true, mode: 0o700 });
  link.pin(pin);
}

/** What the kernel says of a pinned link; undefined where it is gone, or not attached to the device any more. */
export function heldLink(pin: string, ifindex: number): { id: number; programId: number } | undefined {
  using link = openLink(pin);
  if (!link) return undefined;
  const { info } = link;
  // The kernel says 0 once the device is gone or somebody has detached the link.
  return info.type === "tcx" && info.ifindex === ifindex ? info : undefined;
}

/**
 * Lets go of a pinned link. The kernel detaches it a little later, from a work queue (bpf_link_put): to detach it here
 * would take a grace period of RCU.
 * @returns false where there was none
 */
export function removeHeld(pin: string): boolean {
  try {
    unlinkSync(pin);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return false;
    throw error;
  }
}

function openLink(pin: string): BpfLink | undefined {
  try {
    return BpfLink.open(pin);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw error;
  }
}

import { NetlinkEncodeError } from "../schema/errors.js";

/**
 * The handle of a qdisc or class, major in the upper 16 bits. As text it is hexadecimal, as tc(8) writes it:
 * "1:0" or "1:" is 0x10000.
 */
export type Handle = number | `${string}:${string}`;
/** Where a qdisc hangs: a handle, "root", or "clsact" (also called "ingress") for the hook beside the root. */
export type QdiscParent = Handle | "root" | "clsact" | "ingress";
/** Where filters hang: a qdisc's or class's handle, "root", or one side of clsact. */
export type FilterParent = Handle | "root" | "egress" | "ingress";

/** Handles with a meaning of their own: TC_H_* of include/uapi/linux/pkt_sched.h. */
export const TcHandle = {
  UNSPEC: 0,
  ROOT: 0xffff_ffff,
  CLSACT: 0xffff_fff1,
  /** The handle that the clsact and ingress qdiscs have. */
  CLSACT_QDISC: 0xffff_0000,
  FILTER_INGRESS: 0xffff_fff2,
  FILTER_EGRESS: 0xffff_fff3,
} as const;

/** Reads a handle. @throws NetlinkEncodeError where it is none */
export function parseHandle(handle: Handle): number {
  if (typeof handle === "number") {
    if (Number.isInteger(handle) && handle >= 0 && handle <= 0xffff_ffff) return handle;
  } else {
    const match = /^([0-9a-f]{0,4}):([0-9a-f]{0,4})$/i.exec(handle);
    if (match && handle !== ":") return hex(match[1]) * 0x10000 + hex(match[2]);
  }
  throw new NetlinkEncodeError(`"${String(handle)}" is not a handle such as "1:0"`);
}

/** A handle as tc(8) writes it: "1:", "1:10", "root", "none". */
export function formatHandle(handle: number): string {
  if (handle === TcHandle.UNSPEC) return "none";
  if (handle === TcHandle.ROOT) return "root";
  if (handle === TcHandle.CLSACT) return "clsact";
  const minor = handle & 0xffff;
  return `${(handle >>> 16).toString(16)}:${minor === 0 ? "" : minor.toString(16)}`;
}

/** The number of a qdisc's place. */
export function qdiscParent(parent: QdiscParent): number {
  if (parent === "root") return TcHandle.ROOT;
  return parent === "clsact" || parent === "ingress" ? TcHandle.CLSACT : parseHandle(parent);
}

/** The number of a filter's place. */
export function filterParent(parent: FilterParent): number {
  if (parent === "root") return TcHandle.ROOT;
  if (parent === "egress") return TcHandle.FILTER_EGRESS;
  return parent === "ingress" ? TcHandle.FILTER_INGRESS : parseHandle(parent);
}

function hex(digits: string | undefined): number {
  return digits ? Number.parseInt(digits, 16) : 0;
}

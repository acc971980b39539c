import type { Direction } from "./limits.js";

/** The fq qdisc that weir puts at a device's root is known by this handle: "77e1:". */
export const FQ_HANDLE = 0x77e1_0000;

/** Where weir's filter stands at clsact egress: first, since one before it could let packets pass unshaped. */
export const EGRESS_PRIORITY = 1;

/** Where the redirection stands at clsact ingress: last, so that other ingress filters see the packets before. */
export const INGRESS_PRIORITY = 0xfff0;

/** The handle of each of weir's filters within its priority. */
export const FILTER_HANDLE = 1;

/** The name that tc shows for the filter. */
export const FILTER_NAME = "weir";

/**
 * The ifb device through which a device's ingress goes. It is named by the device's index, which stays the same when
 * the device is renamed.
 */
export function ifbName(ifindex: number): string {
  return `weir${ifindex}`;
}

/** The map entry of a slot's direction. Entry 0 is never used: a filter without a classid would find it. */
export function entryOf(slot: number, direction: Direction): number {
  return slot * 2 + (direction === "ingress" ? 1 : 0);
}

/**
 * The fq qdisc's parameters: it only ever waits until the departure times that the BPF program wrote, and never drops,
 * since the program has already dropped what would wait too long. A drop in fq would have been charged to the clock.
 */
export const FQ_OPTIONS = {
  limit: 65_536,
  flowLimit: 65_536,
  pacing: true,
  horizonUs: 4_000_000_000,
  horizonDrop: false,
} as const;

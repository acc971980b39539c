import type { Rtnetlink } from "@weir/netlink";
import { FQ_HANDLE } from "./names.js";

/** The longest that anything waits for a queue to empty: what waits longer was sent under a very low limit. */
const LONGEST_MS = 1_000;

/** Between two looks at the queue. */
const PAUSE_MS = 2;

/**
 * Waits until weir's fq qdisc at a device's root holds no packet, since whoever removes it loses what it holds. The
 * limit is to be lifted before, so that new packets do not keep it waiting.
 * @returns whether it is empty, or not weir's
 */
export function drain(rt: Rtnetlink, ifindex: number): boolean {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (const until = performance.now() + LONGEST_MS; ; ) {
    const root = rt.qdiscs.find(ifindex);
    if (root?.handle !== FQ_HANDLE || (root.stats?.queueLength ?? 0) === 0) return true;
    if (performance.now() >= until) return false;
    Atomics.wait(sleeper, 0, 0, PAUSE_MS);
  }
}

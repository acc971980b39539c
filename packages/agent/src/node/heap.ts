import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How much garbage may be there before it is collected. */
const GARBAGE_BYTES = 12 << 20;

let collect: (() => void) | undefined;
let usedAfter = 0;

/**
 * Collects garbage where there is much of it. Each look at all attachments replaces what was known of them, and V8 by
 * itself lets a heap grow to several times what is in use before it does so: memory that the node's pods could have.
 */
export function tidyHeap(): void {
  const used = getHeapStatistics().used_heap_size;
  if (usedAfter > 0 && used < usedAfter + GARBAGE_BYTES) return;
  collect ??= collector();
  collect();
  usedAfter = getHeapStatistics().used_heap_size;
}

/** V8's own function, which contexts have that are made after the flag was set. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as () => void;
  } catch {
    return () => {};
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}

import type { Direction, Shaper } from "@weir/shaper";

type Counters = NonNullable<ReturnType<Shaper["counters"]>[Direction]>;

/** What passes now: the difference of two samples of the counters. */
export interface Rates {
  /** Between the samples, in milliseconds. */
  readonly intervalMs: number;
  readonly bitsPerSecond: number;
  readonly packetsPerSecond: number;
  readonly droppedPerSecond: number;
  readonly markedPerSecond: number;
  /** How long a packet that was let through waits, in the mean; undefined where none was. */
  readonly meanDelayNs?: number;
}

type Sample = ReadonlyMap<string, { [direction in Direction]?: Counters }>;

/** Samples counters, and tells what passes between one sample and the next. */
export class RateMeter {
  #before: Sample = new Map();
  #now: Sample = new Map();
  #at = 0;
  #intervalMs = 0;

  /** Takes a sample of the attachments with these ids. */
  sample(shaper: Shaper, ids: Iterable<string>): void {
    const sample = new Map<string, ReturnType<Shaper["counters"]>>();
    const at = performance.now();
    for (const id of ids) {
      try {
        sample.set(id, shaper.counters(id));
      } catch {
        // It is gone, or damaged, which its inspection says.
      }
    }
    [this.#before, this.#now] = [this.#now, sample];
    [this.#intervalMs, this.#at] = [at - this.#at, at];
  }

  /** What passes now in one direction of an attachment; undefined where there are no two samples that belong together. */
  rates(id: string, direction: Direction): Rates | undefined {
    const [before, now] = [this.#before.get(id)?.[direction], this.#now.get(id)?.[direction]];
    return before && now ? difference(before, now, this.#intervalMs) : undefined;
  }
}

/** What passed between two samples; undefined where the counters began anew between them. */
export function difference(before: Counters, now: Counters, intervalMs: number): Rates | undefined {
  if (now.packets < before.packets || now.bytes < before.bytes || intervalMs <= 0) return undefined;
  const perSecond = (name: "bytes" | "packets" | "dropped" | "marked") =>
    (Number(now[name] - before[name]) * 1000) / intervalMs;
  const packets = now.packets - before.packets;
  return {
    intervalMs,
    bitsPerSecond: perSecond("bytes") * 8,
    packetsPerSecond: perSecond("packets"),
    droppedPerSecond: perSecond("dropped"),
    markedPerSecond: perSecond("marked"),
    ...(packets === 0n ? {} : { meanDelayNs: Number(now.delayNs - before.delayNs) / Number(packets) }),
  };
}

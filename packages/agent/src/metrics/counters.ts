/** What is counted of one direction of an attachment; each only grows as long as the attachment stays the same. */
export interface Counted {
  packets: bigint;
  bytes: bigint;
  dropped: bigint;
  marked: bigint;
  delayed: bigint;
  delayNs: bigint;
}

const names = ["packets", "bytes", "dropped", "marked", "delayed", "delayNs"] as const;

/** What was counted where nothing was. */
export const nothing: Counted = { packets: 0n, bytes: 0n, dropped: 0n, marked: 0n, delayed: 0n, delayNs: 0n };

/**
 * Counters that never go backwards, of counters that begin anew whenever an attachment is made again: what was counted
 * before is added to what is counted now.
 */
export class SteadyCounters {
  readonly #series = new Map<string, { before: Counted; last: Counted; generation: string }>();

  /**
   * @param key whose counters they are
   * @param generation changes where the kernel's counters have begun anew
   * @returns the counters of all generations together
   */
  update(key: string, generation: string, now: Counted): Counted {
    const known = this.#series.get(key);
    if (!known) {
      this.#series.set(key, { before: nothing, last: pick(now), generation });
      return pick(now);
    }
    const isAnew = known.generation !== generation || names.some((name) => now[name] < known.last[name]);
    if (isAnew) known.before = sum(known.before, known.last);
    known.last = pick(now);
    known.generation = generation;
    return sum(known.before, known.last);
  }

  /**
   * As {@link update}, for all that there is now; the rest is forgotten.
   * @param isKept whether a key that is not there now is kept all the same
   */
  updateAll(
    all: Iterable<{ key: string; generation: string; counted: Counted }>,
    isKept: (key: string) => boolean,
  ): void {
    const now = new Set<string>();
    for (const { key, generation, counted } of all) {
      this.update(key, generation, counted);
      now.add(key);
    }
    for (const key of this.keys()) if (!now.has(key) && !isKept(key)) this.forget(key);
  }

  /** What was counted last, also of what is not there now; undefined where nothing ever was. */
  last(key: string): Counted | undefined {
    const known = this.#series.get(key);
    return known && sum(known.before, known.last);
  }

  /** The keys of everything that was counted. */
  keys(): IterableIterator<string> {
    return this.#series.keys();
  }

  /** Forgets a key. */
  forget(key: string): void {
    this.#series.delete(key);
  }
}

function pick(counted: Counted): Counted {
  return Object.fromEntries(names.map((name) => [name, counted[name]])) as unknown as Counted;
}

function sum(a: Counted, b: Counted): Counted {
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as Counted;
}

/** Parts of an octave, by which quantiles are found: each is 4.4% wide. */
const PARTS = 16;
/** The first bucket: all that may leave at once, or within a microsecond. */
const LEAST_NS = 1000;

/** A bucket of a histogram: from `fromNs` on to before `toNs`. */
export interface Bucket {
  readonly fromNs: number;
  readonly toNs: number;
  readonly count: number;
}

/** Spans of time, in buckets each of which is twice as wide as the one before. It takes the same room however many. */
export class Histogram {
  /** Counts by part of an octave above LEAST_NS; those below it are counted apart. */
  readonly #parts: number[] = [];
  #none = 0;
  #count = 0;
  #sum = 0;
  #longest = 0;

  add(ns: number): void {
    this.#count++;
    this.#sum += ns;
    this.#longest = Math.max(this.#longest, ns);
    if (ns < LEAST_NS) {
      this.#none++;
      return;
    }
    const part = Math.floor(Math.log2(ns / LEAST_NS) * PARTS);
    while (this.#parts.length <= part) this.#parts.push(0);
    this.#parts[part]!++;
  }

  get count(): number {
    return this.#count;
  }

  /** The longest, in nanoseconds; 0 where there is none. */
  get longestNs(): number {
    return this.#longest;
  }

  /** The mean, in nanoseconds; 0 where there is none. */
  get meanNs(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /**
   * The time that so many of all stay below, to 4.4%.
   * @param fraction 0.5 for the median
   */
  quantileNs(fraction: number): number {
    let rank = Math.ceil(this.#count * fraction) - this.#none;
    if (rank <= 0) return 0;
    for (const [part, count] of this.#parts.entries()) {
      rank -= count;
      // The middle of the part, and never beyond what there was.
      if (rank <= 0) return Math.min(LEAST_NS * 2 ** ((part + 0.5) / PARTS), this.#longest);
    }
    return this.#longest;
  }

  /** The buckets from the first to the last that has some, one for each power of two of a microsecond. */
  get buckets(): Bucket[] {
    const octaves: number[] = [this.#none];
    for (const [part, count] of this.#parts.entries()) {
      const octave = Math.floor(part / PARTS) + 1;
      octaves[octave] = (octaves[octave] ?? 0) + count;
    }
    const first = octaves.findIndex((count) => count > 0);
    return octaves
      .map((count, octave) => ({
        fromNs: octave === 0 ? 0 : LEAST_NS * 2 ** (octave - 1),
        toNs: LEAST_NS * 2 ** octave,
        count,
      }))
      .slice(Math.max(first, 0));
  }
}

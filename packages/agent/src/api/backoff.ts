/** Growing delays between tries, with jitter, so that many that failed together do not come back together. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  readonly #random: () => number;
  #failures = 0;

  /** @param random between 0 and 1 */
  constructor(firstMs: number, longestMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#random = random;
  }

  /** How many tries have failed since the last that did not. */
  get failures(): number {
    return this.#failures;
  }

  /** The next delay in milliseconds: between half and all of a time that doubles up to the longest. */
  next(): number {
    const full = Math.min(this.#longestMs, this.#firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return Math.round(full * (0.5 + this.#random() / 2));
  }

  /** A try went well. */
  reset(): void {
    this.#failures = 0;
  }
}

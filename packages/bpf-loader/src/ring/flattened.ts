/**
 * The elements of batches, one by one. Written out because a loop costs a third of what it does over a generator that
 * goes through another.
 */
export class Flattened<T> implements AsyncIterableIterator<T> {
  readonly #batches: AsyncGenerator<T[], void, undefined>;
  #batch: T[] = [];
  #index = 0;

  /** @param batches none of them empty */
  constructor(batches: AsyncGenerator<T[], void, undefined>) {
    this.#batches = batches;
  }

  async next(): Promise<IteratorResult<T, void>> {
    if (this.#index === this.#batch.length) {
      const result = await this.#batches.next();
      if (result.done) return { done: true, value: undefined };
      this.#batch = result.value;
      this.#index = 0;
    }
    return { done: false, value: this.#batch[this.#index++]! };
  }

  async return(): Promise<IteratorResult<T, void>> {
    this.#batch = [];
    this.#index = 0;
    await this.#batches.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

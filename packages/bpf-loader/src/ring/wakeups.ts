import { Epoll, EpollEvent, type Fd, onReadable, type Readiness } from "@weir/syscall";

/** How the loop over a ring goes on and ends. */
export interface LoopOptions {
  /** Ends the loop; what was not read stays in the ring. */
  readonly signal?: AbortSignal;
  /** The most records that are read before the process's other work gets its turn; 1024 by default. */
  readonly maxRecords?: number;
}

const MAX_RECORDS = 1024;

/** Tells when the kernel has put something into a ring, or is to be looked at again. */
export class Wakeups implements Disposable {
  readonly #epoll = Epoll.open();
  #woken = false;
  #wake: (() => void) | undefined;
  #readiness: Readiness | undefined;

  /** Listens to one more ring: for records, or for room (EpollEvent.OUT). */
  add(fd: Fd, event: number = EpollEvent.IN): void {
    // An edge: a record that is reserved and not yet written leaves the ring readable, which would have the loop spin.
    this.#epoll.add(fd, event + EpollEvent.EDGE, 0);
  }

  /**
   * Works until there was something to do, and stops the thread meanwhile.
   * @param timeoutMs the longest wait; -1 for ever
   * @param work says how much there was to do
   */
  poll(timeoutMs: number, work: () => number): number {
    if (Number.isNaN(timeoutMs)) throw new RangeError("timeoutMs is no number");
    const deadline = timeoutMs < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    for (;;) {
      const done = work();
      const left = deadline - performance.now();
      if (done > 0 || left <= 0 || this.closed) return done;
      this.#epoll.wait(left === Number.POSITIVE_INFINITY ? -1 : Math.min(Math.ceil(left), 0x7fff_ffff));
    }
  }

  /** Wakes whoever waits. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#epoll.fd.closed;
  }

  /** Ends all waiting. */
  close(): void {
    if (this.closed) return;
    this.#readiness?.close();
    this.#epoll.close();
    this.wake();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Does work whenever there may be some, and yields whenever some was done, until it is closed or aborted.
   * @param work reads at most as many records as it is told, and says how many there were
   */
  async *turns(
    options: LoopOptions,
    work: (maxRecords: number) => number,
  ): AsyncGenerator<void, void, undefined> {
    const { signal, maxRecords = MAX_RECORDS } = options;
    if (!Number.isInteger(maxRecords) || maxRecords < 1)
      throw new RangeError(`maxRecords is 1 or more, not ${maxRecords}`);
    if (this.#readiness) throw new Error("the ring is already being read by another loop");
    if (this.closed || signal?.aborted) return;
    this.#readiness = onReadable(this.#epoll.fd, () => {
      this.#epoll.wait(0); // takes the edge, which has been told
      this.wake();
    });
    const abort = () => this.wake();
    signal?.addEventListener("abort", abort, { once: true });
    const ended = () => this.closed || signal?.aborted === true;
    try {
      while (!ended()) {
        this.#woken = false;
        if (work(maxRecords) === 0) {
          await this.#next();
          continue;
        }
        yield;
        // Microtasks alone would leave the rest of the process no time while records keep coming.
        if (!ended()) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#readiness.close();
      this.#readiness = undefined;
    }
  }

  async #next(): Promise<void> {
    if (this.#woken || this.closed) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

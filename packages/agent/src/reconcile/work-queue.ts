import { Backoff } from "../api/backoff.js";

/** How a {@link WorkQueue} does what it holds. */
export interface WorkQueueOptions {
  /** Does the work of a key; what it throws makes the key come back after a delay. */
  work: (key: string) => void | Promise<void>;
  /** Is told what was thrown. */
  failed: (key: string, error: Error, retryMs: number) => void;
  /** The delays after failures of one key; default from 1 to 60 s. */
  backoff?: () => Backoff;
}

/**
 * Keys to be worked on, one at a time, each at most once in the queue. Between two the event loop turns, so that the
 * work of hundreds of pods keeps nobody else waiting.
 */
export class WorkQueue implements Disposable {
  readonly #options: WorkQueueOptions;
  readonly #ready = new Set<string>();
  readonly #later = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  readonly #failing = new Map<string, Backoff>();
  #busy = false;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** How many keys wait for their turn, without those that wait for a time. */
  get length(): number {
    return this.#ready.size;
  }

  /**
   * Has a key worked on.
   * @param afterMs not before; an earlier time that was asked for stays
   */
  add(key: string, afterMs = 0): void {
    if (this.#closed || this.#ready.has(key)) return;
    const waiting = this.#later.get(key);
    const at = performance.now() + afterMs;
    if (waiting && waiting.at <= at) return;
    if (waiting) clearTimeout(waiting.timer);
    this.#later.delete(key);
    if (afterMs > 0) {
      const timer = setTimeout(() => {
        this.#later.delete(key);
        this.add(key);
      }, afterMs);
      this.#later.set(key, { timer: timer.unref(), at });
      return;
    }
    this.#ready.add(key);
    if (!this.#busy) void this.#work();
  }

  /** Forgets a key and its failures. */
  forget(key: string): void {
    this.#ready.delete(key);
    clearTimeout(this.#later.get(key)?.timer);
    this.#later.delete(key);
    this.#failing.delete(key);
  }

  /** Comes when nothing waits for its turn. */
  idle(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async #work(): Promise<void> {
    this.#busy = true;
    const { work, failed, backoff = () => new Backoff(1_000, 60_000) } = this.#options;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [key] = this.#ready;
      if (key === undefined || this.#closed) break;
      this.#ready.delete(key);
      try {
        await work(key);
        this.#failing.delete(key);
      } catch (error) {
        const delays = this.#failing.get(key) ?? backoff();
        this.#failing.set(key, delays);
        const retryMs = delays.next();
        failed(key, error as Error, retryMs);
        this.add(key, retryMs);
      }
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const { timer } of this.#later.values()) clearTimeout(timer);
    this.#later.clear();
    this.#ready.clear();
  }
}

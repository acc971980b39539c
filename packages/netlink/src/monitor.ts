import { errno, SystemError } from "@weir/syscall";
import type { MessageView } from "./message.js";
import type { Input } from "./schema/bytes.js";
import type { NetlinkSocket } from "./socket.js";

/** How many datagrams are read before the consumer gets its turn. */
const BURST = 64;

/**
 * Notifications as an async iterable. Nothing is read from the socket while the consumer is busy, so a slow one
 * makes the kernel drop notifications rather than this process grow; the kernel says so, and the resync event
 * tells the consumer to read the tables anew.
 */
export class Monitor<Event> implements AsyncIterable<Event>, Disposable {
  readonly #socket: NetlinkSocket;
  readonly #decode: (input: Input, message: MessageView) => Event | undefined;
  readonly #resync: Event;
  #queue: Event[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  /**
   * @param socket joined to its groups; the monitor closes it
   * @param decode what a notification means; undefined passes over it
   * @param resync the event that stands for lost notifications
   */
  constructor(
    socket: NetlinkSocket,
    decode: (input: Input, message: MessageView) => Event | undefined,
    resync: Event,
  ) {
    this.#socket = socket;
    this.#decode = decode;
    this.#resync = resync;
  }

  /** Ends the monitor, and the iteration over it; a second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake?.();
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The notifications since the monitor was made. Leaving the loop closes the monitor. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    try {
      while (!this.#closed) {
        this.#drain();
        if (this.#queue.length === 0) {
          await this.#readable();
          continue;
        }
        const events = this.#queue;
        this.#queue = [];
        yield* events;
      }
    } finally {
      this.close();
    }
  }

  #drain(): void {
    const onMessage = (input: Input, message: MessageView) => {
      const event = this.#decode(input, message);
      if (event !== undefined) this.#queue.push(event);
    };
    for (let count = 0; count < BURST; count++)
      try {
        if (!this.#socket.receiveNotifications(onMessage)) return;
      } catch (error) {
        if (!(error instanceof SystemError && error.errno === errno.ENOBUFS)) throw error;
        this.#queue.push(this.#resync);
      }
  }

  /** Waits until there is something to read, or the monitor is closed. */
  async #readable(): Promise<void> {
    // Polling goes on only while somebody waits: otherwise a busy consumer would have the loop spin.
    const { promise, resolve } = withResolvers();
    this.#wake = resolve;
    // An error (ENOBUFS) wakes as well: the next receive reports it.
    const readiness = this.#socket.onReadable(() => resolve());
    try {
      await promise;
    } finally {
      this.#wake = undefined;
      readiness.close();
    }
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

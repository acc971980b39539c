import { errno, SystemError } from "@weir/syscall";
import type { MessageView } from "./message.js";
import type { Input } from "./schema/bytes.js";
import type { NetlinkSocket } from "./socket.js";

/** How many datagrams are read before the consumer gets its turn. */
const BURST = 64;

/**
 * Notifications as an async iterable. Nothing is read from the socket while the consumer is busy, so a slow one
 * makes the kernel drop notifications rather than this process grow; the kernel says so (ENOBUFS), and the events of
 * a fresh start follow.
 */
export class Monitor<Event> implements AsyncIterable<Event>, Disposable {
  readonly #socket: NetlinkSocket;
  readonly #decode: Decode<Event>;
  readonly #restart: (socket: NetlinkSocket) => Iterable<Event>;
  #queue: Event[] = [];
  #wake: (() => void) | undefined;
  #closed = false;
  #lost: boolean;

  /**
   * @param socket joined to its groups; the monitor closes it
   * @param decode what a notification means; undefined passes over it
   * @param restart the events that stand for lost notifications, such as how things are now
   * @param initial whether to begin with those
   */
  constructor(
    socket: NetlinkSocket,
    decode: Decode<Event>,
    restart: (socket: NetlinkSocket) => Iterable<Event>,
    initial = false,
  ) {
    this.#socket = socket;
    this.#decode = decode;
    this.#restart = restart;
    this.#lost = initial;
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
        const events = this.#queue;
        this.#queue = [];
        yield* events;
        if (this.#closed) return;
        if (this.#lost) {
          this.#lost = false;
          yield* this.#restart(this.#socket);
        } else if (events.length === 0) await this.#readable();
      }
    } finally {
      this.close();
    }
  }

  #drain(): void {
    const onMessage = (input: Input, message: MessageView, netnsId: number | undefined) => {
      const event = this.#decode(input, message, netnsId);
      if (event !== undefined) this.#queue.push(event);
    };
    for (let count = 0; count < BURST; count++)
      try {
        if (!this.#socket.receiveNotifications(onMessage)) return;
      } catch (error) {
        if (!(error instanceof SystemError && error.errno === errno.ENOBUFS)) throw error;
        this.#lost = true;
        this.#discard();
        return;
      }
  }

  /**
   * Forgets what still waits: it is older than what a fresh start reads. The kernel keeps on dropping until the
   * queue is empty (net/netlink/af_netlink.c, netlink_rcv_wake), so what comes afterwards is whole again.
   */
  #discard(): void {
    for (;;)
      try {
        if (!this.#socket.receiveNotifications(() => {})) return;
      } catch (error) {
        if (!(error instanceof SystemError && error.errno === errno.ENOBUFS)) throw error;
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

/** What a notification means. @param netnsId of the namespace that it is about, where that is not the socket's own */
export type Decode<Event> = (
  input: Input,
  message: MessageView,
  netnsId: number | undefined,
) => Event | undefined;

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

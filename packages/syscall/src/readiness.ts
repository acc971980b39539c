import { SystemError } from "./errors.js";
import type { Fd } from "./fd.js";
import { type PollHandle, poll } from "./libc.js";

/** A subscription to a descriptor's readability. While it is referenced it keeps the process alive. */
export interface Readiness extends Disposable {
  /** Keep the process alive (the default). */
  ref(): void;
  /** Let the process end. */
  unref(): void;
  /** Poll again after an error stopped it. */
  restart(): void;
  /** End the subscription; a second call does nothing. Call it before the descriptor is closed. */
  close(): void;
}

/**
 * Calls back on the main loop for as long as a descriptor can be read: read it until it has no more.
 * @param fd what to watch: anything that epoll takes, an epoll instance too
 * @param callback what it throws is reported as an uncaught exception, never into libuv. It gets an error where
 *   polling has stopped: read what there is, then call `restart()`.
 */
export function onReadable(fd: Fd, callback: (error?: SystemError) => void): Readiness {
  return new UvReadiness(fd, callback);
}

// koffi closes a poll handle silently when it is collected, so every open one is held here.
const open = new Set<UvReadiness>();

class UvReadiness implements Readiness {
  #handle: PollHandle | undefined;
  readonly #onStatus: (status: number) => void;

  constructor(fd: Fd, callback: (error?: SystemError) => void) {
    this.#onStatus = (status) => {
      if (!this.#handle) return;
      try {
        if (status >= 0) return callback();
        callback(
          new SystemError({
            errno: -status,
            syscall: "poll",
            action: `wait for something to read on the ${fd.name}`,
          }),
        );
      } catch (error) {
        // An exception must not unwind through libuv's C frames.
        queueMicrotask(() => {
          throw error;
        });
      }
    };
    this.#handle = poll(fd.number, this.#onStatus);
    open.add(this);
  }

  ref(): void {
    this.#handle?.ref();
  }

  unref(): void {
    this.#handle?.unref();
  }

  restart(): void {
    this.#handle?.start({ readable: true }, this.#onStatus);
  }

  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
    open.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

import { endianness } from "node:os";
import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import { type Fd, fdResult } from "./fd.js";
import { check, lastErrno, libc } from "./libc.js";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;

/** What to watch for, and how: include/uapi/linux/eventpoll.h. */
export const EpollEvent = { IN: 0x001, OUT: 0x004, ERR: 0x008, HUP: 0x010, EDGE: 0x8000_0000 } as const;

/** `struct epoll_event` is packed on x86-64 alone. */
const packed = process.arch === "x64";
const EVENT_SIZE = packed ? 12 : 16;
const DATA_OFFSET = packed ? 4 : 8;
const little = endianness() === "LE";

/** An epoll instance: waits for several descriptors at once. It can itself be watched by {@link onReadable}. */
export class Epoll implements Disposable {
  /** The instance's own descriptor. */
  readonly fd: Fd;
  readonly #events: DataView;
  readonly #bytes: Uint8Array;
  readonly #capacity: number;

  private constructor(fd: Fd, capacity: number) {
    this.fd = fd;
    this.#capacity = capacity;
    this.#bytes = new Uint8Array(new ArrayBuffer(capacity * EVENT_SIZE));
    this.#events = new DataView(this.#bytes.buffer);
  }

  /**
   * epoll_create1(2), with close-on-exec.
   * @param capacity how many descriptors one {@link wait} can report
   */
  static open(capacity = 64): Epoll {
    const result = libc.epoll_create1(EPOLL_CLOEXEC);
    return new Epoll(fdResult(result, "epoll instance", "epoll_create1", "make an epoll instance"), capacity);
  }

  /**
   * Watches a descriptor.
   * @param events a sum of {@link EpollEvent}
   * @param data a number below 2^32 by which {@link wait} reports it
   */
  add(fd: Fd, events: number, data: number): void {
    const event = new Uint8Array(EVENT_SIZE);
    const view = new DataView(event.buffer);
    view.setUint32(0, events, little);
    view.setUint32(DATA_OFFSET, data, little);
    check(
      libc.epoll_ctl(this.fd.number, EPOLL_CTL_ADD, fd.number, event),
      "epoll_ctl",
      `watch the ${fd.name}`,
    );
  }

  /** Watches a descriptor no longer. */
  remove(fd: Fd): void {
    const event = new Uint8Array(EVENT_SIZE);
    check(
      libc.epoll_ctl(this.fd.number, EPOLL_CTL_DEL, fd.number, event),
      "epoll_ctl",
      `stop watching the ${fd.name}`,
    );
  }

  /**
   * epoll_wait(2). It stops the whole thread for as long as it waits; a signal may end the wait early.
   * @param timeoutMs the longest wait: 0 only looks, -1 waits for ever
   * @returns how many descriptors are ready; see {@link data}
   */
  wait(timeoutMs: number): number {
    const result = libc.epoll_wait(this.fd.number, this.#bytes, this.#capacity, Math.trunc(timeoutMs));
    if (result >= 0) return result;
    const number = lastErrno();
    if (number === errno.EINTR) return 0;
    throw new SystemError({ errno: number, syscall: "epoll_wait", action: "wait for descriptors" });
  }

  /** The number that was given with a ready descriptor: `index` is below what {@link wait} returned. */
  data(index: number): number {
    return this.#events.getUint32(index * EVENT_SIZE + DATA_OFFSET, little);
  }

  /** Closes the instance; what it watched stays open. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

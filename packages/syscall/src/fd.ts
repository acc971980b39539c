import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import { check, int, lastErrno, libc } from "./libc.js";

const F_DUPFD_CLOEXEC = 1030;

const leaks = new FinalizationRegistry<string>((name) => {
  process.emitWarning(
    `a file descriptor was not closed: ${name}. Call close() or use \`using\`.`,
    "ResourceWarning",
  );
});

/** A file descriptor that somebody owns, and closes exactly once. */
export class Fd implements Disposable {
  /** What the descriptor is, for error messages: "map counters". */
  readonly name: string;
  #number: number;

  private constructor(number: number, name: string) {
    this.#number = number;
    this.name = name;
    leaks.register(this, name, this);
  }

  /**
   * Takes ownership of an open file descriptor.
   * @param number the descriptor, as the kernel gave it
   * @param name what it is, for error messages
   */
  static adopt(number: number, name: string): Fd {
    if (!Number.isInteger(number) || number < 0)
      throw new RangeError(`${number} is no file descriptor (${name})`);
    return new Fd(number, name);
  }

  /** The descriptor's number. Throws an Error with code "EBADF" once it is closed, so that a reused number is never meant. */
  get number(): number {
    if (this.#number < 0) {
      throw new SystemError({
        errno: errno.EBADF!,
        syscall: "none",
        action: `use ${this.name}: it was closed`,
      });
    }
    return this.#number;
  }

  /** Whether it has been closed. */
  get closed(): boolean {
    return this.#number < 0;
  }

  /** A second descriptor of the same open file, with close-on-exec. */
  duplicate(): Fd {
    const number = check(
      libc.fcntl(this.number, F_DUPFD_CLOEXEC, 0),
      "fcntl(F_DUPFD_CLOEXEC)",
      `duplicate the descriptor of ${this.name}`,
    );
    return new Fd(number, this.name);
  }

  /** Closes it; a second call does nothing. */
  close(): void {
    if (this.#number < 0) return;
    const number = this.#number;
    this.#number = -1;
    leaks.unregister(this);
    // Linux has released the number even where close(2) reports EINTR or EIO: never retry.
    libc.close(int(number, "fd"));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Wraps the result of a call that returns a descriptor: an {@link Fd}, or a SystemError when it is negative. */
export function fdResult(result: number, name: string, syscall: string, action: string, hint?: string): Fd {
  if (result < 0) {
    throw new SystemError({ errno: lastErrno(), syscall, action, ...(hint === undefined ? {} : { hint }) });
  }
  return Fd.adopt(result, name);
}

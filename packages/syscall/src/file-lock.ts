import { closeSync, openSync } from "node:fs";
import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import { Fd } from "./fd.js";
import { lastErrno, libc } from "./libc.js";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** An advisory lock on a file (flock(2)), which the kernel releases when its holder dies, however it dies. */
export class FileLock implements Disposable {
  readonly #fd: Fd;

  private constructor(fd: Fd) {
    this.#fd = fd;
  }

  /**
   * Takes the lock, waiting for it with the thread asleep.
   * @param path the file, which is made where it is missing (its folder is not)
   * @param options.timeoutMs how long to wait, default 10,000; SystemError EAGAIN when it is over
   * @param options.exclusive false lets several holders share it; default true
   */
  static acquire(path: string, options: { timeoutMs?: number; exclusive?: boolean } = {}): FileLock {
    const { timeoutMs = 10_000, exclusive = true } = options;
    const number = openSync(path, "a", 0o600);
    const operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    // No clock is asked before one has to wait: `performance` takes a process a millisecond to load.
    let deadline: number | undefined;
    for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
      if (libc.flock(number, operation) === 0) return new FileLock(Fd.adopt(number, `lock ${path}`));
      const failure = lastErrno();
      if (failure !== errno.EAGAIN && failure !== errno.EINTR) {
        closeSync(number);
        throw new SystemError({ errno: failure, syscall: "flock", action: `lock ${path}` });
      }
      deadline ??= performance.now() + timeoutMs;
      if (performance.now() >= deadline) {
        closeSync(number);
        throw new SystemError({
          errno: failure,
          syscall: "flock",
          action: `lock ${path} within ${timeoutMs} ms`,
          hint: "Another process holds it; `fuser` on the file names it.",
        });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
    }
  }

  /** Releases the lock; a second call does nothing. */
  release(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

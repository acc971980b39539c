import { spawn } from "node:child_process";
import { once } from "node:events";
import { findProgram } from "./programs.js";

/**
 * Runs `work` while no other process holds the lock on `file`. The lock is the kernel's (flock(2)), held by a child
 * that ends when this process does, so there is no stale one to break.
 *
 * @param waiting is called when another process has the lock
 */
export async function withLock<Result>(
  file: string,
  waiting: () => void,
  work: () => Promise<Result>,
): Promise<Result> {
  // cat ends with its input, which is a pipe from this process.
  const holder = spawn(findProgram("flock"), ["--exclusive", file, "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = once(holder, "close");
  const notice = setTimeout(waiting, 1000);
  try {
    await Promise.race([
      once(holder.stdout, "data"),
      closed.then(() => Promise.reject(new Error(`cannot lock ${file}`))),
    ]);
    clearTimeout(notice);
    return await work();
  } finally {
    clearTimeout(notice);
    holder.stdin.end();
    await closed;
  }
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { findProgram } from "./programs.js";

/** Waits until one of the files given as arguments can be locked, says so, and holds the lock until its input ends. */
const holdOne = `
  while :; do
    for file; do
      exec 9>"$file" || exit
      if flock --exclusive --nonblock 9; then echo locked; exec cat; fi
    done
    sleep 0.3
  done`;

/**
 * Runs `work` while no other process holds the lock on `file`, or on the one that this process got of several. The
 * lock is the kernel's (flock(2)), held by a child that ends when this process does, so there is no stale one to break.
 *
 * @param waiting is called when other processes have the locks
 */
export async function withLock<Result>(
  file: string | readonly string[],
  waiting: () => void,
  work: () => Promise<Result>,
): Promise<Result> {
  // cat ends with its input, which is a pipe from this process.
  const [program, ...args] =
    typeof file === "string"
      ? [findProgram("flock"), "--exclusive", file, "sh", "-c", "echo locked; exec cat"]
      : ["sh", "-c", holdOne, "sh", ...file];
  const holder = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(holder, "close");
  const notice = setTimeout(waiting, 1000);
  try {
    await Promise.race([
      once(holder.stdout, "data"),
      closed.then(() => Promise.reject(new Error(`cannot lock ${String(file)}`))),
    ]);
    clearTimeout(notice);
    return await work();
  } finally {
    clearTimeout(notice);
    holder.stdin.end();
    await closed;
  }
}

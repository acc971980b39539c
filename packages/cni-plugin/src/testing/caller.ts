import { FileLock } from "@weir/syscall";
import { CniError } from "../cni/errors.js";
import { answer, type Call } from "../cni/plugin.js";

/** What a process of {@link Call}s is asked for: several, one after the other. */
export type Calls = readonly Call[];

/** How they ended. */
export interface Answers {
  /** For each, "" or the error's code and sentence. */
  problems: string[];
  /** The longest time for which the lock was held. */
  longestLockMs: number;
}

let longestLockMs = 0;
const { acquire } = FileLock;
FileLock.acquire = (path, options) => {
  const lock = acquire.call(FileLock, path, options);
  const since = performance.now();
  const release = lock.release.bind(lock);
  lock.release = () => {
    longestLockMs = Math.max(longestLockMs, performance.now() - since);
    release();
  };
  return lock;
};

// A process that does for its parent what as many processes of the plugin would do, without their start.
process.on("message", (calls: Calls) => {
  const problems = calls.map((call) => {
    try {
      answer(call);
      return "";
    } catch (error) {
      return error instanceof CniError ? `${error.code}: ${error.message}` : String(error);
    }
  });
  process.send?.({ problems, longestLockMs } satisfies Answers);
});

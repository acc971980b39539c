import { Worker } from "node:worker_threads";
import type { TargetName } from "./targets.js";

/** Which cases a worker is to run; `progress` is where it says at which it is. */
export interface Job {
  readonly target: TargetName;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  readonly progress: SharedArrayBuffer;
}

/** All cases ended as they should. */
export interface Summary {
  readonly kind: "summary";
  readonly cases: number;
  /** How many of them were files in spite of the mutation. */
  readonly accepted: number;
}

/** A case that crashed, hung or took too much memory. */
export interface Failure {
  readonly kind: "failure";
  readonly number: number;
  readonly original: string;
  readonly text: string;
}

/** A case takes a fraction of a millisecond; whatever takes so long would not end at all, or as good as. */
const HANGS_AFTER_MS = 20_000;

/** Runs cases of a target in a thread, which is stopped if it hangs. Throws an Error that says how to see a failure again. */
export async function fuzz(target: TargetName, seed: number, from: number, to: number): Promise<Summary> {
  const progress = new SharedArrayBuffer(4);
  const job: Job = { target, seed, from, to, progress };
  const worker = new Worker(new URL("worker.js", import.meta.url), { workerData: job });
  let watch: NodeJS.Timeout | undefined;
  try {
    const result = await new Promise<Summary | Failure>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", (code) => reject(new Error(`the fuzzer's thread ended with ${code}`)));
      watch = watchdog(new Int32Array(progress), (number) =>
        resolve({ kind: "failure", number, original: "", text: "it does not end" }),
      );
    });
    if (result.kind === "summary") return result;
    throw new Error(
      `${target}, case ${result.number}${result.original && ` (${result.original})`}: ${result.text}\n` +
        `To see it again: node test/fuzz/dist/cli.js ${target} --seed ${seed} --case ${result.number}`,
    );
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
}

function watchdog(current: Int32Array, hangs: (number: number) => void): NodeJS.Timeout {
  let last = -1;
  let since = performance.now();
  return setInterval(() => {
    const number = Atomics.load(current, 0);
    if (number !== last) [last, since] = [number, performance.now()];
    else if (performance.now() - since > HANGS_AFTER_MS) hangs(number);
  }, 500);
}

import { getHeapStatistics } from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import { isExpected } from "./exercise.js";
import type { Failure, Job, Summary } from "./fuzz.js";
import { mutate } from "./mutate.js";
import { Random } from "./random.js";
import { targets } from "./targets.js";

/** What a case may allocate beside 8 times its input, garbage included: stacks of errors, first use of what is lazy. */
const ALLOWANCE = 4 << 20;
const TIMES = 8;

function run({ target: name, seed, from, to, progress }: Job): Summary | Failure {
  const target = targets[name];
  const originals = target.originals();
  const current = new Int32Array(progress);
  let accepted = 0;
  // Most cases end in an error, whose stack nobody reads.
  Error.stackTraceLimit = 0;
  for (let number = from; number < to; number++) {
    Atomics.store(current, 0, number);
    const random = new Random(seed, number);
    const original = random.pick(originals);
    const bytes = mutate(original, random);
    const before = allocated();
    try {
      target.run(bytes, number);
      accepted++;
    } catch (error) {
      if (!isExpected(error)) {
        Error.stackTraceLimit = 30;
        return failure(number, original.name, againWithStack(() => target.run(bytes, number)) ?? error);
      }
    }
    const grown = allocated() - before;
    if (grown > TIMES * bytes.length + ALLOWANCE) {
      return failure(
        number,
        original.name,
        new Error(`${grown} bytes allocated for ${bytes.length} of input`),
      );
    }
  }
  return { kind: "summary", cases: to - from, accepted };
}

/** What lives in the heap and outside of it; a collection in between hides what was allocated before it. */
function allocated(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

function againWithStack(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

function failure(number: number, original: string, error: unknown): Failure {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: "failure", number, original, text };
}

parentPort!.postMessage(run(workerData as Job));

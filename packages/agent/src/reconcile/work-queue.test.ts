import { test } from "uvu";
import * as assert from "uvu/assert";
import { Backoff } from "../api/backoff.js";
import { until } from "../testing/until.js";
import { WorkQueue } from "./work-queue.js";

test("a key that is added many times is worked on once, in order", async () => {
  const done: string[] = [];
  using queue = new WorkQueue({ work: (key) => void done.push(key), failed: () => {} });
  for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
  await queue.idle();
  assert.equal(done, ["a", "b", "c"]);
});

test("a key that is added while it is worked on comes again", async () => {
  let count = 0;
  using queue: WorkQueue = new WorkQueue({
    work: (key) => {
      if (++count === 1) queue.add(key);
    },
    failed: () => {},
  });
  queue.add("a");
  await queue.idle();
  assert.is(count, 2);
});

test("a key that fails comes back, and others do not wait for it", async () => {
  const done: string[] = [];
  const failures: string[] = [];
  let broken = 3;
  using queue = new WorkQueue({
    work: (key) => {
      if (key === "bad" && broken-- > 0) throw new Error("no");
      done.push(key);
    },
    failed: (key, error) => void failures.push(`${key} ${error.message}`),
    backoff: () => new Backoff(1, 2),
  });
  queue.add("bad");
  queue.add("good");
  await queue.idle();
  assert.equal(done, ["good"]);
  await until(() => done.length === 2);
  assert.equal(failures, ["bad no", "bad no", "bad no"]);
});

test("an earlier time takes the place of a later one", async () => {
  const done: string[] = [];
  using queue = new WorkQueue({ work: (key) => void done.push(key), failed: () => {} });
  queue.add("a", 60_000);
  queue.add("a", 1);
  await until(() => done.length === 1);
  queue.add("b", 60_000);
  queue.add("b");
  await queue.idle();
  assert.equal(done, ["a", "b"]);
});

test("delays grow to the longest, with jitter between half and all of them", () => {
  for (const [random, expected] of [
    [0, [50, 100, 200, 300, 300]],
    [1, [100, 200, 400, 600, 600]],
  ] as const) {
    const backoff = new Backoff(100, 600, () => random);
    assert.equal(
      expected.map(() => backoff.next()),
      expected,
    );
    backoff.reset();
    assert.is(backoff.next(), expected[0]);
  }
});

test.run();

import { cpus } from "node:os";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { countCpus, kernelVersion, monotonicNow, onlineCpus, pageSize, possibleCpus } from "./system.js";

test("CPUs are counted as the kernel lays out per-CPU values: holes have no slot", () => {
  assert.is(countCpus("0\n"), 1);
  assert.is(countCpus("0-3\n"), 4);
  assert.is(countCpus("0-3,8-11\n"), 8);
  assert.is(countCpus("0,2,4\n"), 3);
  assert.throws(() => countCpus(""), /no list of CPUs/);
  assert.ok(possibleCpus() >= cpus().length);
  assert.ok(onlineCpus().length >= 1 && onlineCpus().every((cpu) => Number.isInteger(cpu)));
});

test("the monotonic clock is the one that the kernel counts from boot, and a page is whole", () => {
  const before = process.hrtime.bigint();
  const now = monotonicNow();
  assert.ok(now >= before && now <= process.hrtime.bigint());
  assert.ok(kernelVersion().major >= 4);
  assert.is(pageSize() % 4096, 0);
});

test.run();

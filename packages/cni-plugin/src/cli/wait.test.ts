import { test } from "uvu";
import * as assert from "uvu/assert";
import { firstSignal, wait } from "./wait.js";

test("the first signal is told by its name, and the next one has its usual effect", async () => {
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    const before = process.listenerCount(name);
    const first = firstSignal();
    assert.is(process.listenerCount(name), before + 1);
    process.kill(process.pid, name);
    const alive = setInterval(() => {}, 1000);
    assert.is(await first, name);
    clearInterval(alive);
    assert.is(process.listenerCount(name), before);
  }
});

test("a wait ends when it is told to, also where it was told before", async () => {
  const controller = new AbortController();
  const waiting = wait(3_600_000, controller.signal);
  controller.abort();
  await waiting;
  await wait(3_600_000, controller.signal);
});

test.run();

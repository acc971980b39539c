import { test } from "uvu";
import * as assert from "uvu/assert";
import { bitsEachSecond, type Sample } from "./wire-meter.js";

/** Samples of traffic at a steady pace that begins at a time, as a sampler sees it. */
function samples(times: number[], begins: number, bytesPerSecond: number): Sample[] {
  return times.map((seconds) => ({ seconds, bytes: 500 + Math.max(0, (seconds - begins) * bytesPerSecond) }));
}

const every = (step: number, count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => from + i * step);

test("steady traffic has the same rate in each second, the first included", () => {
  const times = [...every(0.004, 260), ...every(0.04, 120, 1.04)];
  const rates = bitsEachSecond(samples(times, 1.0021, 12_500_000), 4);
  assert.is(rates.length, 4);
  for (const rate of rates) assert.ok(Math.abs(rate - 100e6) < 0.2e6, String(rate));
});

test("a sampler that was late at the beginning does not take the pause for a part of the first second", () => {
  const times = [0, 0.1, 0.9, 1.1, ...every(0.04, 150, 1.14)];
  const rates = bitsEachSecond(samples(times, 1.0, 12_500_000), 3);
  for (const rate of rates) assert.ok(Math.abs(rate - 100e6) < 1e6, String(rate));
});

test("a second that was not seen whole is left out, and no traffic gives no seconds", () => {
  assert.is(bitsEachSecond(samples(every(0.04, 70), 0.5, 12_500_000), 6).length, 2);
  assert.equal(bitsEachSecond(samples(every(0.04, 70), 99, 12_500_000), 6), []);
});

test.run();

import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatBytes, formatMeanNs, formatNs, formatRate } from "./units.js";

test("rates are in decimal steps, with one decimal where it says something", () => {
  assert.is(formatRate(0n), "0 bit/s");
  assert.is(formatRate(999n), "999 bit/s");
  assert.is(formatRate(1_000n), "1 kbit/s");
  assert.is(formatRate(64_500n), "64.5 kbit/s");
  assert.is(formatRate(100_000_000n), "100 Mbit/s");
  assert.is(formatRate(1_073_741_824n), "1.1 Gbit/s");
  assert.is(formatRate(999_999n), "1 Mbit/s");
  assert.is(formatRate(1_000_000_000_000_000n), "1 Pbit/s");
});

test("bytes and spans of time likewise", () => {
  assert.is(formatBytes(1_234_567_890n), "1.2 GB");
  assert.is(formatBytes(0xffff_ffff_ffff_ffffn), "18.4 EB");
  assert.is(formatNs(740n), "740 ns");
  assert.is(formatNs(9_300_000n), "9.3 ms");
  assert.is(formatNs(1_000n), "1 µs");
  assert.is(formatNs(2_000_000_000n), "2 s");
});

test("the mean of nothing is a dash", () => {
  assert.is(formatMeanNs(0n, 0n), "-");
  assert.is(formatMeanNs(30_000n, 2n), "15 µs");
});

test.run();

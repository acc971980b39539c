import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError } from "./errors.js";
import { burstNs, horizonNs, quantumNs, tickShift, validateLimits } from "./limits.js";

test("limits outside 1 kbit/s to below 1 Pbit/s are refused with the direction and the value", () => {
  for (const bitsPerSecond of [0n, -1n, 1n, 999n, 1_000_000_000_000_000n, 2n ** 64n]) {
    for (const direction of ["egress", "ingress"] as const) {
      assert.throws(
        () => validateLimits({ [direction]: { bitsPerSecond } }),
        (error: ShaperError) =>
          error.code === "INVALID_LIMIT" &&
          error.message.includes(direction) &&
          error.message.includes(String(bitsPerSecond)),
      );
    }
  }
  validateLimits({});
  validateLimits({ egress: { bitsPerSecond: 1000n }, ingress: { bitsPerSecond: 999_999_999_999_999n } });
});

test("a negative burst and one of more than a minute are refused", () => {
  for (const burstBits of [-1n, 61_000_000n]) {
    assert.throws(() => validateLimits({ egress: { bitsPerSecond: 1_000_000n, burstBits } }), /burst/);
  }
  validateLimits({ egress: { bitsPerSecond: 1_000_000n, burstBits: 60_000_000n } });
});

test("a burst is a time at the limit's rate", () => {
  assert.is(burstNs({ bitsPerSecond: 1_000_000n, burstBits: 2_000n }), 2_000_000n);
  assert.is(burstNs({ bitsPerSecond: 1_000_000n, burstBits: 0n }), 0n);
});

test("the burst that nobody gave is two large packets, and never more than 4 ms", () => {
  assert.is(burstNs({ bitsPerSecond: 10_000_000_000n }), 104_857n);
  assert.is(burstNs({ bitsPerSecond: 100_000_000n }), 4_000_000n);
  assert.is(burstNs({ bitsPerSecond: 1_000n }), 4_000_000n);
});

test("the horizon of a low limit has room for ten full packets", () => {
  assert.is(horizonNs({ bitsPerSecond: 1_000_000n }), 121_120_000n);
  assert.is(horizonNs({ bitsPerSecond: 1_000_000_000n }), 100_000_000n);
});

test("the wheel reaches over half a second, and over a thousand packets of a low limit", () => {
  const reach = (bitsPerSecond: bigint) => 64n << BigInt(tickShift({ bitsPerSecond }));
  assert.is(reach(100_000_000n), 1n << 29n);
  assert.is(reach(999_999_999_999_999n), 1n << 29n);
  const slow = reach(1_000n);
  assert.ok(
    slow >= 1024n * quantumNs({ bitsPerSecond: 1_000n }) &&
      slow < 2048n * quantumNs({ bitsPerSecond: 1_000n }),
  );
});

test.run();

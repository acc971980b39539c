import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError } from "./errors.js";
import {
  burstNs,
  decodeLimitEntry,
  encodeLimitEntry,
  entryOfLimit,
  holds,
  horizonNs,
  markNs,
  quantumNs,
  tickShift,
} from "./limit-entry.js";
import { type Limits, sameLimits, validateLimits } from "./limits.js";

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

test("a horizon or marking threshold that is no time, or too long, is refused with its name", () => {
  for (const [name, values] of [
    ["horizonMs", [0, 0.5, -1, 60_001, Number.NaN, Number.POSITIVE_INFINITY]],
    ["markMs", [-0.1, 60_001, Number.NaN]],
  ] as const) {
    for (const value of values) {
      assert.throws(
        () => validateLimits({ ingress: { bitsPerSecond: 1_000_000n, [name]: value } }),
        (error: ShaperError) =>
          error.code === "INVALID_LIMIT" && /ingress (horizon|marking threshold)/.test(error.message),
      );
    }
  }
  validateLimits({ ingress: { bitsPerSecond: 1_000_000n, horizonMs: 1, markMs: 0 } });
  validateLimits({ ingress: { bitsPerSecond: 1_000_000n, horizonMs: 60_000, markMs: 0.25 } });
});

test("an entry reads back as it was written, and tells whether it holds a limit", () => {
  const limit = { bitsPerSecond: 2n ** 40n, burstBits: 12_345n, horizonMs: 20, markMs: 0.5 };
  const context = { generation: 0xffff_ffff, subnets: 0xffff_fffe, subnetMode: 3, owner: 2n ** 63n };
  const entry = decodeLimitEntry(encodeLimitEntry({ ...entryOfLimit(limit), ...context }));
  assert.equal(entry, { ...entryOfLimit(limit), ...context });
  assert.ok(holds(entry, limit));
  for (const change of [{ horizonMs: 21 }, { markMs: 0 }, { burstBits: 12n }, { bitsPerSecond: 5_000n }]) {
    assert.not.ok(holds(entry, { ...limit, ...change }), JSON.stringify(Object.keys(change)));
  }
});

test("a horizon and a threshold are what was asked for", () => {
  const limit = { bitsPerSecond: 1_000_000_000n, horizonMs: 12.5, markMs: 0.75 };
  assert.is(horizonNs(limit), 12_500_000n);
  assert.is(markNs(limit), 750_000n);
  assert.is(markNs({ bitsPerSecond: 1_000n, markMs: 0 }), 0n);
  assert.is(markNs({ bitsPerSecond: 1_000n }), 5_000_000n);
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

test("the wheel reaches over a second, and over a thousand packets of a low limit", () => {
  const reach = (bitsPerSecond: bigint) => 64n << BigInt(tickShift({ bitsPerSecond }));
  assert.is(reach(100_000_000n), 1n << 30n);
  assert.is(reach(999_999_999_999_999n), 1n << 30n);
  assert.ok(64n << BigInt(tickShift({ bitsPerSecond: 100_000_000n, horizonMs: 10_000 })) >= 40_000_000_000n);
  const slow = reach(1_000n);
  assert.ok(
    slow >= 1024n * quantumNs({ bitsPerSecond: 1_000n }) &&
      slow < 2048n * quantumNs({ bitsPerSecond: 1_000n }),
  );
});

test("limits are the same where every field of both directions and the subnets are", () => {
  const limits: Limits = { egress: { bitsPerSecond: 5000n, markMs: 3 }, shapedSubnets: ["10.0.0.0/8"] };
  const { egress } = limits;
  assert.ok(sameLimits(limits, { ingress: undefined, ...limits, unshapedSubnets: [] } as Limits));
  assert.not(sameLimits(limits, { ...limits, egress: { ...egress!, weight: 7 } }));
  assert.not(sameLimits(limits, { ...limits, ingress: egress! }));
  assert.not(sameLimits(limits, { ...limits, shapedSubnets: ["10.0.0.0/9"] }));
  assert.not(sameLimits(limits, { egress: egress!, unshapedSubnets: ["10.0.0.0/8"] }));
});

test.run();

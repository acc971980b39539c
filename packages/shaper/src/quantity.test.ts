import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError } from "./errors.js";
import { parseQuantity } from "./quantity.js";

test("quantities mean what Kubernetes means by them", () => {
  const cases: [string, bigint][] = [
    ["100M", 100_000_000n],
    ["1Gi", 1n << 30n],
    ["100Ki", 102_400n],
    ["1e8", 100_000_000n],
    ["1E8", 100_000_000n],
    ["2E", 2_000_000_000_000_000_000n],
    ["1.5G", 1_500_000_000n],
    [".5k", 500n],
    ["5.", 5n],
    ["+7", 7n],
    ["64k", 64_000n],
    ["1P", 1_000_000_000_000_000n],
    ["0", 0n],
    ["-1", -1n],
  ];
  for (const [text, value] of cases) assert.is(parseQuantity(text), value, text);
});

test("a fraction of a bit is rounded away from zero, so 100m is one bit per second", () => {
  assert.is(parseQuantity("100m"), 1n);
  assert.is(parseQuantity("1.0000001"), 2n);
  assert.is(parseQuantity("1n"), 1n);
  assert.is(parseQuantity("-100m"), -1n);
});

test("what Kubernetes refuses is refused with the way to write it", () => {
  for (const text of [
    "100K",
    "100Mbps",
    "100 M",
    " 100M",
    "",
    "M",
    "1ee5",
    "0x10",
    "1e",
    "1Mi5",
    "Infinity",
    "NaN",
    "1,5M",
    "1e99999",
  ]) {
    assert.throws(
      () => parseQuantity(text),
      (error: ShaperError) => error.code === "INVALID_LIMIT" && error.remedy?.includes("100M") === true,
      text,
    );
  }
});

test("no text makes the parser do anything but return or refuse, in bounded time", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.stringMatching(/^[-+]?\d{0,30}\.?\d{0,30}([eE][-+]?\d{1,6}|[A-Za-z]{0,2})$/)),
      (text) => {
        try {
          return typeof parseQuantity(text) === "bigint";
        } catch (error) {
          return (error as ShaperError).code === "INVALID_LIMIT";
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test("a whole number reads back as itself", () => {
  fc.assert(fc.property(fc.bigInt(0n, 10n ** 18n), (value) => parseQuantity(value.toString()) === value));
});

test.run();

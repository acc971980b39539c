import { closeSync, fstatSync, openSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Fd } from "./fd.js";

test("a descriptor is closed once, and using it afterwards names it instead of a stranger's file", () => {
  const fd = Fd.adopt(openSync("/dev/null", "r"), "the null device");
  const number = fd.number;
  fd.close();
  const reused = openSync("/dev/null", "r");
  try {
    assert.is(reused, number, "the kernel reuses the lowest free number");
    fd.close();
    fstatSync(reused);
    assert.ok(fd.closed);
    assert.throws(() => fd.number, /the null device: it was closed/);
  } finally {
    closeSync(reused);
  }
});

test("using closes the descriptor at the end of the block", () => {
  let number = -1;
  {
    using fd = Fd.adopt(openSync("/dev/null", "r"), "null");
    number = fd.number;
    fstatSync(number);
  }
  assert.throws(() => fstatSync(number), /EBADF/);
});

test("a duplicate outlives its original", () => {
  using copy = (() => {
    using fd = Fd.adopt(openSync("/dev/null", "r"), "null");
    return fd.duplicate();
  })();
  fstatSync(copy.number);
});

test("no negative or fractional number becomes a descriptor", () => {
  for (const bad of [-1, 1.5, Number.NaN])
    assert.throws(
      () => Fd.adopt(bad, "x"),
      (error: Error) => error instanceof RangeError,
    );
});

test.run();

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ReceiveBuffer } from "./receive-buffer.js";
import { NetlinkDecodeError } from "./schema/index.js";

test("bytes that nobody keeps are used again", () => {
  const buffer = new ReceiveBuffer(64);
  buffer.provide(10);
  const { input } = buffer;
  assert.is(buffer.received(10), 10);
  buffer.provide(64);
  assert.is(buffer.input, input);
  assert.is(buffer.start, 0);
});

test("bytes that are kept stay, in the same buffer while there is room and then in one of their own", () => {
  const buffer = new ReceiveBuffer(20_000);
  buffer.provide(0);
  const { input } = buffer;
  buffer.received(1001);
  input.keep();
  buffer.provide(0);
  assert.is(buffer.input, input);
  assert.is(buffer.start, 1008);
  assert.is(buffer.received(15_000), 16_008);
  input.keep();
  buffer.provide(0);
  assert.is.not(buffer.input, input);
  assert.is(buffer.start, 0);
  assert.is(buffer.input.bytes.length, 20_000);
});

test("the buffer grows to what comes, up to what no message is", () => {
  const buffer = new ReceiveBuffer(16);
  buffer.provide(100_000);
  assert.ok(buffer.input.bytes.length >= 100_000);
  assert.throws(
    () => buffer.provide(2 ** 31),
    (error: unknown) => error instanceof NetlinkDecodeError,
  );
});

test.run();

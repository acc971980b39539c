import { MessageFlag } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ReceiveBuffer } from "./receive-buffer.js";
import { NetlinkDecodeError } from "./schema/index.js";

/** A buffer for datagrams of these lengths, each filled with its number. */
function bufferFor(size: number, ...lengths: number[]) {
  let next = 0;
  const receive = (into: Uint8Array, flags = 0, offset = 0) => {
    const length = lengths[next] as number;
    if (!(flags & MessageFlag.PEEK)) into.fill(++next, offset, Math.min(offset + length, into.length));
    return length;
  };
  return new ReceiveBuffer({ receive, receiveMessage: () => undefined }, size);
}

test("bytes that nobody keeps are used again", () => {
  const buffer = bufferFor(64, 10, 64);
  const { input } = buffer;
  assert.is(buffer.receive(0, false), 10);
  assert.is(buffer.receive(0, true), 64);
  assert.is(buffer.input, input);
  assert.is(buffer.start, 0);
});

test("bytes that are kept stay, in the same buffer while there is room and then in one of their own", () => {
  const buffer = bufferFor(20_000, 1001, 15_000, 100);
  const { input } = buffer;
  assert.is(buffer.receive(0, false), 1001);
  input.keep();
  assert.is(buffer.receive(0, false), 15_000);
  assert.is(buffer.input, input);
  assert.is(buffer.start, 1008);
  input.keep();
  assert.is(buffer.receive(0, false), 100);
  assert.is.not(buffer.input, input);
  assert.is(buffer.start, 0);
  assert.is(buffer.input.bytes.length, 20_000);
  assert.equal([...new Set(input.bytes.subarray(0, 1001))], [1]);
  assert.equal([...new Set(input.bytes.subarray(1008, 16_008))], [2]);
});

test("the buffer grows to what comes: before it is received, or for the next time", () => {
  const peeked = bufferFor(16, 100_000);
  assert.is(peeked.receive(0, true), 100_000);
  assert.is(peeked.truncated(100_000), false);
  const cut = bufferFor(16, 100_000, 100_000);
  assert.is(cut.receive(0, false), 100_000);
  assert.is(cut.truncated(100_000), true);
  assert.is(cut.receive(0, false), 100_000);
  assert.is(cut.truncated(100_000), false);
});

test("what no message is long is not believed", () => {
  assert.throws(
    () => bufferFor(16, 2 ** 31).receive(0, true),
    (error: unknown) => error instanceof NetlinkDecodeError,
  );
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BpfMap } from "../index.js";
import { BUSY, DISCARD, Ring, recordSpan } from "./ring.js";
import { distance, SharedPosition } from "./shared-position.js";

const test = suite("rings in memory");
const PAGE = 64;
const SIZE = 64;

/** A ring whose producer is the test: it writes headers, and says how far it is. */
function ring(position: bigint) {
  const consumer = new ArrayBuffer(PAGE);
  const producer = new ArrayBuffer(PAGE + 2 * SIZE);
  new BigUint64Array(consumer)[0] = position;
  new BigUint64Array(producer)[0] = position;
  const memory = (buffer: ArrayBuffer) => ({ buffer, mapped: true, close() {} });
  return {
    ring: new Ring({} as BpfMap, { consumer: memory(consumer), producer: memory(producer) }, SIZE, PAGE),
    consumed: () => new BigUint64Array(consumer)[0],
    header(position: bigint, value: number) {
      new Uint32Array(producer)[(PAGE + (Number(position) % SIZE)) / 4] = value;
    },
    produced(position: bigint) {
      new BigUint64Array(producer)[0] = position;
    },
  };
}

test("a record that is still being written holds up those after it", () => {
  const { ring: reader, header, produced, consumed } = ring(0n);
  header(0n, 4 + BUSY);
  header(16n, 8);
  produced(32n);
  assert.is(reader.next(reader.end), undefined);
  assert.is(consumed(), 0n);
  header(0n, 4 + DISCARD);
  const record = reader.next(reader.end)!;
  assert.is(record.length, 8);
  assert.is(record.data.byteOffset, PAGE + 24);
  assert.is(consumed(), 16n);
  assert.is(reader.next(reader.end), undefined);
  assert.is(consumed(), 32n);
  header(32n, 4 + BUSY + DISCARD);
  produced(48n);
  assert.is(reader.next(reader.end), undefined);
});

test("positions go past 2^32, whose halves are written as one", () => {
  const start = 2n ** 32n - 32n;
  const { ring: reader, header, produced, consumed } = ring(start);
  for (let i = 0n; i < 4n; i++) header(start + i * 16n, 8);
  produced(start + 64n);
  assert.is(reader.pendingBytes, 64);
  const { end } = reader;
  let count = 0;
  while (reader.next(end)) count++;
  assert.is(count, 4);
  assert.is(consumed(), 2n ** 32n + 32n);
  assert.is(reader.pendingBytes, 0);
});

test("distances are right on both sides of 2^32", () => {
  assert.is(distance(5, 9), 4);
  assert.is(distance(0xffff_fff8, 8), 16);
  const memory = new ArrayBuffer(16);
  const position = new SharedPosition(memory, 8);
  position.advance(0xffff_fff8);
  position.advance(8);
  assert.is(new BigUint64Array(memory)[1], 2n ** 32n);
  assert.is(position.low, 0);
  assert.is(position.load(), 0);
});

test("a record takes whole words of 8 bytes, and its header", () => {
  assert.equal([0, 1, 8, 9].map(recordSpan), [8, 16, 16, 24]);
});

test.run();

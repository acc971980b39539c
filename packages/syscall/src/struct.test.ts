import { test } from "uvu";
import * as assert from "uvu/assert";
import { cString, Struct } from "./struct.js";

test("a struct refuses a value that its field would cut short", () => {
  const struct = new Struct(16);
  assert.throws(
    () => struct.u8(0, 256),
    (error: Error) => error instanceof RangeError,
  );
  assert.throws(
    () => struct.u16(0, -1),
    (error: Error) => error instanceof RangeError,
  );
  assert.throws(
    () => struct.u32(0, 2 ** 32 + 5),
    (error: Error) => error instanceof RangeError,
  );
  assert.throws(
    () => struct.u32(0, 1.5),
    (error: Error) => error instanceof RangeError,
  );
  assert.throws(
    () => struct.i32(0, 2 ** 31),
    (error: Error) => error instanceof RangeError,
  );
  assert.throws(
    () => struct.u64(0, 2n ** 64n),
    (error: Error) => error instanceof RangeError,
  );
  assert.throws(
    () => struct.u64(0, -1n),
    (error: Error) => error instanceof RangeError,
  );
  assert.equal([...struct.bytes], new Array(16).fill(0));
});

test("a struct keeps 64-bit values exact", () => {
  assert.is(new Struct(8).u64(0, 2n ** 64n - 1n).getU64(0), 2n ** 64n - 1n);
});

test("a struct writes text with its NUL and clears what was there before", () => {
  const struct = new Struct(8).string(0, "abcdef", 8).string(0, "xy", 8);
  assert.equal([...struct.bytes], [0x78, 0x79, 0, 0, 0, 0, 0, 0]);
  assert.throws(() => struct.string(0, "12345678", 8), /longer than the 7 bytes/);
});

test("text with a NUL inside is no C string", () => {
  assert.throws(() => cString("a\0b"), /holds a NUL/);
});

test("a buffer that a struct points to stays alive and in place through garbage collection", () => {
  const pointers = Array.from({ length: 2000 }, (_, i) => {
    const target = new Uint8Array(i % 48).fill(1);
    const struct = new Struct(8).pointer(0, target);
    return { struct, address: struct.getU64(0) };
  });
  for (let i = 0; i < 50; i++) new Array(100_000).fill(i).map(String);
  for (const { struct, address } of pointers) assert.is(struct.getU64(0), address);
});

test("the pointer to an empty buffer is the null pointer or valid, never a throw", () => {
  assert.is(typeof new Struct(8).pointer(0, new Uint8Array(0)).getU64(0), "bigint");
  assert.is(new Struct(8).pointer(0, null).getU64(0), 0n);
});

test.run();

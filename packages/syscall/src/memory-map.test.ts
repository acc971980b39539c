import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Fd } from "./fd.js";
import { MemoryMap } from "./memory-map.js";

const folder = mkdtempSync(join(tmpdir(), "weir-mmap-"));
test.after(() => rmSync(folder, { recursive: true }));

function file(): { fd: Fd; number: number } {
  const number = openSync(join(folder, "memory"), "w+");
  ftruncateSync(number, 8192);
  return { fd: Fd.adopt(number, "file"), number };
}

test("stores and loads through a map are the file's", () => {
  const { fd, number } = file();
  using _fd = fd;
  using map = MemoryMap.map(fd, 4096, { offset: 4096, writable: true });
  new Uint8Array(map.buffer)[1] = 42;
  const read = new Uint8Array(1);
  readSync(number, read, 0, 1, 4097);
  assert.is(read[0], 42);
  writeSync(number, new Uint8Array([7]), 0, 1, 4098);
  assert.is(new Uint8Array(map.buffer)[2], 7);
  assert.is(Atomics.add(new BigUint64Array(map.buffer), 1, 3n), 0n);
});

test("a view that outlives its map reads zeros instead of ending the process", () => {
  const { fd, number } = file();
  using _fd = fd;
  const map = MemoryMap.map(fd, 4096, { writable: true });
  const view = new Uint8Array(map.buffer);
  view[0] = 9;
  map.close();
  map.close();
  assert.not.ok(map.mapped);
  assert.is(view[0], 0);
  view[0] = 1;
  const read = new Uint8Array(1);
  readSync(number, read, 0, 1, 0);
  assert.is(read[0], 9, "a late store must not reach the file");
});

test("a map that cannot be says why", () => {
  const number = openSync("/dev/null", "r");
  const fd = Fd.adopt(number, "the null device");
  assert.throws(
    () => MemoryMap.map(fd, 4096),
    (error: { syscall: string; message: string }) =>
      error.syscall === "mmap" && error.message.includes("the null device"),
  );
  assert.throws(
    () => MemoryMap.map(fd, 0),
    (error: Error) => error instanceof RangeError,
  );
  fd.close();
  assert.throws(() => closeSync(number), /EBADF/);
});

test.run();

import { test } from "uvu";
import * as assert from "uvu/assert";
import { BpfCommand, bpf, tryBpf } from "./bpf.js";
import { SystemError } from "./errors.js";
import { Fd } from "./fd.js";
import { raiseMemlockLimit } from "./process.js";
import { Struct } from "./struct.js";

const BPF_MAP_TYPE_ARRAY = 2;

function createArray(valueSize: number): Fd {
  const attr = new Struct(20).u32(0, BPF_MAP_TYPE_ARRAY).u32(4, 4).u32(8, valueSize).u32(12, 1);
  return Fd.adopt(bpf(BpfCommand.MAP_CREATE, attr, "create a map"), "map");
}

test("bpf(2) reads and writes through the buffers that a struct points to", () => {
  raiseMemlockLimit();
  using map = createArray(8);
  const key = new Struct(4).u32(0, 0);
  const value = new Struct(8).u64(0, 0x1122_3344_5566_7788n);
  bpf(
    BpfCommand.MAP_UPDATE_ELEM,
    new Struct(32).u32(0, map.number).pointer(8, key).pointer(16, value),
    "write",
  );
  const read = new Struct(8);
  bpf(
    BpfCommand.MAP_LOOKUP_ELEM,
    new Struct(32).u32(0, map.number).pointer(8, key).pointer(16, read),
    "read",
  );
  assert.is(read.getU64(0), 0x1122_3344_5566_7788n);
});

test("buffers that only a struct holds survive garbage collection until the call", () => {
  using map = createArray(8);
  const attrs = Array.from({ length: 500 }, () =>
    new Struct(32).u32(0, map.number).pointer(8, new Uint8Array(4)).pointer(16, new Uint8Array(8)),
  );
  for (let i = 0; i < 50; i++) new Array(100_000).fill(i).map(String);
  for (const attr of attrs) bpf(BpfCommand.MAP_LOOKUP_ELEM, attr, "read");
});

test("errno is right through ten thousand refusals of two kinds", () => {
  using map = createArray(8);
  const outside = new Struct(32)
    .u32(0, map.number)
    .pointer(8, new Struct(4).u32(0, 7))
    .pointer(16, new Struct(8));
  const invalid = new Struct(20).u32(0, BPF_MAP_TYPE_ARRAY).u32(4, 3).u32(8, 8).u32(12, 1);
  for (let i = 0; i < 5000; i++) {
    assert.is(tryBpf(BpfCommand.MAP_LOOKUP_ELEM, outside), -2);
    assert.is(tryBpf(BpfCommand.MAP_CREATE, invalid), -22);
  }
});

test("a refusal names the command and what was being done", () => {
  assert.throws(
    () => createArray(0),
    (error: SystemError) =>
      error instanceof SystemError &&
      error.code === "EINVAL" &&
      error.syscall === "bpf(BPF_MAP_CREATE)" &&
      error.message.startsWith("could not create a map: invalid argument"),
  );
});

test.run();

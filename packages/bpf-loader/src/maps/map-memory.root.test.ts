import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assemble, exit, instruction } from "../asm.js";
import { BpfMap, BpfProgram, MapFlag } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("MapMemory");
const packet = { data: new Uint8Array(64) };
const u32 = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);

test("stores are seen by programs and theirs here, without a system call", () => {
  using loaded = parseFixture("structures").load({ programs: ["shared"] });
  const map = loaded.map<number, number>("mapped");
  using memory = map.mmap();
  assert.is(memory.stride, 8);
  assert.is(memory.bytes.length, 24);
  assert.is(memory.writable, true);
  map.set(2, 40);
  assert.is(memory.view.getUint32(16, true), 40);
  assert.is(loaded.program("shared").testRun(packet).returnValue, 41);
  assert.equal(memory.value(2), u32(41, 0));
  memory.value(2)[0] = 99;
  assert.is(map.get(2), 99);
  assert.is(Atomics.add(new Uint32Array(memory.buffer), 4, 1), 99);
  assert.is(loaded.program("shared").testRun(packet).returnValue, 101);
  for (const index of [-1, 3, 0.5])
    assert.instance(
      thrown(() => memory.value(index)),
      RangeError,
    );
});

test("memory outlives its map, and reads zeros once it is closed", () => {
  const map = BpfMap.create({
    type: "array",
    keySize: 4,
    valueSize: 4,
    maxEntries: 2,
    flags: MapFlag.MMAPABLE,
  });
  const memory = map.mmap();
  const late = memory.value(1);
  late[0] = 5;
  map.close();
  assert.is(memory.value(1)[0], 5);
  memory.close();
  memory.close();
  assert.is(late[0], 0);
});

test("a frozen map is mapped for reading alone, and another kind of map not at all", () => {
  using map = BpfMap.create({
    name: "const",
    type: "array",
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
    flags: MapFlag.MMAPABLE,
  });
  map.raw.set(u32(0), u32(7));
  map.freeze();
  assert.throws(() => map.mmap(), /EPERM.*frozen.*not writable/);
  using memory = map.mmap({ writable: false });
  assert.is(memory.value(0)[0], 7);
  using plain = BpfMap.create({ type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
  assert.throws(() => plain.mmap(), /Only an array made with MapFlag.MMAPABLE/);
});

test("memory that may be written keeps a map from being frozen", () => {
  using map = BpfMap.create({
    type: "array",
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
    flags: MapFlag.MMAPABLE,
  });
  {
    using _memory = map.mmap();
    assert.throws(() => map.freeze(), /EBUSY.*mapped/);
  }
  map.freeze();
});

testWith(test, needs.arena, "an arena is one memory for programs and this process, where both see it", () => {
  const start = 0x1000_0000_0000n;
  using arena = BpfMap.create({
    name: "arena",
    type: "arena",
    keySize: 0,
    valueSize: 0,
    maxEntries: 4,
    flags: MapFlag.MMAPABLE,
    mapExtra: start,
  });
  using memory = arena.mmap();
  assert.is(memory.address, start);
  assert.is(memory.bytes.length, 4 * 4096);
  memory.view.setUint32(4096 + 8, 1234, true);
  // r1 = arena (which makes it the program's); r2 = a pointer of this process; cast to an arena pointer
  const code = assemble(
    instruction(0x18, 1, 1, 0, arena.fd.number),
    instruction(0, 0, 0, 0, 0),
    instruction(0x18, 2, 0, 0, Number(BigInt.asIntN(32, start + 4096n))),
    instruction(0, 0, 0, 0, Number((start + 4096n) >> 32n)),
    instruction(0xbf, 2, 2, 1, 1),
    instruction(0x61, 0, 2, 8, 0), // w0 = *(u32 *)(r2 + 8)
    instruction(0x62, 2, 0, 16, 77), // *(u32 *)(r2 + 16) = 77
    exit(),
  );
  using program = BpfProgram.load({ type: "sched_cls", instructions: code, license: "GPL" });
  assert.is(program.testRun(packet).returnValue, 1234);
  assert.is(memory.view.getUint32(4096 + 16, true), 77);
  assert.throws(() => arena.raw.get(new Uint8Array(0)), /EINVAL|ENOTSUP/);
  assert.throws(
    () => BpfMap.create({ type: "arena", keySize: 0, valueSize: 0, maxEntries: 1 }),
    /takes MapFlag.MMAPABLE/,
  );
});

test.run();

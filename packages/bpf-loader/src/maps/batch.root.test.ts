import { possibleCpus } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfMap, type MapType, u32Codec } from "../index.js";
import { thrown } from "../testing/thrown.js";
import { writeSingly } from "./batch.js";
import { MapElements } from "./elements.js";

const test = suite("batches");
const u32 = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);
const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const first = (bytes: Uint8Array) => view(bytes).getUint32(0, true);

function make(type: MapType, maxEntries: number, flags = 0): BpfMap {
  return BpfMap.create({ name: "m", type, keySize: 4, valueSize: 4, maxEntries, flags });
}

for (const type of ["hash", "lru_hash", "percpu_hash", "lru_percpu_hash"] as const) {
  test(`a ${type} is written, read, taken and deleted in batches`, () => {
    using map = make(type, 10_000);
    const width = map.perCpu ? 2 * possibleCpus() : 1;
    const values = u32(...range(500).flatMap((i) => Array(width).fill(i * 2)));
    map.raw.setBatch(u32(...range(500)), values);
    const seen = new Map<number, number>();
    for (const { count, keys, values } of map.raw.batches({ size: 33 })) {
      assert.is(keys.length, count * 4);
      assert.is(values.length, count * 4 * width);
      for (let i = 0; i < count; i++) {
        const key = first(keys.subarray(i * 4));
        assert.is(seen.has(key), false);
        seen.set(key, first(values.subarray(i * 4 * width)));
      }
    }
    assert.is(seen.size, 500);
    for (const [key, value] of seen) assert.is(value, key * 2);
    assert.is(map.raw.deleteBatch(u32(1, 7777, 3, 8888, 5)), 3);
    assert.is(map.raw.deleteBatch(u32(1, 7777)), 0);
    let taken = 0;
    for (const { count } of map.raw.takeBatches({ size: 64 })) taken += count;
    assert.is(taken, 497);
    assert.equal([...map.raw.keys()], []);
  });
}

test("an array is read and written in batches, and refuses to be emptied", () => {
  using map = make("array", 100);
  map.raw.setBatch(u32(...range(100)), u32(...range(100).map((i) => i + 1)));
  assert.equal(
    [...map.raw.entries({ size: 7 })].map(([key, value]) => [first(key), first(value)]),
    range(100).map((i) => [i, i + 1]),
  );
  assert.throws(() => map.raw.deleteBatch(u32(1)), /EINVAL/);
  assert.throws(() => [...map.raw.takeBatches()], /EINVAL/);
});

test("a bucket that is larger than the batch is read with a larger one", () => {
  // Without a seed of its own a hash of 4 entries has 4 buckets at most; some of them are shared.
  for (let round = 0; round < 20; round++) {
    using map = make("hash", 8);
    map.raw.setBatch(u32(...range(8)), u32(...range(8)));
    const keys: number[] = [];
    for (const batch of map.raw.batches({ size: 1 }))
      for (let i = 0; i < batch.count; i++) keys.push(first(batch.keys.subarray(i * 4)));
    assert.equal(
      keys.sort((a, b) => a - b),
      range(8),
    );
  }
});

test("types without batches are read, written and emptied all the same", () => {
  using trie = BpfMap.create({
    name: "trie",
    type: "lpm_trie",
    keySize: 8,
    valueSize: 4,
    maxEntries: 100,
    flags: 1,
  });
  using devices = make("devmap_hash", 4);
  devices.raw.setBatch(u32(7, 9), u32(1, 1));
  assert.equal([...devices.raw.keys()].map(first).sort(), [7, 9]);
  assert.is(devices.raw.deleteBatch(u32(7, 8, 9)), 2);
  trie.raw.setBatch(u32(...range(50).flatMap((i) => [32, i])), u32(...range(50)));
  const values = [...trie.raw.batches({ size: 8 })].reduce((sum, batch) => sum + batch.count, 0);
  assert.is(values, 50);
  let taken = 0;
  for (const { count } of trie.raw.takeBatches({ size: 8 })) taken += count;
  assert.is(taken, 50);
  assert.equal([...trie.raw.keys()], []);
});

test("an error says how many elements were written before it", () => {
  using map = make("hash", 4, 1);
  assert.match(
    thrown(() => map.raw.setBatch(u32(...range(6)), u32(...range(6)))).message,
    /write 6 elements \(4 are written\) of map "m".*E2BIG.*full/,
  );
  using other = make("hash", 4);
  other.raw.setBatch(u32(2), u32(5));
  assert.match(
    thrown(() => other.raw.setBatch(u32(...range(3)), u32(7, 7, 7), { flag: "noexist" })).message,
    /write 3 elements \(2 are written\) of map "m".*EEXIST/,
  );
  assert.equal(other.raw.get(u32(2)), u32(5));
  other.raw.setBatch(u32(2), u32(6), { flag: "exist" });
  assert.equal(other.raw.get(u32(2)), u32(6));
});

test("keys and values that do not fit are refused before the kernel reads past them", () => {
  using map = make("hash", 4);
  for (const work of [
    () => map.raw.setBatch(u32(1, 2), u32(1)),
    () => map.raw.setBatch(new Uint8Array(5), u32(1)),
    () => map.raw.deleteBatch(new Uint8Array(3)),
    () => [...map.raw.batches({ size: 0 })],
    () => [...map.raw.batches({ size: 1.5 })],
  ])
    assert.instance(thrown(work), RangeError);
  map.raw.setBatch(new Uint8Array(0), new Uint8Array(0));
});

test("every element that stays is seen once while others come and go", () => {
  using map = make("hash", 2000);
  map.raw.setBatch(u32(...range(1000)), u32(...range(1000)));
  const seen = new Set<number>();
  let turn = 0;
  for (const [key] of map.raw.entries({ size: 10 })) {
    const number = first(key);
    if (number < 1000) {
      assert.is(seen.has(number), false);
      seen.add(number);
      // The walk stands here: a walk by key would begin anew.
      map.raw.delete(key);
      map.raw.set(u32(1000 + (turn++ % 900)), u32(0));
    }
  }
  assert.is(seen.size, 1000);
});

test("typed elements go in and out in batches", () => {
  using map = BpfMap.create<number, number[]>(
    { name: "typed", type: "percpu_array", keySize: 4, valueSize: 4, maxEntries: 3000 },
    { key: u32Codec, value: u32Codec },
  );
  const all = (i: number) => Array.from({ length: possibleCpus() }, (_, cpu) => i * 10 + cpu);
  map.setBatch(range(3000).map((i) => [i, all(i)] as const));
  assert.equal(
    [...map.entries()],
    range(3000).map((i) => [i, all(i)]),
  );
  assert.equal([...map.values({ size: 100 })].at(-1), all(2999));
  using hash = BpfMap.create<number, number>(
    { name: "typed", type: "hash", keySize: 4, valueSize: 4, maxEntries: 3000 },
    { key: u32Codec, value: u32Codec },
  );
  hash.setBatch(range(3000).map((i) => [i, i] as const));
  assert.is(hash.deleteBatch(range(4000).filter((i) => i % 2 === 0)), 1500);
  assert.equal(
    [...hash.takeEntries()].sort(([a], [b]) => a - b).map(([key]) => key),
    range(3000).filter((i) => i % 2 === 1),
  );
  assert.is([...hash].length, 0);
});

test("what is written in a batch begins with zeros, as bit-fields want", () => {
  const bits = {
    ...u32Codec,
    write: (data: DataView, at: number, value: number) =>
      data.setUint32(at, data.getUint32(at, true) | value, true),
  };
  using map = BpfMap.create<number, number>(
    { type: "array", keySize: 4, valueSize: 4, maxEntries: 3000 },
    { key: u32Codec, value: bits },
  );
  map.setBatch(range(3000).map((i) => [i, i < 1024 ? 255 : 0] as const));
  assert.equal(
    [...map.values()],
    range(3000).map((i) => (i < 1024 ? 255 : 0)),
  );
});

test("a walk by key that others keep from ending comes to an end", () => {
  using trie = BpfMap.create({ type: "lpm_trie", keySize: 8, valueSize: 4, maxEntries: 4, flags: 1 });
  trie.raw.set(u32(32, 0), u32(0));
  trie.raw.set(u32(32, 1), u32(0));
  let next = 2;
  const error = thrown(() => {
    for (const _ of trie.raw.batches({ size: 1 })) {
      for (const key of [...trie.raw.keys()]) trie.raw.delete(key);
      trie.raw.setBatch(u32(32, next, 32, next + 1), u32(0, 0));
      next += 2;
    }
  });
  assert.match(error.message, /walk, while it changes without end, map.*EAGAIN/);
});

test("elements written one by one are those of a batch", () => {
  using map = make("hash", 10);
  const shape = {
    name: "m",
    type: "hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 10,
    indexed: false,
  } as const;
  writeSingly(new MapElements(map.fd, shape), u32(1, 2), u32(3, 4), 0);
  assert.equal([...map.raw.entries()].map(([key, value]) => [first(key), first(value)]).sort(), [
    [1, 3],
    [2, 4],
  ]);
});

test.run();

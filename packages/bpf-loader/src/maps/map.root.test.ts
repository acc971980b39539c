import { join } from "node:path";
import { possibleCpus } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfMap, BpfProgram, BtfValueError, type MapMismatchError } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { temporaryBpffs } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";
import { MapElements } from "./elements.js";
import { RawMap } from "./raw-map.js";

const test = suite("BpfMap");
const u32 = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);
const hash = (maxEntries = 4) =>
  BpfMap.create({ name: "h", type: "hash", keySize: 4, valueSize: 4, maxEntries });

test("elements are written, read, listed and deleted as bytes", () => {
  using map = hash();
  assert.is(map.raw.get(u32(1)), undefined);
  map.raw.set(u32(1), u32(10));
  map.raw.set(u32(2), u32(20));
  assert.equal(map.raw.get(u32(1)), u32(10));
  assert.equal([...map.raw.entries()].sort(), [
    [u32(1), u32(10)],
    [u32(2), u32(20)],
  ]);
  assert.is(map.raw.delete(u32(1)), true);
  assert.is(map.raw.delete(u32(1)), false);
  assert.equal([...map.raw.keys()], [u32(2)]);
});

test("a value that was read does not change with the map", () => {
  using map = hash();
  map.raw.set(u32(1), u32(10));
  const before = map.raw.get(u32(1));
  map.raw.set(u32(1), u32(11));
  map.raw.get(u32(1));
  assert.equal(before, u32(10));
});

test("flags say whether an element may be created or replaced", () => {
  using map = hash();
  assert.throws(() => map.raw.set(u32(1), u32(1), { flag: "exist" }), /ENOENT/);
  map.raw.set(u32(1), u32(1), { flag: "noexist" });
  assert.throws(() => map.raw.set(u32(1), u32(2), { flag: "noexist" }), /EEXIST/);
  map.raw.set(u32(1), u32(3), { flag: "exist" });
  map.raw.set(u32(1), u32(4));
  assert.equal(map.raw.get(u32(1)), u32(4));
});

test("keys and values of another size are refused before the kernel reads past them", () => {
  using map = hash();
  assert.instance(
    thrown(() => map.raw.get(new Uint8Array(3))),
    RangeError,
  );
  assert.instance(
    thrown(() => map.raw.set(u32(1), new Uint8Array(5))),
    RangeError,
  );
  assert.instance(
    thrown(() => map.raw.delete(new Uint8Array(0))),
    RangeError,
  );
});

test("a full map and an index beyond an array say so", () => {
  using map = hash(1);
  map.raw.set(u32(1), u32(1));
  assert.throws(() => map.raw.set(u32(2), u32(2)), /E2BIG.*full/);
  using array = BpfMap.create({ type: "array", keySize: 4, valueSize: 4, maxEntries: 2 });
  assert.throws(() => array.raw.set(u32(2), u32(0)), /E2BIG/);
  assert.is(array.raw.get(u32(2)), undefined);
  assert.throws(() => array.raw.delete(u32(0)), /EINVAL/);
});

test("every element may be deleted while they are listed", () => {
  using map = hash(100);
  for (let i = 0; i < 100; i++) map.raw.set(u32(i), u32(i));
  let seen = 0;
  for (const key of map.raw.keys()) {
    assert.ok(map.raw.delete(key));
    seen++;
  }
  assert.is(seen, 100);
  assert.equal([...map.raw.keys()], []);
});

test("a walk that finds far more keys than the map can hold comes to an end", () => {
  using map = hash(100);
  for (let i = 0; i < 100; i++) map.raw.set(u32(i), u32(i));
  // As if others put in what they have just deleted, for ever.
  const shape = { name: "h", type: "hash", keySize: 4, valueSize: 4, maxEntries: 3, indexed: false } as const;
  const smaller = new RawMap(new MapElements(map.fd, shape));
  assert.match(thrown(() => [...smaller.keys()]).message, /EAGAIN/);
  assert.is([...map.raw.keys()].length, 100);
});

test("keys and values are decoded and checked by BTF", () => {
  using loaded = parseFixture("maps").load({ programs: [], maps: {} });
  assert.is(loaded.maps.length, 0);
  using bpffs = temporaryBpffs();
  using all = parseFixture("maps").load({ pinPath: bpffs.path });
  const flows = all.map<{ source: number; port: number }, bigint>("flows");
  flows.set({ source: 1, port: 443 }, 7n);
  assert.is(flows.get({ source: 1, port: 443 }), 7n);
  assert.equal([...flows.entries()], [[{ source: 1, port: 443 }, 7n]]);
  assert.equal([...flows.keys()], [{ source: 1, port: 443 }]);
  assert.instance(
    thrown(() => flows.get({ source: 1 } as never)),
    BtfValueError,
  );
  assert.throws(
    () => flows.set({ source: 1, port: 65_536 }, 1n),
    /port: expected an integer from 0 to 65535/,
  );
  assert.is(flows.delete({ source: 1, port: 443 }), true);
  assert.is(flows.get({ source: 1, port: 443 }), undefined);
  // The padding of struct flow is part of the key: the program finds what was written from here.
  assert.is(flows.raw.get(new Uint8Array(8).fill(255)), undefined);
  flows.set({ source: 64, port: 80 }, 1n);
  all.program("count_flows").testRun({ data: new Uint8Array(64) });
  assert.is(flows.get({ source: 64, port: 80 }), 2n);
});

test("values of a per-CPU hash are arrays with one element for each possible CPU", () => {
  using bpffs = temporaryBpffs();
  using all = parseFixture("maps").load({ pinPath: bpffs.path });
  const map = all.map<number, number[]>("per_cpu");
  const values = Array.from({ length: possibleCpus() }, (_, cpu) => 100 + cpu);
  map.set(7, values);
  assert.equal(map.get(7), values);
  assert.equal([...map.entries()], [[7, values]]);
  // 4 bytes each, 8 bytes apart
  assert.is(map.raw.get(u32(7))?.length, 8 * possibleCpus());
  assert.instance(
    thrown(() => map.set(7, [1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, possibleCpus() + 1))),
    RangeError,
  );
});

test("an array is listed by index, and so is a per-CPU array", () => {
  using loaded = parseFixture("shape").load({ programs: ["shape_lock"] });
  assert.equal([...loaded.map("counters").keys()].slice(0, 3), [0, 1, 2]);
  assert.is([...loaded.map("pods").entries()].length, 64);
});

test("a perf event array without a size has one slot for each CPU", () => {
  using bpffs = temporaryBpffs();
  using all = parseFixture("maps").load({ pinPath: bpffs.path });
  assert.is(all.map("events").maxEntries, possibleCpus());
});

test("what the kernel says about a map is what was asked for", () => {
  using loaded = parseFixture("shape").load({ programs: ["shape_lock"] });
  const { id, btfId, btfKeyTypeId, btfValueTypeId, ...rest } = loaded.map("pods").info;
  assert.equal(rest, {
    type: "array",
    name: "pods",
    keySize: 4,
    valueSize: 24,
    maxEntries: 64,
    flags: 0,
    mapExtra: 0n,
    ifindex: 0,
    btfVmlinuxValueTypeId: 0,
    btfVmlinuxId: 0,
  });
  assert.ok([id, btfId, btfKeyTypeId, btfValueTypeId].every((number) => number > 0));
});

test("a pinned map is opened as bytes, by a definition, or by the BTF that the kernel has of it", () => {
  using bpffs = temporaryBpffs();
  const path = join(bpffs.path, "pods");
  const object = parseFixture("shape");
  {
    using loaded = object.load({ programs: ["shape_lock"] });
    loaded.map("pods").set(2, { flags: 5, rate: 6n, departure: 7n });
    loaded.map("pods").pin(path);
  }
  using raw = BpfMap.open(path);
  assert.equal(raw.raw.get(u32(2)), u32(0, 5, 6, 0, 7, 0));
  assert.equal(raw.get(2), { flags: 5, rate: 6n, departure: 7n });
  assert.is(raw.name, "pods");
  using like = BpfMap.open(path, { like: object.map("pods") });
  assert.equal(like.get(2), { flags: 5, rate: 6n, departure: 7n });
  object.map("pods").maxEntries = 65;
  object.map("pods").flags = 0x400;
  assert.throws(
    () => BpfMap.open(path, { like: object.map("pods") }),
    (error: MapMismatchError) =>
      error.differences.map((difference) => difference.field).join() === "maxEntries,flags",
  );
});

test("a pin that is missing, in use, or of another kind says so", () => {
  using bpffs = temporaryBpffs();
  using map = hash();
  const path = join(bpffs.path, "map");
  map.pin(path);
  assert.throws(() => map.pin(path), /EEXIST.*pinned there already/);
  assert.throws(() => BpfMap.open(join(bpffs.path, "nothing")), /ENOENT/);
  assert.throws(() => BpfProgram.open(path), /What is pinned there is a map/);
  assert.throws(() => map.pin(join(bpffs.path, "no/such/folder")), /does not exist; make it/);
  assert.throws(() => map.pin("/tmp/weir-not-a-bpffs"), /not on a BPF filesystem; mount one/);
});

test("a frozen map can be read and no longer written", () => {
  using map = BpfMap.create({ type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
  map.freeze();
  assert.equal(map.raw.get(u32(0)), u32(0));
  assert.throws(() => map.raw.set(u32(0), u32(1)), /EPERM.*frozen/);
});

test("a pinned map that is opened for reading is not written", () => {
  using bpffs = temporaryBpffs();
  using map = hash();
  map.raw.set(u32(1), u32(2));
  const path = join(bpffs.path, "map");
  map.pin(path);
  using opened = BpfMap.open(path, { readOnly: true });
  assert.equal(opened.raw.get(u32(1)), u32(2));
  assert.throws(() => opened.raw.set(u32(1), u32(3)), /EPERM.*opened for the other direction/);
  assert.throws(() => opened.raw.delete(u32(1)), /EPERM/);
});

test("a closed map is not mistaken for whatever takes its number", () => {
  const map = hash();
  const walk = map.raw.keys();
  map.raw.set(u32(1), u32(1));
  map.raw.set(u32(2), u32(1));
  walk.next();
  map.close();
  assert.throws(() => map.raw.get(u32(1)), /EBADF/);
  assert.throws(() => walk.next(), /EBADF/);
  assert.throws(() => map.info, /EBADF/);
});

test("a map that the kernel refuses says what was asked for", () => {
  assert.throws(
    () => BpfMap.create({ name: "odd", type: "array", keySize: 8, valueSize: 4, maxEntries: 1 }),
    /create map "odd" \(array, key 8, value 4, max_entries 1, flags 0x0\): .*EINVAL/,
  );
});

test.run();

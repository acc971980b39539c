import { openSync } from "node:fs";
import { Fd, possibleCpus, Socket } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { wholeBtf } from "../btf/slice.js";
import { BpfMap, type LoadedObject, MapFlag, NotSupportedError, u64Codec } from "../index.js";
import { loadBtf } from "../kernel/btf-load.js";
import { kernelBefore } from "../kernel/call.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith, testWithout } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("map types");
const packet = { data: new Uint8Array(64) };
const u32 = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);

/** The given programs of the fixture, with the maps that they use. */
function load(...programs: string[]): LoadedObject {
  return parseFixture("structures").load({ programs });
}

const run = (loaded: LoadedObject, name: string) => loaded.program(name).testRun(packet).returnValue | 0;

test("a queue gives the oldest first and a stack the newest, to programs and from them", () => {
  using loaded = load("relay");
  const queue = loaded.map<never, number>("queue");
  const stack = loaded.map<never, number>("stack");
  assert.is(queue.pop(), undefined);
  assert.is(queue.peek(), undefined);
  for (const value of [1, 2, 3, 4]) queue.push(value);
  assert.throws(() => queue.push(5), /E2BIG.*full/);
  queue.push(5, { overwrite: true });
  assert.is(queue.peek(), 2);
  assert.is(run(loaded, "relay"), 4);
  assert.is(queue.pop(), undefined);
  assert.equal(
    [stack.peek(), stack.pop(), stack.pop(), stack.pop(), stack.pop(), stack.pop()],
    [5, 5, 4, 3, 2, undefined],
  );
  stack.raw.push(u32(9));
  assert.equal(stack.raw.peek(), u32(9));
  assert.equal(stack.raw.pop(), u32(9));
  assert.is(stack.raw.pop(), undefined);
  assert.throws(() => [...queue.keys()], /maps of type queue have no keys/);
});

testWith(test, needs.bloomFilter, "a bloom filter knows what was added from either side", () => {
  using loaded = load("filter");
  const bloom = loaded.map<never, bigint>("bloom");
  assert.is(bloom.info.mapExtra, 4n);
  assert.is(bloom.has(64n), false);
  assert.is(run(loaded, "filter"), 0);
  assert.is(bloom.has(64n), true);
  assert.is(run(loaded, "filter"), 1);
  bloom.add(7n);
  assert.is(bloom.has(7n), true);
  assert.is(bloom.raw.has(new Uint8Array(8).fill(255)), false);
});

testWithout(test, needs.bloomFilter, "a kernel without bloom filters is said to lack them", () => {
  const error = thrown(() =>
    BpfMap.create({ type: "bloom_filter", keySize: 0, valueSize: 8, maxEntries: 4 }),
  );
  assert.instance(error, NotSupportedError);
  assert.is((error as NotSupportedError).since, "5.16");
});

test("the longest prefix wins in a trie", () => {
  using loaded = load("route");
  const routes = loaded.map<{ length: number; address: Uint8Array }, bigint>("routes");
  const prefix = (length: number, ...address: number[]) => ({ length, address: Uint8Array.from(address) });
  assert.is(run(loaded, "route"), -1);
  routes.set(prefix(8, 10, 0, 0, 0), 1n);
  assert.is(run(loaded, "route"), 1);
  routes.set(prefix(16, 10, 1, 0, 0), 2n);
  routes.set(prefix(16, 10, 2, 0, 0), 3n);
  assert.is(run(loaded, "route"), 2);
  assert.is(routes.get(prefix(32, 10, 2, 3, 4)), 3n);
  assert.equal([...routes.entries()].map(([key, value]) => [key.length, value]).sort(), [
    [16, 2n],
    [16, 3n],
    [8, 1n],
  ]);
  assert.is(routes.take(prefix(16, 10, 1, 0, 0)), 2n);
  assert.is(run(loaded, "route"), 1);
  assert.match(
    thrown(() => BpfMap.create({ type: "lpm_trie", keySize: 8, valueSize: 4, maxEntries: 1 })).message,
    /takes MapFlag.NO_PREALLOC/,
  );
});

test("each CPU counts for itself", () => {
  using loaded = load("hit");
  const hits = loaded.map<number, bigint[]>("hits");
  for (let i = 0; i < 5; i++) run(loaded, "hit");
  const counts = hits.get(1)!;
  assert.is(counts.length, possibleCpus());
  assert.is(
    counts.reduce((sum, count) => sum + count, 0n),
    5n,
  );
  hits.set(1, Array(possibleCpus()).fill(0n));
  assert.equal([...hits.values()].flat(), Array(2 * possibleCpus()).fill(0n));
});

test("a value with a spin lock is read and written under it", () => {
  using loaded = load("guard");
  const guarded = loaded.map<number, { a: number; b: number }>("guarded");
  guarded.set(1, { a: 3, b: 3 });
  run(loaded, "guard");
  assert.equal(guarded.get(1, { lock: true }), { a: 4, b: 4 });
  guarded.set(1, { a: 9, b: 9 }, { lock: true, flag: "exist" });
  assert.equal([...guarded.entries({ lock: true })], [[1, { a: 9, b: 9 }]]);
  assert.equal(guarded.take(1, { lock: true }), { a: 9, b: 9 });
  assert.is(guarded.take(1), undefined);
  guarded.setBatch([[2, { a: 1, b: 1 }]]);
  assert.is(guarded.has(2), true);
  using plain = BpfMap.create({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 1 });
  assert.throws(() => plain.raw.get(u32(1), { lock: true }), /EINVAL/);
});

test("what a socket stores is reached by its descriptor", () => {
  using loaded = load("of_socket");
  const sockets = loaded.map<number, bigint>("sockets");
  using socket = Socket.open(2, 2, 0);
  using other = Socket.open(2, 2, 0);
  assert.is(sockets.get(socket), undefined);
  sockets.set(socket, 5n);
  sockets.set(other.fd, 6n, { flag: "noexist" });
  assert.is(sockets.get(socket.fd), 5n);
  assert.is(sockets.get(other.fd.number), 6n);
  assert.is(sockets.delete(socket), true);
  assert.is(sockets.delete(socket), false);
  assert.throws(() => sockets.get("x" as never), /an open map, program, link or descriptor/);
  assert.throws(() => [...sockets.keys()], /no such operation for maps of type sk_storage/);
});

test("what a cgroup stores is reached by its descriptor", () => {
  const { btf } = parseFixture("structures");
  using loaded = loadBtf(wholeBtf(btf!), []).fd!;
  const key = [...btf!.typesOf("int")].find((type) => type.name === "int")!.id;
  const value = btf!.ids("__u64")[0]!;
  const create = () =>
    BpfMap.create<number, bigint>({
      type: "cgrp_storage",
      keySize: 4,
      valueSize: 8,
      maxEntries: 0,
      flags: MapFlag.NO_PREALLOC,
      btf: { fd: loaded, key, value },
    });
  if (kernelBefore(6, 2)) {
    assert.is((thrown(create) as NotSupportedError).since, "6.2");
    return;
  }
  using cgroup = folder("/sys/fs/cgroup/unified") ?? folder("/sys/fs/cgroup")!;
  using map = create();
  map.set(cgroup, 11n);
  assert.is(map.get(cgroup), 11n);
  assert.is(map.delete(cgroup), true);
});

test("a program array takes programs and gives their ids", () => {
  using loaded = load("jump", "landed");
  const jumps = loaded.map("jumps");
  assert.is(run(loaded, "jump"), 7);
  jumps.set(1, loaded.program("landed"));
  assert.is(run(loaded, "jump"), 42);
  assert.is(jumps.get(1), loaded.program("landed").info.id);
  assert.equal([...jumps.entries()], [[1, loaded.program("landed").info.id]]);
  assert.is(jumps.usage.ownerProgramType, "sched_cls");
  assert.is(jumps.delete(1), true);
  assert.is(run(loaded, "jump"), 7);
  assert.throws(() => jumps.set(1, "landed"), /an open map, program, link or descriptor/);
});

for (const type of ["array_of_maps", "hash_of_maps"] as const) {
  test(`an ${type} takes maps and gives ids, by which they are opened`, () => {
    using inner = BpfMap.create({ name: "inner", type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
    using map = BpfMap.create<number | Uint8Array, number>({
      name: "outer",
      type,
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      innerMap: inner,
    });
    const key = type === "array_of_maps" ? 1 : u32(1);
    assert.is(map.get(key), undefined);
    map.set(key, inner);
    inner.raw.set(u32(0), u32(99));
    using opened = BpfMap.openById(map.get(key)!);
    assert.is(opened.name, "inner");
    assert.equal(opened.raw.get(u32(0)), u32(99));
    assert.equal([...map.entries()], [[key, inner.info.id]]);
    assert.is(map.delete(key), true);
    assert.throws(
      () => BpfMap.create({ type, keySize: 4, valueSize: 4, maxEntries: 1 }),
      /takes an innerMap/,
    );
  });
}

test("maps that redirect packets take devices, queue lengths and sockets", () => {
  using devices = BpfMap.create<number, number>({ type: "devmap", keySize: 4, valueSize: 4, maxEntries: 2 });
  devices.set(0, 1);
  assert.is(devices.get(0), 1);
  assert.is(devices.get(1), undefined);
  assert.equal([...devices.entries()], [[0, 1]]);
  assert.is(devices.delete(0), true);
  assert.throws(() => devices.set(0, 0x7fff_ffff), /EINVAL|ENODEV/);
  using hashed = BpfMap.create<Uint8Array, number>({
    type: "devmap_hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 2,
  });
  hashed.set(u32(77), 1);
  assert.equal([...hashed.entries()], [[u32(77), 1]]);
  using cpus = BpfMap.create<number, number>({ type: "cpumap", keySize: 4, valueSize: 4, maxEntries: 2 });
  cpus.set(0, 64);
  assert.is(cpus.get(0), 64);
  assert.is(cpus.delete(0), true);
  using xsk = BpfMap.create<number, number>({ type: "xskmap", keySize: 4, valueSize: 4, maxEntries: 2 });
  using udp = Socket.open(2, 2, 0);
  assert.throws(() => xsk.set(0, udp), /EOPNOTSUPP|ENOTSUP/);
});

for (const type of ["sockmap", "sockhash"] as const) {
  test(`a ${type} takes sockets and gives their cookies`, () => {
    using map = BpfMap.create<number | Uint8Array, bigint>({
      type,
      keySize: 4,
      valueSize: 8,
      maxEntries: 2,
    });
    using socket = Socket.open(2, 2, 0);
    const address = new Uint8Array(16);
    address.set([2, 0, 0, 0, 127, 0, 0, 1]);
    socket.bind(address);
    socket.connect(socket.localAddress());
    const cookie = new DataView(socket.getOption(1, 57, 8).buffer).getBigUint64(0, true);
    const key = type === "sockmap" ? 0 : u32(5);
    map.set(key, socket);
    assert.is(map.get(key), cookie);
    assert.equal([...map.entries()], [[key, cookie]]);
    assert.is(map.delete(key), true);
    assert.is(map.get(key), undefined);
    using small = BpfMap.create({ type, keySize: 4, valueSize: 4, maxEntries: 2 });
    small.set(key, socket);
    assert.throws(() => small.get(key), /takes values of 8 bytes/);
  });
}

test("a cgroup array takes cgroups, a stack trace map is walked", () => {
  using cgroup = folder("/sys/fs/cgroup/unified") ?? folder("/sys/fs/cgroup")!;
  using cgroups = BpfMap.create({ type: "cgroup_array", keySize: 4, valueSize: 4, maxEntries: 1 });
  cgroups.set(0, cgroup);
  assert.throws(() => cgroups.get(0), /no such operation for maps of type cgroup_array/);
  assert.is(cgroups.delete(0), true);
  using traces = BpfMap.create({ type: "stack_trace", keySize: 4, valueSize: 8 * 16, maxEntries: 4 });
  assert.equal([...traces.entries()], []);
});

test("the kernel's maps are listed and opened by id", () => {
  using map = BpfMap.create({ name: "listed", type: "hash", keySize: 4, valueSize: 4, maxEntries: 1 });
  const { id } = map.info;
  const ids = [...BpfMap.ids()];
  assert.ok(ids.includes(id));
  assert.equal(
    ids,
    ids.toSorted((a, b) => a - b),
  );
  using opened = BpfMap.openById(id);
  assert.is(opened.name, "listed");
  assert.throws(() => BpfMap.openById(0x7fff_fffe), /open map 2147483646.*ENOENT/);
});

test("a map tells what it takes up and whether it is frozen", () => {
  using map = BpfMap.create({ type: "array", keySize: 4, valueSize: 8, maxEntries: 1000 });
  assert.ok(map.usage.memoryBytes >= 8000);
  assert.is(map.usage.frozen, false);
  map.freeze();
  assert.is(map.usage.frozen, true);
});

test("a take removes the element and gives its value", () => {
  using map = BpfMap.create({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 4 });
  map.raw.set(u32(1), u32(5));
  assert.equal(map.raw.take(u32(1)), u32(5));
  assert.is(map.raw.take(u32(1)), undefined);
  assert.is(map.raw.has(u32(1)), false);
  using typed = BpfMap.create<bigint, bigint>(
    { type: "hash", keySize: 8, valueSize: 8, maxEntries: 4 },
    { key: u64Codec, value: u64Codec },
  );
  typed.set(1n, 2n);
  assert.is(typed.has(1n), true);
  assert.is(typed.take(1n), 2n);
  assert.is(typed.take(1n), undefined);
});

/** A folder's descriptor. */
function folder(path: string): Fd | undefined {
  try {
    return Fd.adopt(openSync(path, "r"), path);
  } catch {
    return undefined;
  }
}

test.run();

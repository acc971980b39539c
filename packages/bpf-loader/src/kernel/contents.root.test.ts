import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfMap, BpfObject, VerifierError } from "../index.js";
import { openDescriptors } from "../testing/descriptors.js";
import { fixture, parseFixture } from "../testing/fixtures.js";
import { needs, temporaryBpffs, testWith } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("contents of maps");
const data = new Uint8Array(64);

test("maps of maps hold what their definitions name, each at its place", () => {
  using loaded = parseFixture("contents").load({ programs: ["read_maps"] });
  assert.equal(loaded.maps.map((map) => map.name).slice(0, 4), ["first", "second", "by_index", "by_key"]);
  loaded.map<number, bigint>("first").set(0, 3n);
  loaded.map<number, bigint>("second").set(0, 5n);
  // by_index[1] is first, by_index[3] and by_key[0] are second; by_index[0] is empty.
  assert.is(loaded.program("read_maps").testRun({ data }).returnValue, 3 + 500 + 50_000);
});

test("a program array is filled, and the programs in it are loaded although nobody names them", () => {
  const object = parseFixture("contents");
  for (const name of ["step_one", "step_two"]) object.program(name).autoload = false;
  using loaded = object.load({ programs: ["walk"] });
  assert.equal(
    loaded.programs.map((program) => program.name),
    ["step_one", "step_two", "walk"],
  );
  assert.is(loaded.program("walk").testRun({ data }).returnValue, 41);
});

test("what a map holds can be changed before load", () => {
  const object = parseFixture("contents");
  const byIndex = object.map("by_index");
  byIndex.contents = [{ key: 3, map: object.map("first") }];
  object.map("steps").contents = [{ key: 2, program: object.program("step_one") }];
  using loaded = object.load({ programs: ["read_maps", "walk"] });
  loaded.map<number, bigint>("first").set(0, 2n);
  assert.is(loaded.program("read_maps").testRun({ data }).returnValue, 200);
  assert.is(loaded.program("walk").testRun({ data }).returnValue, 41);
});

testWith(test, needs.bloomFilter, "maps get all that their definitions say", () => {
  using loaded = parseFixture("contents").load({ programs: ["use_others"] });
  // Two lookups find nothing, the bloom filter has the value, and the ring was rounded up to 8192 bytes.
  assert.is(loaded.program("use_others").testRun({ data }).returnValue, 21);
  assert.is(loaded.map("bloom").info.mapExtra, 3n);
  assert.is(loaded.map("on_node").info.flags, 4);
  assert.is(loaded.map("ring").maxEntries, 8192);
});

test("a map of maps takes maps like its template and no others", () => {
  using loaded = parseFixture("contents").load({ programs: ["read_maps"] });
  const outer = loaded.map("by_index").raw;
  const descriptor = (map: BpfMap) => new Uint8Array(Uint32Array.of(map.fd.number).buffer);
  using other = BpfMap.create({ type: "hash", keySize: 4, valueSize: 8, maxEntries: 2 });
  assert.match(thrown(() => outer.set(new Uint8Array(4), descriptor(other))).message, "EINVAL");
  outer.set(new Uint8Array(4), descriptor(loaded.map("first")));
  assert.is(loaded.program("read_maps").testRun({ data }).returnValue, 2 ** 32 - 1);
});

test("a map of maps without a template is refused by name, unless something is in it", () => {
  const object = parseFixture("contents");
  object.map("by_index").innerMap = undefined;
  object.map("by_key").innerMap = undefined;
  using loaded = object.load({ programs: ["read_maps"] });
  assert.is(loaded.program("read_maps").testRun({ data }).returnValue, 0);
  object.map("by_key").contents = [];
  const before = openDescriptors();
  assert.match(
    thrown(() => object.load({ programs: ["read_maps"] })).message,
    /"by_key" holds maps of no known kind/,
  );
  assert.equal(openDescriptors(), before);
});

test("a pinned map of maps keeps what is in it when it is used again", () => {
  using bpffs = temporaryBpffs();
  const load = () => {
    const object = parseFixture("contents");
    object.map("by_index").pinning = "by_name";
    return object.load({ programs: ["read_maps"], pinPath: bpffs.path });
  };
  {
    using first = load();
    first.map<number, bigint>("first").set(0, 9n);
  }
  using second = load();
  // The maps of the first load are still in it; those of the second are not.
  assert.is(second.program("read_maps").testRun({ data }).returnValue, 9);
});

test("a pinned map that differs in every field is refused with all of them", () => {
  using bpffs = temporaryBpffs();
  const object = parseFixture("contents");
  object.map("on_node").pinning = "by_name";
  {
    using other = BpfMap.create({ type: "lru_hash", keySize: 8, valueSize: 8, maxEntries: 3 });
    other.pin(join(bpffs.path, "on_node"));
  }
  assert.match(
    thrown(() => object.load({ programs: ["use_others"], pinPath: bpffs.path })).message,
    /type is lru_hash instead of hash, keySize is 8 instead of 4, valueSize is 8 instead of 20, maxEntries is 3 instead of 1, flags is 0 instead of 4/,
  );
});

testWith(test, needs.bloomFilter, "a pinned map that differs in map_extra alone is refused", () => {
  using bpffs = temporaryBpffs();
  const load = (hashes: bigint) => {
    const object = parseFixture("contents");
    object.map("bloom").pinning = "by_name";
    object.map("bloom").mapExtra = hashes;
    object.load({ programs: ["use_others"], pinPath: bpffs.path }).close();
  };
  load(3n);
  load(3n);
  assert.match(thrown(() => load(4n)).message, /definition of map "bloom": mapExtra is 3 instead of 4$/);
});

test("a pinned map of devices is used again, although the kernel has added a flag to it", () => {
  using bpffs = temporaryBpffs();
  const object = parseFixture("legacy");
  Object.assign(object.map("counts"), { type: "devmap", valueSize: 4, pinning: "by_name" });
  object.program("count").autoload = false;
  const options = { pinPath: bpffs.path };
  object.load(options).close();
  using again = object.load(options);
  assert.is(again.map("counts").type, "devmap");
});

test("a map that is not created is missed only by a program that gets to it", () => {
  const object = parseFixture("contents");
  object.map("bloom").autocreate = false;
  {
    using loaded = object.load({ programs: ["guarded"] });
    assert.is(loaded.program("guarded").testRun({ data }).returnValue, 17);
    assert.equal(
      loaded.maps.map((map) => map.name),
      [".rodata"],
    );
  }
  object.variable("with_bloom").set(1);
  const error = thrown(() => object.load({ programs: ["guarded"] }));
  assert.instance(error, VerifierError);
  assert.match(error.message, 'uses map "bloom", which was not to be created');
});

test("a map can be pinned at a place of its own", () => {
  using bpffs = temporaryBpffs();
  const path = join(bpffs.path, "elsewhere");
  const load = () => {
    const object = parseFixture("contents");
    object.map("first").pinPath = path;
    return object.load({ programs: ["read_maps"] });
  };
  {
    using first = load();
    first.map<number, bigint>("first").set(0, 8n);
  }
  using second = load();
  assert.is(second.program("read_maps").testRun({ data }).returnValue, 8);
  using opened = BpfMap.open(path);
  assert.is(opened.info.id, second.map("first").info.id);
});

test("maps from before BTF are loaded by their definitions", () => {
  const object = parseFixture("legacy");
  using loaded = object.load();
  assert.is(loaded.program("count").testRun({ data }).returnValue, 64);
  // Typed by the struct that BPF_ANNOTATE_KV_PAIR made.
  assert.is(loaded.map<number, bigint>("counts").get(2), 64n);
  assert.equal([...loaded.map("seen").raw.keys()], [Uint8Array.of(64, 0, 0, 0, 0, 0, 0, 0)]);
});

test("maps from before BTF need none", () => {
  const bytes = fixture("legacy");
  const text = new TextDecoder("latin1").decode(bytes);
  // Section .BTF, whose name is the end of .rel.BTF's where there is one, becomes .CTF, and .BTF.ext too.
  for (const match of text.matchAll(/\.BTF(?=\0|\.ext\0)/g)) bytes[match.index + 1] = "C".charCodeAt(0);
  const object = BpfObject.parse(bytes);
  assert.is(object.btf, undefined);
  using loaded = object.load();
  assert.is(loaded.program("count").testRun({ data }).returnValue, 64);
  assert.equal(loaded.map("counts").get(2), Uint8Array.of(64, 0, 0, 0, 0, 0, 0, 0));
});

test("maps of iproute2 refer to each other, and its tail calls find their programs", () => {
  using bpffs = temporaryBpffs();
  const object = parseFixture("iproute2");
  const load = () => object.load({ programs: ["enter"], pinPath: bpffs.path });
  assert.match(thrown(load).message, /section "5\/1" does not say what type program "jumped" has/);
  object.program("jumped").type = "sched_cls";
  {
    using loaded = load();
    loaded.map("inside").raw.set(new Uint8Array(4), Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0));
    assert.is(loaded.program("enter").testRun({ data }).returnValue, 7);
  }
  using pinned = BpfMap.open(join(bpffs.path, "shared"));
  assert.equal(pinned.raw.get(new Uint8Array(4)), Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
});

test.run();

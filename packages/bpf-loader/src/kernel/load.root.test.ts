import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  BpfMap,
  type BpfObjectError,
  decodeSkbContext,
  encodeSkbContext,
  MapMismatchError,
} from "../index.js";
import { openDescriptors } from "../testing/descriptors.js";
import { fixturePath, parseFixture } from "../testing/fixtures.js";
import { needs, temporaryBpffs, testWith } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("loading objects");
const packet = new Uint8Array(64);

test("a program reads its constants, takes the lock, counts in a subprogram and stamps the packet", () => {
  const object = parseFixture("shape");
  object.variable("index_override").set(3);
  object.variable("horizon").set(10n ** 15n);
  using loaded = object.load({ programs: ["shape_lock"] });
  const pods = loaded.map<number, { flags: number; rate: bigint; departure: bigint }>("pods");
  // So slow that the second packet waits for the first however slow the machine is: one byte a second.
  pods.set(3, { flags: 0, rate: 1n, departure: 0n });
  const program = loaded.program("shape_lock");
  const first = program.testRun({ data: packet, context: encodeSkbContext({ wireLength: 1500 }) });
  const second = program.testRun({ data: packet, context: encodeSkbContext({ wireLength: 500 }) });
  assert.is(first.returnValue, 0);
  const [start, next] = [first, second].map((run) => decodeSkbContext(run.context).tstamp);
  assert.is(next! - start!, 1500n * 10n ** 9n);
  assert.is(pods.get(3, { lock: true })?.departure, next! + 500n * 10n ** 9n);
  const counters = loaded.map<number, { packets: bigint; bytes: bigint }[]>("counters").get(3)!;
  const sum = (field: "packets" | "bytes") => counters.reduce((total, cpu) => total + cpu[field], 0n);
  assert.equal([sum("packets"), sum("bytes")], [2n, 2000n]);
});

testWith(test, needs.atomics, "a program updates its clock with compare-and-exchange", () => {
  const object = parseFixture("shape");
  object.variable("index_override").set(1);
  using loaded = object.load({ programs: ["shape_cas"] });
  loaded.map("pods").set(1, { flags: 0, rate: 1_000_000n, departure: 0n });
  const { context } = loaded
    .program("shape_cas")
    .testRun({ data: packet, context: encodeSkbContext({ wireLength: 1000 }) });
  const { tstamp } = decodeSkbContext(context);
  assert.is((loaded.map("pods").get(1) as { departure: bigint }).departure, tstamp + 1_000_000n);
});

test("constants are those of the load, not of another load of the same object", () => {
  const object = parseFixture("shape");
  object.variable("horizon").set(1n);
  using strict = object.load({ programs: ["shape_lock"] });
  object.variable("horizon").set(5n);
  using loose = object.load({ programs: ["shape_lock"] });
  assert.equal(
    [strict, loose].map((loaded) => (loaded.map(".rodata").get(0) as { horizon: bigint }).horizon),
    [1n, 5n],
  );
});

test("only the programs that are named are loaded, and the maps that they use", () => {
  using loaded = parseFixture("maps").load({ programs: [] });
  assert.equal([loaded.programs.length, loaded.maps.length], [0, 0]);
  using one = parseFixture("refused").load({ programs: [] });
  assert.is(one.programs.length, 0);
  using shape = parseFixture("shape").load({ programs: ["shape_lock"] });
  assert.equal(
    shape.programs.map((program) => program.name),
    ["shape_lock"],
  );
  assert.equal(shape.maps.map((map) => map.name).sort(), [".rodata", "counters", "pods"]);
  assert.throws(
    () => shape.program("shape_cas"),
    /no program named "shape_cas" was loaded; loaded: shape_lock/,
  );
});

test("a read-only section is frozen, and the others can be written", () => {
  using loaded = parseFixture("globals").load();
  assert.throws(() => loaded.map(".rodata").raw.set(new Uint8Array(4), new Uint8Array(168)), /EPERM/);
  const program = loaded.program("add");
  // runs += 2; total += table[runs & 3] + 4
  assert.is(program.testRun({ data: packet }).returnValue, 30 + 4);
  assert.is(program.testRun({ data: packet }).returnValue, 34 + 10 + 4);
  assert.equal(loaded.map(".data").get(0), { runs: 44n, hidden_step: 2 });
  assert.equal(loaded.map(".bss").get(0), { total: 48 });
  loaded.map(".data").set(0, { runs: 1n, hidden_step: 1 });
  program.testRun({ data: packet });
  assert.equal(loaded.map(".data").get(0), { runs: 2n, hidden_step: 1 });
});

test("variables that are set before load are what the program finds", () => {
  const object = parseFixture("globals");
  object.variable("runs").set(6n);
  object.variable("hidden_step").set(1);
  object.variable("table").set([0, 0, 0, 1000]);
  object.variable("total").set(5);
  using loaded = object.load();
  assert.is(loaded.program("add").testRun({ data: packet }).returnValue, 5 + 1000 + 4);
});

test("static, global and hidden functions are linked and run", () => {
  const object = parseFixture("calls");
  using loaded = object.load({ programs: ["calls", "calls_hidden"] });
  const cells = loaded.map<number, bigint>("cells");
  cells.set(0, 100n);
  cells.set(1, 1000n);
  cells.set(5, 7n);
  // length 64: leaf(0) = 100; global_twice = 200; + leaf(1) = 1 + 1000
  assert.is(loaded.program("calls").testRun({ data: packet }).returnValue, 200 + 1001);
  assert.is(loaded.program("calls_hidden").testRun({ data: packet }).returnValue, 64 + 7);
});

test("functions in sections of their own are linked and run", () => {
  using loaded = parseFixture("sections").load();
  assert.equal(
    loaded.programs.map((program) => program.name),
    ["calls_elsewhere"],
  );
  assert.is(loaded.program("calls_elsewhere").testRun({ data: packet }).returnValue, 65 * 2 + 2);
});

test("a program of an optional section is loaded when it is named", () => {
  using loaded = parseFixture("sections").load({ programs: ["optional"] });
  assert.is(loaded.program("optional").testRun({ data: packet }).returnValue, 3);
});

testWith(test, needs.forEach, "a function that is passed by its address is linked and run", () => {
  using loaded = parseFixture("calls").load({ programs: ["callback"] });
  const cells = loaded.map<number, bigint>("cells");
  for (let i = 0; i < 8; i++) cells.set(i, BigInt(i));
  assert.is(loaded.program("callback").testRun({ data: packet }).returnValue, 28);
});

test("a program of no known type is loaded once it has been given one", () => {
  const object = parseFixture("sections");
  const error = thrown(() => object.load({ programs: ["untyped"] }));
  assert.is((error as BpfObjectError).code, "BPF_UNSUPPORTED");
  object.program("untyped").type = "socket_filter";
  using loaded = object.load({ programs: ["untyped"] });
  assert.is(loaded.program("untyped").testRun({ data: packet }).returnValue, 7);
});

test("a program for tcx is loaded on kernels without tcx as well, for a filter", () => {
  const object = parseFixture("unsupported");
  object.program("plain").expectedAttachType = "tcx_egress";
  using loaded = object.load({ programs: ["plain"] });
  assert.is(loaded.program("plain").testRun({ data: packet }).returnValue, 11);
});

test("a program that needs what the kernel lacks is refused by name, and the others load", () => {
  const object = parseFixture("unsupported");
  using loaded = object.load({ programs: ["plain", "uses_kconfig", "uses_outer"] });
  assert.is(loaded.program("plain").testRun({ data: packet }).returnValue, 11);
  assert.is(loaded.program("uses_outer").testRun({ data: packet }).returnValue, 0);
  const message = (name: string) => thrown(() => object.load({ programs: [name] })).message;
  assert.match(
    message("uses_kfunc"),
    /kernel function "bpf_nothing_of_the_kind": this kernel does not have it/,
  );
});

test("BTF that the kernel does not know is left out, and the rest is used", () => {
  using loaded = parseFixture("newer").load();
  assert.is(loaded.program("use_newer").testRun({ data: packet }).returnValue, 3);
  assert.ok(loaded.map("plain").info.btfId > 0);
  assert.ok(loaded.program("use_newer").info.btfId > 0);
});

test("a map pinned by name is shared by loads and outlives them", () => {
  using bpffs = temporaryBpffs();
  const object = parseFixture("maps");
  const options = { pinPath: bpffs.path, programs: ["count_flows"] };
  {
    using first = object.load(options);
    first.map<number, bigint>("pinned").set(1, 40n);
  }
  using second = object.load(options);
  assert.is(second.program("count_flows").testRun({ data: packet }).returnValue, 41);
  using opened = BpfMap.open<number, bigint>(join(bpffs.path, "pinned"), { like: object.map("pinned") });
  assert.is(opened.get(1), 41n);
  assert.is(existsSync(join(bpffs.path, "flows")), false);
});

test("processes that load at the same time share one pinned map", async () => {
  using bpffs = temporaryBpffs();
  const script = `
    import { readFileSync } from "node:fs";
    import { BpfObject } from ${JSON.stringify(new URL("../index.js", import.meta.url).href)};
    const object = BpfObject.parse(readFileSync(process.argv[1]));
    process.stdin.once("data", () => {
      const loaded = object.load({ pinPath: process.argv[2], programs: ["count_flows"] });
      console.log("id " + loaded.map("pinned").info.id);
      process.stdin.destroy();
    });
    console.log("ready");`;
  const flags = ["--no-warnings", "--input-type=module", "-e", script];
  const children = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, [...flags, fixturePath("maps").pathname, bpffs.path], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise<string>((resolve) => {
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text) => {
        said += text;
      });
      child.on("close", () => resolve(said));
    });
    return { child, ended, ready: once(child.stdout, "data") };
  });
  for (const { ready } of children) await ready;
  for (const { child } of children) child.stdin.write("go");
  const ids = new Set<string>();
  for (const { ended } of children) ids.add((await ended).replace("ready\n", "").trim());
  assert.is(ids.size, 1);
  assert.match([...ids][0]!, /^id \d+$/);
});

test("a map pinned by name wants a folder to be pinned in", () => {
  assert.match(thrown(() => parseFixture("maps").load({ programs: ["count_flows"] })).message, /no pinPath/);
});

test("a pinned map that does not fit is refused with every field that differs", () => {
  using bpffs = temporaryBpffs();
  const path = join(bpffs.path, "pinned");
  {
    using other = BpfMap.create({ name: "other", type: "array", keySize: 4, valueSize: 16, maxEntries: 9 });
    other.pin(path);
  }
  const before = openDescriptors();
  const error = thrown(() => parseFixture("maps").load({ pinPath: bpffs.path }));
  assert.instance(error, MapMismatchError);
  assert.equal((error as MapMismatchError).differences, [
    { field: "type", wanted: "hash", found: "array" },
    { field: "valueSize", wanted: 8, found: 16 },
    { field: "maxEntries", wanted: 8, found: 9 },
  ]);
  assert.match(
    error.message,
    /type is array instead of hash, valueSize is 16 instead of 8, maxEntries is 9 instead of 8/,
  );
  assert.equal(openDescriptors(), before);
  assert.ok(existsSync(path), "the pin that was there before stays");
});

test("a load that fails leaves no descriptor and no pin behind", () => {
  using bpffs = temporaryBpffs();
  const before = openDescriptors();
  const object = parseFixture("maps");
  // The map is created and pinned before the program is refused.
  object.program("count_flows").type = "xdp";
  thrown(() => object.load({ pinPath: bpffs.path, programs: ["count_flows"] }));
  assert.equal(openDescriptors(), before);
  assert.is(existsSync(join(bpffs.path, "pinned")), false);
});

test("a program that is refused takes those before it along", () => {
  const object = parseFixture("shape");
  object.program("shape_cas").type = "xdp";
  const before = openDescriptors();
  thrown(() => object.load({ programs: ["shape_lock", "shape_cas"] }));
  assert.equal(openDescriptors(), before);
});

test("a load that succeeds leaves open what it gives, and closing it closes all", () => {
  const before = openDescriptors();
  const loaded = parseFixture("shape").load({ programs: ["shape_lock"] });
  assert.is(openDescriptors().length, before.length + 4);
  loaded.close();
  assert.equal(openDescriptors(), before);
});

test("a map that is given is used in place of the object's own, and still belongs to whoever gave it", () => {
  using cells = BpfMap.create<number, bigint>({
    name: "mine",
    type: "array",
    keySize: 4,
    valueSize: 8,
    maxEntries: 8,
  });
  cells.raw.set(Uint8Array.from([1, 0, 0, 0]), Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0]));
  {
    using loaded = parseFixture("calls").load({ programs: ["calls"], maps: { cells } });
    assert.is(loaded.program("calls").testRun({ data: packet }).returnValue, 1 + 9);
    assert.is(loaded.map("cells").get(1), 9n);
  }
  assert.is(cells.fd.closed, false);
  assert.throws(() => parseFixture("calls").load({ maps: { nowhere: cells } }), /no map named "nowhere"/);
  const object = parseFixture("calls");
  object.map("cells").maxEntries = 9;
  assert.instance(
    thrown(() => object.load({ programs: ["calls"], maps: { cells } })),
    MapMismatchError,
  );
});

test("an object of the other byte order is refused before anything is made", () => {
  assert.match(thrown(() => parseFixture("globals-big-endian").load()).message, /byte order/);
});

test("functions and source lines reach the kernel", () => {
  using loaded = parseFixture("shape").load({ programs: ["shape_lock"], logLevel: 2 });
  const { log } = loaded.program("shape_lock");
  assert.match(log, "pod->departure = start + delay;");
  assert.ok(loaded.program("shape_lock").info.btfId > 0);
});

test.run();

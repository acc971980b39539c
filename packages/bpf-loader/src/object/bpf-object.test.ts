import { readFileSync } from "node:fs";
import { ElfFile } from "@weir/elf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfObject, BpfObjectError, type BpfObjectErrorCode } from "../index.js";
import { fixture, parseFixture } from "../testing/fixtures.js";
import { link } from "./link.js";

const test = suite("BpfObject");

test("programs get their type from their section", () => {
  const object = parseFixture("sections");
  assert.equal(
    object.programs.map((program) => [program.name, program.section, program.type, program.autoload]),
    [
      ["elsewhere", "helpers/more", undefined, false],
      ["calls_elsewhere", "tc", "sched_cls", true],
      ["optional", "tc", "sched_cls", false],
      ["untyped", "mystery", undefined, false],
    ],
  );
  assert.is(object.license, "Dual MIT/GPL");
  assert.is(parseFixture("globals").version, 0x50a00);
});

test("maps are read with all that their definitions say", () => {
  const maps = parseFixture("maps").maps.map(
    ({ name, type, keySize, valueSize, maxEntries, flags, pinning }) => [
      name,
      type,
      keySize,
      valueSize,
      maxEntries,
      flags,
      pinning,
    ],
  );
  assert.equal(maps.sort(), [
    ["events", "perf_event_array", 4, 4, 0, 0, "none"],
    ["flows", "hash", 8, 8, 16, 1, "none"],
    ["per_cpu", "percpu_hash", 4, 4, 4, 0, "none"],
    ["pinned", "hash", 4, 8, 8, 0, "by_name"],
    ["sized", "array", 4, 12, 2, 0, "none"],
  ]);
});

test("a map of maps is read with its template", () => {
  const outer = parseFixture("unsupported").map("outer");
  assert.equal([outer.type, outer.keySize, outer.valueSize, outer.maxEntries], ["array_of_maps", 4, 4, 2]);
  assert.equal(
    [outer.innerMap?.type, outer.innerMap?.valueSize, outer.innerMap?.maxEntries],
    ["array", 8, 3],
  );
});

test("keys and values without BTF are numbers for indexes and bytes for the rest", () => {
  const sized = parseFixture("maps").map("sized");
  assert.is(sized.keyCodec().decode(Uint8Array.from([2, 1, 0, 0])), 258);
  assert.equal(sized.valueCodec().decode(new Uint8Array(12)), new Uint8Array(12));
});

test("a definition that gets another size loses its BTF", () => {
  const flows = parseFixture("maps").map("flows");
  assert.ok(flows.btfTypes?.value);
  flows.valueSize = 16;
  assert.is(flows.btfTypes?.value, 0);
  assert.ok(flows.btfTypes?.key);
});

test("data sections are array maps, read-only ones marked for the kernel", () => {
  const { dataSections } = parseFixture("globals");
  assert.equal(
    dataSections.map(({ map, readOnly }) => [map.name, map.type, map.valueSize, map.flags, readOnly]),
    [
      [".rodata", "array", 168, 0x480, true],
      [".data", "array", 12, 0x400, false],
      [".data.table", "array", 16, 0x400, false],
      [".bss", "array", 4, 0x400, false],
    ],
  );
});

test("a variable that is set changes its bytes and no others, and only in its own object", () => {
  const bytes = fixture("globals");
  const [changed, other] = [BpfObject.parse(bytes), BpfObject.parse(bytes)];
  changed.variable("table").set([1, 2, 3, 4]);
  changed.variable("total").set(9);
  assert.equal(changed.variable("table").get(), [1, 2, 3, 4]);
  assert.is(changed.variable("total").get(), 9);
  assert.is(changed.variable("runs").get(), 40n);
  assert.equal(other.variable("table").get(), [10, 20, 30, 40]);
  assert.is(other.variable("total").get(), 0);
  assert.equal(bytes, fixture("globals"));
});

test("the bytes that are parsed stay as they were, in a Buffer too", () => {
  const buffer = Buffer.from(fixture("globals"));
  BpfObject.parse(buffer).variable("runs").set(1n);
  assert.equal(new Uint8Array(buffer), fixture("globals"));
});

test("what does not exist is named together with what does", () => {
  const object = parseFixture("shape");
  const message = objectError("BPF_NOT_FOUND", () => object.map("pod"));
  assert.match(message, 'no map named "pod"; it has pods, counters, .rodata');
  objectError("BPF_NOT_FOUND", () => object.program("shape"));
  objectError("BPF_NOT_FOUND", () => object.variable("x"));
});

test("instructions refer to maps, variables and functions by name", () => {
  const object = parseFixture("shape");
  const { references } = object.program("shape_cas").function;
  assert.equal(
    references.map((reference) => {
      if (reference.kind === "map") return [reference.at, reference.kind, reference.map.name];
      if (reference.kind === "map_value")
        return [reference.at, reference.kind, reference.map.name, reference.offset];
      return [reference.at, reference.kind, "target" in reference ? reference.target.name : reference.name];
    }),
    // `llvm-readelf -r shape.bpf.o`: byte offsets 0x8, 0x58, 0xf0 and 0x180
    [
      [1, "map_value", ".rodata", 8],
      [11, "map", "pods"],
      [30, "map_value", ".rodata", 0],
      [48, "call", "count"],
    ],
  );
});

test("a program is linked with each function that it calls, once, in the order of the calls", () => {
  const object = parseFixture("calls");
  const functions = (from: BpfObject, name: string) =>
    link(from.program(name).function, true).functions.map((placed) => placed.function.name);
  assert.equal(functions(object, "calls"), ["calls", "global_twice", "leaf"]);
  assert.equal(functions(object, "calls_hidden"), ["calls_hidden", "hidden_read"]);
  assert.equal(functions(object, "callback"), ["callback", "sum"]);
  const sections = parseFixture("sections");
  assert.equal(functions(sections, "calls_elsewhere"), ["calls_elsewhere", "elsewhere", "leaf"]);
  assert.equal(functions(sections, "untyped"), ["untyped"]);
});

test("linked calls are relative to the instruction behind them", () => {
  const object = parseFixture("calls");
  const { code, functions } = link(object.program("calls").function, true);
  const view = new DataView(code.buffer);
  const starts = new Map(functions.map((placed) => [placed.start, placed.function.name]));
  const calls: (string | undefined)[] = [];
  for (let at = 0; at < code.length / 8; at++) {
    const pseudoCall = view.getUint8(at * 8) === 0x85 && view.getUint8(at * 8 + 1) >> 4 === 1;
    if (pseudoCall) calls.push(starts.get(at + 1 + view.getInt32(at * 8 + 4, true)));
  }
  assert.equal(calls, ["global_twice", "leaf", "leaf"]);
});

test("linking leaves the object as it was", () => {
  const object = parseFixture("calls");
  const before = object.program("calls").function.code.slice();
  link(object.program("calls").function, true);
  assert.equal(object.program("calls").function.code, before);
});

test("what the kernel is to provide is listed", () => {
  assert.equal(
    parseFixture("unsupported").externs.map(({ name, kind, weak, kconfig }) => [name, kind, weak, kconfig]),
    [
      ["bpf_nothing_of_the_kind", "kfunc", false, undefined],
      ["LINUX_KERNEL_VERSION", "kconfig", false, { type: "int", size: 4, signed: true, offset: 0 }],
    ],
  );
});

test("a file for another machine, and one that is linked, are refused", () => {
  objectError("BPF_OBJECT", () => BpfObject.parse(new Uint8Array(readFileSync("/bin/true"))));
  const executable = fixture("shape");
  executable[16] = 2;
  objectError("BPF_OBJECT", () => BpfObject.parse(executable));
});

/** fixtures/shape.bpf.o with changed symbols: offset 8 of an Elf64_Sym is its value, 16 its size. */
function withSymbols(changes: Record<string, { value?: bigint; size?: bigint }>): Uint8Array {
  const bytes = fixture("shape");
  const view = new DataView(bytes.buffer);
  for (const { name, offset } of ElfFile.parse(bytes).symbols) {
    const { value, size } = changes[name] ?? {};
    if (value !== undefined) view.setBigUint64(offset + 8, value, true);
    if (size !== undefined) view.setBigUint64(offset + 16, size, true);
  }
  return bytes;
}

test("a function that ends outside its section, overlaps another or is not whole is refused", () => {
  const parse = (changes: Parameters<typeof withSymbols>[0]) => () => BpfObject.parse(withSymbols(changes));
  // Section tc has 0x330 bytes; shape_lock begins at 0x1a0.
  objectError("BPF_FUNCTION", parse({ shape_lock: { size: 0x330n } }));
  objectError("BPF_FUNCTION", parse({ shape_lock: { value: 8n } }));
  objectError("BPF_FUNCTION", parse({ shape_lock: { size: 12n } }));
  objectError("BPF_FUNCTION", parse({ shape_lock: { value: 0x1a4n } }));
});

test("a symbol past its section, or whose value overflows, is refused", () => {
  const parse = (changes: Parameters<typeof withSymbols>[0]) => () => BpfObject.parse(withSymbols(changes));
  objectError("BPF_OBJECT", parse({ shape_lock: { value: 0x338n } }));
  objectError("BPF_OBJECT", parse({ shape_lock: { value: 2n ** 64n - 8n } }));
  objectError("BPF_OBJECT", parse({ horizon: { value: 2n ** 64n - 8n } }));
  objectError("BPF_MAP", parse({ pods: { value: 1n } }));
  objectError("BPF_MAP", parse({ pods: { value: 33n } }));
  // horizon has 8 bytes and would end outside the 12 of .rodata.
  objectError("BPF_VARIABLE", parse({ horizon: { value: 8n } }));
});

test("maps and variables are ordered by their offsets, as the kernel wants them", () => {
  const object = BpfObject.parse(withSymbols({ pods: { value: 32n }, counters: { value: 0n } }));
  assert.equal(
    object.maps.map((map) => map.name),
    ["counters", "pods"],
  );
  assert.equal(
    object.btf!.find(".maps", "datasec")!.entries.map((entry) => entry.offset),
    [0, 32],
  );
});

test("an object without BTF is told to be compiled with -g", () => {
  const bytes = fixture("shape");
  // The name of section .BTF, which is the end of .rel.BTF, becomes .CTF.
  const at = new TextDecoder("latin1").decode(bytes).indexOf(".BTF\0");
  bytes[at + 1] = "C".charCodeAt(0);
  assert.match(
    objectError("BPF_MAP", () => BpfObject.parse(bytes)),
    "compile with -g",
  );
});

function objectError(code: BpfObjectErrorCode, work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!(error instanceof BpfObjectError)) throw error;
    assert.is(error.code, code, error.message);
    return error.message;
  }
  throw new Error("nothing was thrown");
}

test.run();

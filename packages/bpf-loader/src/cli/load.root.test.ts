import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfMap, BpfProgram } from "../index.js";
import { openDescriptors } from "../testing/descriptors.js";
import { type FixtureName, fixturePath } from "../testing/fixtures.js";
import { needs, temporaryBpffs, testWith } from "../testing/kernel.js";
import { memoryTerminal } from "../testing/terminal.js";
import { thrown } from "../testing/thrown.js";
import { printFeatures } from "./features.js";
import { type LoadCommandOptions, load } from "./load.js";
import { printLoad } from "./load-output.js";

const test = suite("weir-bpf load");

const path = (name: FixtureName) => fileURLToPath(fixturePath(name));
/** A packet that every kernel runs programs on. */
const packet = "00".repeat(64);

interface Listed {
  readonly [key: string]: unknown;
}

function loadJson(name: FixtureName, options: LoadCommandOptions = {}) {
  const terminal = memoryTerminal();
  const status = load(path(name), { ...options, json: true }, terminal);
  return { status, errors: terminal.errors(), ...JSON.parse(terminal.output()) };
}

const pick = (list: Listed[], ...keys: string[]) => list.map((one) => keys.map((key) => one[key]));

test("an object is loaded, reported and let go of", () => {
  const before = openDescriptors();
  const { status, maps, programs, variables, run } = loadJson("globals");
  assert.is(status, 0);
  assert.equal(pick(programs, "name", "section", "type", "loaded", "error"), [
    ["add", "xdp", "xdp", true, null],
  ]);
  assert.equal(pick(maps, "name", "type", "keySize", "valueSize", "maxEntries", "flags", "loaded"), [
    [".rodata", "array", 4, 168, 1, 0x480, true],
    [".data", "array", 4, 12, 1, 0x400, true],
    [".data.table", "array", 4, 16, 1, 0x400, true],
    [".bss", "array", 4, 4, 1, 0x400, true],
  ]);
  assert.ok(
    variables.some((one: Listed) => one.name === "runs" && one.section === ".data" && one.size === 8),
  );
  assert.is(run, null);
  assert.equal(openDescriptors(), before);
});

test("a program runs on the packet that is given", () => {
  // total = table[(40 + 2) & 3] + 4 = 34
  const { status, run } = loadJson("globals", { run: "add", data: packet, repeat: 1 });
  assert.equal([status, run.program, run.returnValue, run.data], [0, "add", 34, packet]);
  const repeated = loadJson("globals", { run: "add", data: packet, repeat: 3 });
  // 42, 44, 46: table[2] + table[0] + table[2] + 3 * 4
  assert.is(repeated.run.returnValue, 82);
});

test("variables are set before load, and reported as they were set", () => {
  const options = { run: "add", data: packet, set: ["table=[0, 0, 5, 0]", "total=100"] };
  const { run, variables } = loadJson("globals", options);
  assert.is(run.returnValue, 109);
  assert.equal(variables.find((one: Listed) => one.name === "total").value, 100);
});

test("a run that the kernel refuses is a failure with its reason", () => {
  const { status, run } = loadJson("maps", { run: "count_flows", data: "00" });
  assert.is(status, 1);
  assert.is(run.returnValue, null);
  assert.match(run.error, /^could not run program "count_flows": invalid argument/);
});

test("one program that fails is reported, and the others are loaded", () => {
  const { status, programs } = loadJson("refused");
  assert.is(status, 1);
  const byName = new Map<unknown, Listed>(programs.map((program: Listed) => [program.name, program]));
  for (const name of ["out_of_bounds", "after_long_log"]) {
    assert.is(byName.get(name)?.loaded, false);
    assert.match(String(byName.get(name)?.error), /^the verifier refused program .*invalid access to packet/);
  }
  const alone = loadJson("refused", { program: ["out_of_bounds"] });
  assert.equal([alone.status, alone.programs[0].loaded], [1, false]);
  assert.equal(alone.programs[1].error, null);
});

testWith(test, needs.setTstamp, "what loads beside a program that fails is loaded", () => {
  const { programs } = loadJson("refused");
  assert.equal(pick(programs, "name", "loaded").slice(2), [
    ["new_helper", true],
    ["atomics", true],
  ]);
});

test("the end of the verifier's log is shown, and the whole of it can be kept", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-bpf-"));
  try {
    const log = join(folder, "log");
    const terminal = memoryTerminal();
    assert.is(load(path("refused"), { program: ["after_long_log"], log }, terminal), 1);
    const shown = terminal.errors();
    assert.match(shown, /program "after_long_log" of \S+ did not load: the verifier refused it \(EACCES\)/);
    assert.match(shown, "invalid access to packet");
    assert.match(shown, "--log FILE keeps all");
    assert.ok(shown.split("\n").length < 20);
    assert.match(terminal.output(), /after_long_log +tc +sched_cls +FAILED/);
    const whole = readFileSync(log, "utf8");
    assert.match(whole, /^== after_long_log: refused\n/);
    assert.ok(whole.split("\n").length > 1000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what is known better than the verifier says it is in the sentence", () => {
  const terminal = memoryTerminal();
  load(path("core-missing"), { program: ["missing_field"] }, terminal);
  assert.match(
    terminal.errors(),
    'did not load: the verifier refused it (EINVAL): struct task_struct has no field "nothing_of_the_kind"\n',
  );
});

test("programs that fail for one reason are told of once", () => {
  const terminal = memoryTerminal();
  const failed = ["first", "second", "third", "fourth", "fifth", "sixth"].map((name) => ({
    name,
    message: `could not load program "${name}": operation not permitted`,
    lastLines: name === "third" ? ["its log"] : [],
    logLines: name === "third" ? 1 : 0,
  }));
  const report = { maps: [], programs: [], variables: [], run: null, error: null, pinned: null };
  printLoad("x.bpf.o", report, failed, false, terminal);
  assert.equal(
    terminal
      .errors()
      .split("\n")
      .filter((line) => line !== ""),
    [
      'weir-bpf: programs "first", "second", "fourth", "fifth", "sixth" of x.bpf.o did not load: could not load it: operation not permitted',
      'weir-bpf: program "third" of x.bpf.o did not load: could not load program "third": operation not permitted',
      "    its log",
    ],
  );
});

test("-v prints the log of programs that load, too", () => {
  const terminal = memoryTerminal();
  assert.is(load(path("globals"), { verbose: true }, terminal), 0);
  assert.match(terminal.errors(), /^== add: loaded\n[\s\S]*processed \d+ insns/);
});

test("programs and maps are pinned by name", () => {
  using bpffs = temporaryBpffs();
  const pin = join(bpffs.path, "deep/globals");
  const { status, pinned } = loadJson("globals", { pin });
  assert.equal([status, pinned], [0, pin]);
  assert.equal(readdirSync(pin).sort(), ["_bss", "_data", "_data_table", "_rodata", "add"]);
  using program = BpfProgram.open(join(pin, "add"));
  assert.is(program.info.type, "xdp");
  using map = BpfMap.open(join(pin, "_data_table"));
  assert.is(map.valueSize, 16);
});

test("a map that is pinned by name is found again by the next load", () => {
  using bpffs = temporaryBpffs();
  const pin = join(bpffs.path, "maps");
  assert.is(loadJson("maps", { pin }).status, 0);
  for (const name of ["count_flows", "events", "flows", "per_cpu", "sized"]) rmSync(join(pin, name));
  using first = BpfMap.open(join(pin, "pinned"));
  const again = loadJson("maps", { pin });
  assert.is(again.status, 0);
  assert.is(again.maps.find((map: Listed) => map.name === "pinned").id, first.info.id);
});

test("what fails leaves no pin and no folder behind", () => {
  using bpffs = temporaryBpffs();
  const pin = join(bpffs.path, "new/folder");
  assert.equal([loadJson("refused", { pin }).status, existsSync(join(bpffs.path, "new"))], [1, false]);
  // A failing test run counts as well.
  const { status, pinned } = loadJson("maps", { pin, run: "count_flows", data: "00" });
  assert.equal([status, pinned, existsSync(join(bpffs.path, "new"))], [1, null, false]);
  // What was there before stays.
  const kept = join(bpffs.path, "kept");
  assert.is(loadJson("maps", { pin: kept }).status, 0);
  const before = readdirSync(kept);
  const error = thrown(() => loadJson("maps", { pin: kept }));
  assert.match(error.message, /count_flows and 4 more exist already: remove what is pinned there/);
  assert.equal(readdirSync(kept), before);
});

test("a folder that is not in a BPF filesystem is refused before anything is loaded", () => {
  const error = thrown(() => loadJson("maps", { pin: "/tmp/weir-bpf-not-there/x" }));
  assert.match(error.message, "/tmp/weir-bpf-not-there/x is not in a BPF filesystem");
  assert.not.ok(existsSync("/tmp/weir-bpf-not-there"));
});

test("a program without a type loads with the type that is given", () => {
  const error = thrown(() => loadJson("sections", { program: ["untyped"] }));
  assert.match(
    error.message,
    'program "untyped" is in section "mystery", which does not say what type it has',
  );
  const { status, programs } = loadJson("sections", { program: ["untyped"], type: "xdp" });
  assert.equal([status, pick(programs, "name", "type", "loaded").at(-1)], [0, ["untyped", "xdp", true]]);
});

test("programs that others need get the type that is given, too", () => {
  const { status, programs } = loadJson("iproute2", { type: "sched_cls" });
  assert.equal(
    [status, pick(programs, "name", "type", "loaded")],
    [
      0,
      [
        ["enter", "sched_cls", true],
        ["jumped", "sched_cls", true],
      ],
    ],
  );
});

test("a name that is not in the object, or not to be loaded, is refused", () => {
  assert.match(thrown(() => loadJson("maps", { program: ["nosuch"] })).message, 'no program named "nosuch"');
  assert.match(
    thrown(() => loadJson("maps", { run: "nosuch", data: packet })).message,
    'no program named "nosuch"',
  );
  assert.match(
    thrown(() => loadJson("shape", { program: ["shape_lock"], run: "shape_cas", data: packet })).message,
    "add --program shape_cas",
  );
});

test("what a map is filled with is loaded, and appears among the programs", () => {
  const { status, programs, maps } = loadJson("contents", { program: ["walk"] });
  assert.is(status, 0);
  assert.equal(
    pick(programs, "name", "loaded").filter(([, loaded]) => loaded),
    [
      ["step_one", true],
      ["step_two", true],
      ["walk", true],
    ],
  );
  assert.ok(maps.some((map: Listed) => map.name === "steps" && map.loaded));
});

test("the kernel's types can be read from a file", () => {
  const options = { program: ["byte_offset"], btf: "/sys/kernel/btf/vmlinux" };
  assert.is(loadJson("core", options).status, 0);
  const error = thrown(() => loadJson("core", { ...options, btf: path("core") }));
  assert.match(error.message, /core\.bpf\.o: not BTF/);
});

test("a program can be told what it is for", () => {
  const before = loadJson("targets", { program: ["nowhere"] });
  assert.match(
    before.programs.find((one: Listed) => one.name === "nowhere").error,
    "no_function_of_the_kernel",
  );
  const { programs } = loadJson("targets", { program: ["nowhere"], attachTo: ["nowhere=do_unlinkat"] });
  const { attachTarget, error } = programs.find((one: Listed) => one.name === "nowhere");
  assert.is(attachTarget, "do_unlinkat");
  // A kernel without tracing of functions goes on to refuse the program itself.
  assert.not.match(String(error), "nothing to attach to");
  assert.match(
    thrown(() => loadJson("targets", { attachTo: ["nowhere"] })).message,
    '--attach-to takes NAME=FUNCTION, not "nowhere"',
  );
});

test("features are printed for people and for programs", () => {
  const terminal = memoryTerminal();
  assert.is(printFeatures({ json: true }, terminal), 0);
  const report = JSON.parse(terminal.output());
  assert.is(report.programTypes.sched_cls, true);
  assert.ok(report.helpers.sched_cls.includes("bpf_map_lookup_elem"));
  const readable = memoryTerminal();
  printFeatures({ full: true }, readable);
  assert.match(readable.output(), /\n {2}sched_cls +yes +\d+\n/);
  assert.match(readable.output(), /\n {2}tcx +(yes|no) +Linux 6\.6\n/);
  assert.match(readable.output(), /\nHelpers of xdp\n {2}bpf_map_lookup_elem /);
});

test.run();

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type FixtureName, fixture, fixtureNames, fixturePath } from "../testing/fixtures.js";
import { memoryTerminal } from "../testing/terminal.js";
import { formatValue } from "./format.js";
import { parseBytes } from "./input.js";
import { inspect } from "./inspect.js";
import { toJson } from "./json.js";
import { formatTable } from "./table.js";
import { VERSION } from "./version.js";

const test = suite("weir-bpf");

const path = (name: FixtureName) => fileURLToPath(fixturePath(name));
const main = fileURLToPath(new URL("./main.js", import.meta.url));

function run(...args: string[]) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
  return spawnSync(process.execPath, [main, ...args], { encoding: "utf8", env });
}

function inspectJson(file: string, disasm = false) {
  const terminal = memoryTerminal();
  assert.is(inspect(file, { json: true, disasm }, terminal), 0);
  return JSON.parse(terminal.output());
}

test("inspect prints maps, programs and variables in the form that load prints", () => {
  const { maps, programs, variables, run } = inspectJson(path("shape"));
  assert.equal(
    maps.map(({ name, type, keySize, valueSize, maxEntries, flags }: Record<string, unknown>) => [
      name,
      type,
      keySize,
      valueSize,
      maxEntries,
      flags,
    ]),
    [
      ["pods", "array", 4, 24, 64, 0],
      ["counters", "percpu_array", 4, 16, 64, 0],
      [".rodata", "array", 4, 12, 1, 0x480],
    ],
  );
  assert.equal(
    programs.map(({ name, section, type, loaded, error }: Record<string, unknown>) => [
      name,
      section,
      type,
      loaded,
      error,
    ]),
    [
      ["shape_cas", "tc", "sched_cls", false, null],
      ["shape_lock", "tc", "sched_cls", false, null],
    ],
  );
  assert.equal(
    variables.map(({ name, section, offset, size, value }: Record<string, unknown>) => [
      name,
      section,
      offset,
      size,
      value,
    ]),
    [
      ["horizon", ".rodata", 0, 8, 2_000_000_000],
      ["index_override", ".rodata", 8, 4, 0],
    ],
  );
  assert.is(run, null);
});

test("inspect lists what instructions refer to", () => {
  const { relocations } = inspectJson(path("shape"));
  assert.equal(
    relocations
      .filter((one: { function: string }) => one.function === "shape_cas")
      .map((one: Record<string, unknown>) => [one.instruction, one.kind, one.target, one.variable]),
    [
      [1, "map_value", ".rodata", "index_override"],
      [11, "map", "pods", undefined],
      [30, "map_value", ".rodata", "horizon"],
      [48, "call", "count", undefined],
    ],
  );
});

test("inspect disassembles when asked to", () => {
  const { functions } = inspectJson(path("shape"), true);
  const [first] = functions.find((one: { name: string }) => one.name === "count").disassembly;
  assert.equal(first, {
    at: 0,
    bytes: "bf16000000000000",
    text: "r6 = r1",
    source: first.source,
  });
  assert.is(inspectJson(path("shape")).functions[0].disassembly, undefined);
  const terminal = memoryTerminal();
  inspect(path("shape"), { disasm: true }, terminal);
  assert.match(
    terminal.output(),
    /\n; __u64 now = bpf_ktime_get_ns\(\); {2}\.\/shape\.bpf\.c:\d+\n +\d+: {2}85 00 00 00 05/,
  );
});

test("inspect names what CO-RE relocations ask", () => {
  const { coreRelocations } = inspectJson(path("core"));
  const one = coreRelocations.find((found: { function: string }) => found.function === "byte_offset_nested");
  assert.equal(
    [one.kind, one.access, one.type],
    ["byte_off", "task_struct.tasks.prev", "struct task_struct"],
  );
  const terminal = memoryTerminal();
  inspect(path("core"), { disasm: true }, terminal);
  assert.match(terminal.output(), /r0 = \d+ {2}; CO-RE byte_off task_struct\.tasks\.prev\n/);
});

test("inspect lists externs, tables of functions and what maps are filled with", () => {
  const { externs } = inspectJson(path("externs"));
  const extern = (name: string) => externs.find((one: { name: string }) => one.name === name);
  assert.equal(extern("CONFIG_HZ"), {
    name: "CONFIG_HZ",
    kind: "kconfig",
    weak: false,
    declaration: "unsigned long CONFIG_HZ",
  });
  assert.equal([extern("bpf_rcu_read_lock").kind, extern("weir_no_symbol").weak], ["kfunc", true]);
  const { structOps } = inspectJson(path("struct-ops"));
  assert.equal(
    [structOps[0].structName, structOps[0].programs[0]],
    ["tcp_congestion_ops", { member: "ssthresh", name: "threshold" }],
  );
  const { maps } = inspectJson(path("contents"));
  assert.equal(maps.find((map: { name: string }) => map.name === "steps").contents, [
    { key: 0, name: "step_one" },
    { key: 2, name: "step_two" },
  ]);
});

test("every fixture can be inspected, for people and for programs", () => {
  for (const name of fixtureNames) {
    const terminal = memoryTerminal();
    assert.is(inspect(path(name), { disasm: true }, terminal), 0);
    assert.match(terminal.output(), `${name}.bpf.o: BPF object of ${fixture(name).length} bytes`);
    assert.not.match(terminal.output(), "undefined");
    inspectJson(path(name), true);
  }
});

test("the exit code is 0, 1 for a failure and 2 for a mistyped command", () => {
  assert.is(run("inspect", path("calls")).status, 0);
  const missing = run("inspect", "/nonexistent/count.bpf.o");
  assert.equal([missing.status, missing.stdout], [1, ""]);
  assert.is(missing.stderr, "weir-bpf: cannot read /nonexistent/count.bpf.o: no such file\n");
  assert.match(run("inspect", main).stderr, /^weir-bpf: \S+main\.js: not an ELF file: [^\n]*\n$/);
  for (const args of [["inspect"], ["inspekt"], ["inspect", "--yaml", path("calls")], []]) {
    assert.is(run(...args).status, 2, args.join(" "));
  }
  const hex = run("load", path("calls"), "--run", "calls", "--data", "12345");
  assert.equal([hex.status, hex.stderr.split(":")[1]], [2, ' "12345" is not hexadecimal']);
});

test("help shows examples, and the version is the package's", () => {
  for (const command of ["inspect", "load", "gen", "features"]) {
    const { status, stdout } = run(command, "--help");
    assert.is(status, 0);
    assert.match(stdout, `Examples:\n  weir-bpf ${command}`);
  }
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  assert.equal([run("--version").stdout, VERSION], [`${version}\n`, version]);
});

test("the executable is one file that needs this package and its dependencies alone", () => {
  const folder = new URL("../../", import.meta.url);
  const script = fileURLToPath(new URL("../../scripts/bundle-command-line.mjs", folder));
  const bundle = spawnSync(process.execPath, [script, "packages/bpf-loader", "weir-bpf"], {
    encoding: "utf8",
  });
  assert.equal([bundle.status, bundle.stderr], [0, ""]);
  const executable = fileURLToPath(new URL("dist/weir-bpf.js", folder));
  const imported = [...readFileSync(executable, "utf8").matchAll(/^import .* from "([^"]+)";$/gm)];
  const names = new Set(imported.map(([, name]) => name!).filter((name) => !name.startsWith("node:")));
  assert.ok(names.has("./index.js"));
  for (const name of names) assert.ok(["./index.js", "@weir/elf", "@weir/syscall"].includes(name), name);
  const { stdout, status } = spawnSync(executable, ["inspect", path("shape"), "--json"], {
    encoding: "utf8",
  });
  assert.equal([status, JSON.parse(stdout).maps[0].name], [0, "pods"]);
});

test("output into a pipe that is closed early ends without a word", () => {
  const command = `"${process.execPath}" "${main}" inspect "${path("shape")}" --json --disasm | head -n 1`;
  const { stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  assert.equal([stdout, stderr], ["{\n", ""]);
});

test("an object may come slowly, through a pipe that does not block", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-bpf-"));
  const fifo = join(folder, "fifo");
  spawnSync("mkfifo", [fifo]);
  const [input, output] = [constants.O_RDONLY, constants.O_WRONLY].map((mode) =>
    openSync(fifo, mode | constants.O_NONBLOCK),
  );
  try {
    // By way of another descriptor: Node makes a child's standard input block.
    const command = `exec "${process.execPath}" "${main}" inspect - <&3`;
    const child = spawn("sh", ["-c", command], { stdio: ["ignore", "ignore", "pipe", input] });
    let complaint = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    const closed = once(child, "close");
    await new Promise((resolve) => setTimeout(resolve, 500));
    writeSync(output!, readFileSync(path("shape")));
    closeSync(output!);
    assert.equal([(await closed)[0], complaint], [0, ""]);
  } finally {
    closeSync(input!);
    rmSync(folder, { recursive: true });
  }
});

test("an object can come through a pipe", () => {
  const input = readFileSync(path("shape"));
  const piped = spawnSync(process.execPath, [main, "inspect", "-"], { input, encoding: "utf8" });
  assert.equal([piped.status, piped.stderr], [0, ""]);
  assert.match(piped.stdout, /^standard input: BPF object of /);
  const nameless = spawnSync(process.execPath, [main, "gen", "-"], { input, encoding: "utf8" });
  assert.equal([nameless.status, nameless.stdout], [2, ""]);
  const named = spawnSync(process.execPath, [main, "gen", "-", "--name", "shaper"], {
    input,
    encoding: "utf8",
  });
  assert.match(named.stdout, "export class Shaper {");
});

test("bytes are given as tools print them, or as a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-bpf-"));
  try {
    writeFileSync(join(folder, "packet"), Uint8Array.of(1, 2));
    assert.equal(parseBytes(`@${join(folder, "packet")}`), Uint8Array.of(1, 2));
  } finally {
    rmSync(folder, { recursive: true });
  }
  for (const text of ["0a0B0c", "0a 0b 0c", "0x0a, 0x0b, 0x0c", "0a:0b:0c\n", "0x0a0b0c"]) {
    assert.equal(parseBytes(text), Uint8Array.of(10, 11, 12), text);
  }
  assert.equal(parseBytes(""), new Uint8Array());
  for (const text of ["0", "0g", "0a0"]) assert.throws(() => parseBytes(text), /is not hexadecimal/);
});

test("JSON keeps 64-bit numbers exactly", () => {
  assert.equal(
    JSON.parse(toJson({ small: 5n, large: 2n ** 64n - 1n, bytes: Uint8Array.of(255), nan: Number.NaN })),
    {
      small: 5,
      large: "18446744073709551615",
      bytes: "ff",
      nan: "NaN",
    },
  );
});

test("values are one short line", () => {
  const text = new Uint8Array(8);
  text.set(Buffer.from("weir"));
  assert.equal(
    [text, Uint8Array.of(1, 2), [1, 2n], { a: true, b: { c: -1 } }, "x".repeat(100)].map(formatValue),
    ['"weir"', "0102", "[1, 2]", "{ a: true, b: { c: -1 } }", `${"x".repeat(57)}...`],
  );
});

test("tables are aligned, and columns without text are left out", () => {
  assert.is(
    formatTable(
      ["name", "note", " size"],
      [
        ["a", undefined, 5],
        ["longer", "", 1000],
      ],
    ),
    "  name    size\n  a          5\n  longer  1000",
  );
});

test.run();

import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, temporaryProject } from "../../testing/compile.js";
import { fixture, fixtureNames, fixturePath } from "../../testing/fixtures.js";
import { memoryTerminal } from "../../testing/terminal.js";
import { thrown } from "../../testing/thrown.js";
import { gen } from "./gen.js";
import { docComment, Names, propertyKey, typeName } from "./names.js";

const test = suite("weir-bpf gen");

const path = (name: (typeof fixtureNames)[number]) => fileURLToPath(fixturePath(name));

/** A program that uses generated modules: what it prints is checked, and what must not compile is marked. */
const program = `
import { Globals, Colour } from "./globals.js";
import { Shape } from "./shape.js";
import { Maps, type Flow } from "./maps.js";

const globals = Globals.parse();
globals.variables.runs.set(globals.variables.runs.get() + 2n);
globals.variables.table.set([1, 2, 3, 4]);
const nested = globals.variables.nested.get();
globals.variables.nested.set({ ...nested, colour: Colour.RED, inner: { ...nested.inner, d: 7n } });
// Never run: it must only not compile.
export const wrong = () => {
  // @ts-expect-error an unsigned 64-bit integer is a bigint
  globals.variables.runs.set(1);
  // @ts-expect-error there is no such variable
  globals.variables.nosuch;
  // @ts-expect-error a member is missing
  globals.variables.padded.set({ a: 1, b: 2, c: 3, d: 4n });
  // @ts-expect-error there is no such program
  shape.programs.nosuch;
  // @ts-expect-error nor can it be loaded
  shape.load({ programs: ["nosuch"] });
  const map = shape.load().maps.pods;
  // @ts-expect-error a key is a number
  map.get("1");
};
const changed: number = globals.variables.nested.get().colour;
const other: bigint = Globals.parse().variables.runs.get();

const shape = Shape.parse();
shape.maps.pods.maxEntries = 7;
const types: string[] = [shape.programs.shape_cas.type ?? "", shape.maps.counters.type];
const flow: Flow = { source: 1, port: 2 };
const size: number = Maps.parse().maps.flows.keyCodec().encode({ ...flow }).length;
console.log(JSON.stringify([changed, String(other), String(globals.variables.runs.get()), types, size]));
`;

test("modules for all fixtures compile, and one program uses three of them", () => {
  using project = temporaryProject();
  const files = fixtureNames.map((name) => {
    const output = join(project.path, `${name}.ts`);
    assert.is(gen(path(name), { output }, memoryTerminal()), 0);
    return output;
  });
  const main = join(project.path, "main.ts");
  writeFileSync(main, program);
  assert.is(compile([...files, main]), "");
  const { stdout, stderr } = spawnSync(process.execPath, [join(project.path, "main.js")], {
    encoding: "utf8",
  });
  assert.is(stderr, "");
  assert.equal(JSON.parse(stdout), [1, "40", "42", ["sched_cls", "percpu_array"], 8]);
});

test("a module can read its object from beside it", () => {
  using project = temporaryProject();
  copyFileSync(path("shape"), join(project.path, "shape.bpf.o"));
  const output = join(project.path, "shape.ts");
  assert.is(
    gen(join(project.path, "shape.bpf.o"), { output, external: true, name: "pod_shaper" }, memoryTerminal()),
    0,
  );
  const source = readFileSync(output, "utf8");
  assert.match(source, 'readFileSync(new URL("./shape.bpf.o", import.meta.url))');
  assert.not.match(source, "base64");
  const main = join(project.path, "main.ts");
  writeFileSync(
    main,
    'import { PodShaper } from "./shape.js";\nconsole.log(PodShaper.parse().variables.horizon.get().toString());\n',
  );
  assert.is(compile([main]), "");
  const { stdout } = spawnSync(process.execPath, [join(project.path, "main.js")], { encoding: "utf8" });
  assert.is(stdout, "2000000000\n");
});

test("types have the C declarations that they come from", () => {
  const terminal = memoryTerminal();
  gen(path("shape"), {}, terminal);
  const source = terminal.output();
  // The lock belongs to the kernel, and is no member in JavaScript.
  assert.match(
    source,
    [
      "/**",
      " * ```c",
      " * struct pod {",
      " *   struct bpf_spin_lock lock;",
      " *   __u32 flags;",
      " *   __u64 rate;",
      " *   __u64 departure;",
      " * };",
      " * ```",
      " */",
      "export interface Pod {",
      "  flags: number;",
      "  rate: bigint;",
      "  departure: bigint;",
      "}",
    ].join("\n"),
  );
  assert.match(source, "readonly pods: BpfMap<number, Pod>;");
  assert.match(source, "readonly counters: BpfMap<number, Counter[]>;");
  assert.match(source, "const volatile __u64 horizon;");
  assert.match(source, 'export type ShapeProgram = "shape_cas" | "shape_lock";');
});

test("JSON tells what was generated, and holds the module where no file does", () => {
  const terminal = memoryTerminal();
  gen(path("shape"), { json: true }, terminal);
  const { source, className, maps, variables, programs, output } = JSON.parse(terminal.output());
  assert.equal([className, programs, output], ["Shape", ["shape_cas", "shape_lock"], null]);
  assert.equal(maps, [
    { name: "pods", type: "BpfMap<number, Pod>" },
    { name: "counters", type: "BpfMap<number, Counter[]>" },
  ]);
  assert.equal(variables[0], { name: "horizon", type: "bigint" });
  assert.match(source, "export class Shape {");
  const embedded = /const base64 = `([^`]*)`/.exec(source)![1]!;
  assert.equal(new Uint8Array(Buffer.from(embedded, "base64")), fixture("shape"));
});

test("nothing is overwritten but what was generated", () => {
  using project = temporaryProject();
  const output = join(project.path, "index.ts");
  writeFileSync(output, "export const mine = 1;\n");
  const error = thrown(() => gen(path("shape"), { output }, memoryTerminal()));
  assert.match(error.message, "index.ts exists and was not written by weir-bpf gen");
  assert.is(readFileSync(output, "utf8"), "export const mine = 1;\n");
  const own = join(project.path, "shape.ts");
  for (const name of ["First", "Second"]) gen(path("shape"), { output: own, name }, memoryTerminal());
  assert.match(readFileSync(own, "utf8"), "export class Second {");
  const nowhere = thrown(() =>
    gen(path("shape"), { output: join(project.path, "no/shape.ts") }, memoryTerminal()),
  );
  assert.match(nowhere.message, /^cannot write \S+no\/shape\.ts: no such file/);
});

test("names are TypeScript's, and never two the same", () => {
  assert.equal(["pod", "pod_limits", "__sk_buff", "flow___v2", "128", "TC_ACT"].map(typeName), [
    "Pod",
    "PodLimits",
    "SkBuff",
    "FlowV2",
    "Type128",
    "TCACT",
  ]);
  const names = new Names();
  assert.equal(
    ["Pod", "Pod", "Map", "Pod"].map((name) => names.take(name)),
    ["Pod", "Pod2", "Map2", "Pod3"],
  );
  assert.equal(["ok", "$x", "a.b", "1"].map(propertyKey), ["ok", "$x", '"a.b"', '"1"']);
  assert.is(docComment(["a */ b"]), "/** a *\\/ b */");
});

test.run();

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, temporaryProject } from "../../testing/compile.js";
import { fixturePath } from "../../testing/fixtures.js";
import { needs, testWith } from "../../testing/kernel.js";
import { memoryTerminal } from "../../testing/terminal.js";
import { gen } from "./gen.js";

const test = suite("a generated module on this kernel");

const program = `
import { Shape } from "./shape.js";

const shape = Shape.parse();
shape.maps.pods.maxEntries = 2;
shape.variables.index_override.set(1);
using loaded = shape.load();
const { pods, counters } = loaded.maps;
pods.set(1, { flags: 3, rate: 1000n, departure: 0n });
const run = loaded.programs.shape_lock.testRun({ data: new Uint8Array(64) });
const packets: bigint = counters.get(1)!.reduce((sum, cpu) => sum + cpu.packets, 0n);
const index: number = loaded.variables.index_override.get();
const { flags, departure } = pods.get(1)!;
console.log(JSON.stringify([run.returnValue, pods.maxEntries, flags, departure > 0n, String(packets), index]));
`;

testWith(test, needs.atomics, "loads, runs a program, and reads its maps by their types", () => {
  using project = temporaryProject();
  gen(fileURLToPath(fixturePath("shape")), { output: join(project.path, "shape.ts") }, memoryTerminal());
  const main = join(project.path, "main.ts");
  writeFileSync(main, program);
  assert.is(compile([main]), "");
  const { stdout, stderr } = spawnSync(process.execPath, [join(project.path, "main.js")], {
    encoding: "utf8",
  });
  assert.is(stderr, "");
  assert.equal(JSON.parse(stdout), [0, 2, 3, true, "1", 1]);
});

test.run();

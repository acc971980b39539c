import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compile, examplesOf } from "./examples.js";

const test = suite("programs in the READMEs");

const packages = ["bpf-loader", "elf", "netlink", "shaper", "syscall"].map((name) => `packages/${name}`);

for (const folder of [...packages, "test/vm"]) {
  test(`${folder}: each program compiles`, () => {
    const examples = examplesOf(folder);
    assert.ok(examples.length > 0);
    compile(examples)[Symbol.dispose]();
  });
}

test("packages/elf: the programs run", () => {
  const examples = examplesOf("packages/elf");
  using compiled = compile(examples);
  for (const { name } of examples) {
    const output = execFileSync(process.execPath, [compiled.path(name)], {
      cwd: compiled.folder,
      encoding: "utf8",
    });
    assert.match(output, /\S/);
  }
});

test.run();

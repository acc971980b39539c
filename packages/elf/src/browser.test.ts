import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type * as elf from "./index.js";
import { fixture } from "./testing/fixtures.js";

const test = suite("@weir/elf in a browser");

function bundle() {
  return build({
    entryPoints: [fileURLToPath(new URL("index.js", import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "iife",
    globalName: "elf",
  });
}

test("the package bundles for a browser from its own files alone", async () => {
  const { metafile } = await bundle();
  const inputs = Object.entries(metafile.inputs);
  assert.ok(inputs.length > 5);
  for (const [path, { imports }] of inputs) {
    assert.match(path, /elf\/dist\/[a-z-]+\.js$/);
    for (const each of imports) assert.not(each.external, `${path} imports ${each.path}`);
  }
});

test("the bundle reads a file where there is nothing of Node", async () => {
  const { outputFiles } = await bundle();
  const file = fixture("x86-64");
  // A new context has the language's own globals and no others; a browser adds TextDecoder among many more.
  const context = vm.createContext({ TextDecoder, file });
  assert.is(
    vm.runInContext("typeof process + typeof require + typeof Buffer", context),
    "undefined".repeat(3),
  );
  vm.runInContext(outputFiles[0]!.text, context);
  const { names, count, refused } = vm.runInContext(
    `const read = elf.ElfFile.parse(file);
     let refused;
     try { elf.ElfFile.parse(file.subarray(0, 24)); } catch (error) { refused = error; }
     ({
       names: read.symbols.map((symbol) => symbol.name).filter(Boolean),
       count: read.relocations(read.section(".text")).length + read.notes.length,
       refused,
     })`,
    context,
  ) as { names: string[]; count: number; refused: elf.ElfError };
  assert.ok(names.includes("answer"));
  assert.is(count, 4);
  assert.is(refused.code, "ELF_TRUNCATED");
});

test.run();

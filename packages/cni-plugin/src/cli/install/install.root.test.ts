import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Executables } from "../../testing/executables.js";

const executables = new Executables();
const test = suite("installing where files cannot be written");
const bin = join(executables.folder, "bin");
const conf = join(executables.folder, "net.d");
const file = join(conf, "10-pods.conflist");
const text = '{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ipvlan"}]}';

test.before(() => {
  executables.build();
  for (const folder of [bin, conf]) mkdirSync(folder);
  writeFileSync(file, text);
});
test.after(() => executables.remove());

const install = (...networks: string[]) =>
  executables.run([executables.launcher], {
    args: ["install", "--bin-dir", bin, "--conf-dir", conf, ...networks],
  });

/** Runs something with a read-only file system over a folder. */
function readOnly(folder: string, work: () => void): void {
  execFileSync("mount", ["--bind", folder, folder]);
  try {
    execFileSync("mount", ["-o", "remount,bind,ro", folder]);
    work();
  } finally {
    execFileSync("umount", [folder]);
  }
}

for (const [name, folder] of [
  ["plugins", bin],
  ["configurations", conf],
] as const) {
  test(`a read-only folder of ${name} is one sentence that says what to do, and the conflist stays`, () => {
    readOnly(folder, () => {
      const { status, stderr } = install("--network", "pods");
      assert.is(status, 1);
      assert.match(
        stderr,
        /^weir: could not write .*read-only file system.* --bin-dir and --conf-dir [^\n]*\n$/,
      );
      assert.is(readFileSync(file, "utf8"), text);
    });
  });
}

test("where a conflist is mounted by itself, it and the others are left as they are", () => {
  const first = join(conf, "05-first.conflist");
  writeFileSync(first, text.replace("pods", "first"));
  execFileSync("mount", ["--bind", file, file]);
  try {
    const { status, stderr } = install("--network", "first", "--network", "pods");
    assert.is(status, 1);
    assert.match(stderr, /mount its folder instead/);
    assert.equal(readdirSync(conf).sort(), ["05-first.conflist", "10-pods.conflist"]);
    assert.is(readFileSync(first, "utf8"), text.replace("pods", "first"));
    assert.is(readFileSync(file, "utf8"), text);
  } finally {
    execFileSync("umount", [file]);
  }
});

test.run();

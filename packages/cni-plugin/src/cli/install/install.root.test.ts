import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Script } from "node:vm";
import { checkRequirements } from "@weir/shaper";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Executables } from "../../testing/executables.js";

const executables = new Executables();
const test = suite("installing as root");
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

const doctor = () =>
  executables.run([join(bin, "weir")], { args: ["doctor", "--bin-dir", bin, "--conf-dir", conf] }).stdout;

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

// Where the kernel cannot shape, there is nothing to compile for it (install.test.ts).
const missing = checkRequirements().filter(({ ok, required, name }) => required && !ok && name !== "bpffs");
const skipped = missing.length > 0 && !process.env.WEIR_VM;

(skipped ? test.skip : test)("its code is compiled on the node, once for each version of Node.js", () => {
  const report = (): { changed: boolean } => {
    const { status, stdout, stderr } = install("--json");
    assert.is(status, 0, stderr);
    return JSON.parse(stdout).executable;
  };
  const traces = () => [
    readFileSync("/proc/self/mountinfo", "utf8"),
    readFileSync("/proc/net/dev", "utf8").match(/^ *\S+:/gm),
    readdirSync(tmpdir()).filter((name) => /^weir-(code|install)/.test(name)),
  ];
  const before = traces();
  for (const name of readdirSync(bin)) rmSync(join(bin, name), { recursive: true });
  assert.is(report().changed, true);
  assert.equal(traces(), before);

  const folder = join(bin, readdirSync(bin).find((name) => name.endsWith(".d"))!);
  const manifest = join(folder, "manifest.json");
  const read = () => JSON.parse(readFileSync(manifest, "utf8"));
  const [plugin, cache] = ["js", "cache"].map((end) =>
    join(folder, readdirSync(folder).find((name) => name.startsWith("plugin-") && name.endsWith(end))!),
  );
  const check = () => {
    assert.is(read().compiledFor, process.version);
    const cachedData = readFileSync(cache!);
    assert.is(new Script(readFileSync(plugin!, "latin1"), { cachedData }).cachedDataRejected, false);
  };
  check();
  // Where the build's kernel could not shape, its cache has less.
  const built = statSync(join(executables.launcher, "..", basename(cache!))).size;
  assert.ok(statSync(cache!).size >= built);
  assert.is(report().changed, false);

  const { ino } = statSync(folder);
  const checkRenewal = () => {
    assert.is(report().changed, true);
    check();
    // The plugin may be in use meanwhile.
    assert.is(statSync(folder).ino, ino);
  };
  // As after another Node.js was installed on the node.
  writeFileSync(manifest, JSON.stringify({ ...read(), compiledFor: "v18.0.0" }));
  assert.match(doctor(), /not compiled for Node\.js v/);
  checkRenewal();
  assert.not.match(doctor(), /not compiled/);
  writeFileSync(cache!, "damaged");
  checkRenewal();
});

test.run();

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { notMeasured, root } from "./root.js";

const folder = mkdtempSync(join(tmpdir(), "weir-standalone-"));
const launcher = join(folder, "weir");
const standalone = join(folder, "weir-standalone");

/** What changes the mounts of a namespace of its own needs root. */
const asRoot = process.getuid?.() === 0 ? test : test.skip;

function run(command: readonly string[], env: NodeJS.ProcessEnv = {}, input = "") {
  const [program = "", ...args] = command;
  // No PATH leads to a Node.js.
  const own = { PATH: "/usr/bin:/bin", ...notMeasured, ...env };
  return spawnSync(program, args, { env: own, input, encoding: "utf8" });
}

test.before(() => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, "scripts/standalone.mjs"), folder], {
    encoding: "utf8",
    env: { ...process.env, WEIR_PREPARED: "1", ...notMeasured },
  });
  assert.is(status, 0, stderr);
});

test.after(() => rmSync(folder, { recursive: true }));

test("a launcher and one executable are what a node takes", () => {
  assert.equal(readdirSync(folder).sort(), ["LICENSES.txt", "manifest.json", "weir", "weir-standalone"]);
  assert.match(readFileSync(join(folder, "LICENSES.txt"), "utf8"), /==== Node\.js/);
});

for (const program of [launcher, standalone]) {
  const name = program === launcher ? "the launcher beside it" : "the executable alone";
  test(`${name} answers VERSION`, () => {
    const { status, stdout, stderr } = run([program], { CNI_COMMAND: "VERSION" });
    assert.is(status, 0, stderr);
    assert.ok(JSON.parse(stdout).supportedVersions.includes("1.1.0"));
    assert.is(stderr, "");
  });

  test(`${name} refuses an ADD that lacks everything as CNI wants it`, () => {
    const { status, stdout } = run([program], { CNI_COMMAND: "ADD" }, "{}");
    assert.is(status, 1);
    assert.is(JSON.parse(stdout).code, 4);
  });

  test(`${name} is the command line`, () => {
    assert.match(run([program, "--help"]).stdout, /^Usage: weir/m);
    assert.is(run([program, "no-such-command"]).status, 2);
  });

  test(`${name} makes system calls`, () => {
    const { stdout, stderr } = run([program, "doctor", "--json"], {
      WEIR_STATE_DIRECTORY: join(folder, "state"),
    });
    const { requirements } = JSON.parse(stdout);
    assert.is(requirements.find((one: { name: string }) => one.name === "linux").ok, true, stderr);
    rmSync(join(folder, "state"), { recursive: true, force: true });
  });
}

test("the agent is in it too, and says in one sentence why it cannot begin", () => {
  const kubeconfig = join(folder, "missing.conf");
  const options = ["--node-name", "n1", "--kubeconfig", kubeconfig, "--metrics-address", "off"];
  const { status, stderr } = run([standalone, "agent", ...options], {
    WEIR_STATE_DIRECTORY: join(folder, "state"),
  });
  rmSync(join(folder, "state"), { recursive: true, force: true });
  assert.is(status, 1, stderr);
  assert.match(stderr, /^weir: .*missing\.conf.*\n$/);
});

test("options and certificates meant for other programs do not reach it", () => {
  const { status, stdout, stderr } = run([standalone, "--version"], { NODE_OPTIONS: "--no-such-option" });
  assert.is(status, 0, stderr);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

test("its shared object is left nowhere", () => {
  run([standalone, "doctor"], { WEIR_STATE_DIRECTORY: join(folder, "state"), TMPDIR: folder });
  rmSync(join(folder, "state"), { recursive: true, force: true });
  const left = ["/run", "/dev/shm", "/var/lib", "/tmp", folder].flatMap((place) => readdirSync(place));
  assert.equal(
    left.filter((name) => name.startsWith("weir-addon-")),
    [],
  );
});

test("it installs itself beside other plugins, and takes itself out again", () => {
  const node = join(folder, "node");
  const places = ["--bin-dir", join(node, "bin"), "--conf-dir", join(node, "net.d")];
  try {
    mkdirSync(join(node, "net.d"), { recursive: true });
    const conflist = join(node, "net.d/10-pods.conflist");
    const before = '{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ipvlan"}]}';
    writeFileSync(conflist, before);
    const env = { WEIR_STATE_DIRECTORY: join(folder, "state") };
    const installed = run([standalone, "install", ...places, "--network", "pods"], env);
    assert.is(installed.status, 0, installed.stderr);
    assert.equal(JSON.parse(readFileSync(conflist, "utf8")).plugins[1].type, "weir");
    const plugin = join(node, "bin/weir");
    // The launcher, which asks a server first, and not the large executable itself.
    assert.ok(readFileSync(plugin).length < 10_000);
    const { stdout, stderr } = run([plugin], { CNI_COMMAND: "VERSION" });
    assert.is(JSON.parse(stdout).cniVersion, "1.1.0", stderr);
    assert.is(run([plugin, "uninstall", ...places], env).status, 0);
    assert.is(readFileSync(conflist, "utf8"), before);
    assert.equal(readdirSync(join(node, "bin")), []);
  } finally {
    rmSync(node, { recursive: true });
    rmSync(join(folder, "state"), { recursive: true, force: true });
  }
});

/** Runs it where the usual folders are mounted noexec; what `more` says comes after that. */
function whereNothingRuns(more: string) {
  const places = "for d in /run /dev/shm /var/lib /tmp; do mount -t tmpfs -o noexec none $d; done";
  const script = `mount --bind ${folder} /mnt; ${places}; ${more} doctor --json`;
  return run(["unshare", "--mount", "sh", "-ec", script], { WEIR_STATE_DIRECTORY: "/run/weir" });
}

asRoot("where the usual folders are mounted noexec, its own serves", () => {
  const { stdout, stderr } = whereNothingRuns("/mnt/weir-standalone");
  assert.ok(JSON.parse(stdout).requirements.length > 0, stderr);
});

asRoot("where its own cannot be written either, TMPDIR does", () => {
  const readOnly =
    "mount -o remount,bind,ro /mnt; mount -t tmpfs none /srv; TMPDIR=/srv /mnt/weir-standalone";
  const { stdout, stderr } = whereNothingRuns(readOnly);
  assert.ok(JSON.parse(stdout).requirements.length > 0, stderr);
});

asRoot("where no folder serves, one sentence says what to do", () => {
  const { status, stderr } = whereNothingRuns("mount -o remount,bind,ro /mnt; /mnt/weir-standalone");
  assert.is(status, 1);
  assert.match(stderr, /^weir: no folder takes the shared object .*: set TMPDIR to one/);
  assert.is(stderr.trim().split("\n").length, 1);
});

test("building it again gives the same bytes", () => {
  const again = mkdtempSync(join(tmpdir(), "weir-standalone-"));
  try {
    const script = join(root, "scripts/standalone.mjs");
    const env = { ...process.env, WEIR_PREPARED: "1", ...notMeasured };
    const { status, stderr } = spawnSync(process.execPath, [script, again], { encoding: "utf8", env });
    assert.is(status, 0, stderr);
    for (const name of readdirSync(folder)) {
      assert.ok(readFileSync(join(folder, name)).equals(readFileSync(join(again, name))), name);
    }
    assert.not(existsSync(join(again, "bundle")));
  } finally {
    rmSync(again, { recursive: true });
  }
});

test.run();

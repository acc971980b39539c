import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Executables, type Outcome } from "../../testing/executables.js";

const executables = new Executables();
test.before(() => executables.build());
test.after(() => executables.remove());

const pods =
  '{\n  "cniVersion": "1.0.0",\n  "name": "pods",\n  "plugins": [\n    { "type": "ipvlan" }\n  ]\n}\n';

/** A node's two folders. */
class Node {
  readonly folder = mkdtempSync(join(executables.folder, "node-"));
  readonly bin = join(this.folder, "bin");
  readonly conf = join(this.folder, "net.d");

  constructor(files: { [name: string]: string } = { "10-pods.conflist": pods }) {
    mkdirSync(this.conf);
    for (const [name, text] of Object.entries(files)) writeFileSync(this.path(name), text, { mode: 0o600 });
  }

  path(name: string): string {
    return join(this.conf, name);
  }

  read(name = "10-pods.conflist"): string {
    return readFileSync(this.path(name), "utf8");
  }

  weir(command: string, ...args: string[]): Outcome {
    return this.with(executables.launcher, command, ...args);
  }

  with(launcher: string, command: string, ...args: string[]): Outcome {
    const folders = ["--bin-dir", this.bin, "--conf-dir", this.conf];
    return executables.run([launcher], { args: [command, ...folders, ...args] });
  }

  get files(): string[] {
    return readdirSync(this.folder, { recursive: true, encoding: "utf8" }).sort();
  }
}

const succeeded = ({ status, stdout, stderr }: Outcome) => assert.is(status, 0, stdout + stderr);
const failed = ({ status, stdout, stderr }: Outcome, message: RegExp) => {
  assert.is(status, 1, stdout);
  assert.match(stderr, message);
  assert.is(stderr.trimEnd().split("\n").length, 1, stderr);
};

/** Another build of the executable: the same files, one of which differs. */
function otherBuild(name: string): string {
  const folder = join(executables.folder, name);
  cpSync(dirname(executables.launcher), folder, { recursive: true });
  const build = name.padEnd(12, "0");
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const launcher = readFileSync(join(folder, "weir"), "utf8").replaceAll(manifest.build, build);
  writeFileSync(join(folder, "manifest.json"), JSON.stringify({ ...manifest, build }));
  writeFileSync(join(folder, "weir"), launcher);
  return join(folder, "weir");
}

test("install copies the executable, adds it to a network, and does nothing when done again", () => {
  const node = new Node();
  succeeded(node.weir("install", "--network", "pods"));
  assert.match(
    node.read(),
    /\{ "type": "ipvlan" \},\n {4}\{ "type": "weir", "capabilities": \{ "bandwidth": true \} \}\n/,
  );
  assert.is(statSync(node.path("10-pods.conflist")).mode & 0o777, 0o600);
  assert.is(node.read("10-pods.conflist.before-weir"), pods);
  const installed = join(node.bin, "weir");
  const version = executables.run([installed], { env: { CNI_COMMAND: "VERSION" } });
  succeeded(version);
  assert.match(version.stdout, /supportedVersions/);
  // It needs nothing of the folder that it came from.
  assert.match(executables.run([installed], { args: ["--version"] }).stdout, /^\d+\.\d+/);

  const before = node.files;
  const again = node.with(installed, "install", "--network", "pods", "--json");
  succeeded(again);
  const report = JSON.parse(again.stdout);
  assert.is(report.executable.changed, false);
  assert.is(report.conflists[0].changed, false);
  assert.equal(node.files, before);
});

test("uninstall restores what was there, byte for byte, and leaves other files alone", () => {
  const node = new Node({ "10-pods.conflist": pods, "20-other.conf": "no JSON", "notes.txt": "mine" });
  mkdirSync(node.bin);
  for (const name of ["ipvlan", "koffi.node", "weir-tools"]) writeFileSync(join(node.bin, name), name);
  const before = node.files;
  succeeded(node.weir("install", "--conflist", node.path("10-pods.conflist")));
  const gone = node.weir("uninstall");
  succeeded(gone);
  // What cannot be read may have weir in it.
  assert.match(gone.stderr, /not looked at: .*20-other\.conf is no JSON/);
  assert.equal(node.files, before);
  assert.is(node.read(), pods);
  assert.match(node.weir("uninstall").stdout, /not installed here/);
});

test("of a conflist that has changed since, uninstall takes weir's part alone", () => {
  const node = new Node();
  succeeded(node.weir("install", "--network", "pods"));
  writeFileSync(node.path("10-pods.conflist"), node.read().replace('"ipvlan"', '"macvlan"'));
  succeeded(node.weir("uninstall"));
  assert.is(node.read(), pods.replace('"ipvlan"', '"macvlan"'));
  assert.not(existsSync(node.path("10-pods.conflist.before-weir")));
});

test("of several networks each is added to and taken out by itself, and the executable goes last", () => {
  const other = pods.replace('"pods"', '"other"');
  const node = new Node({ "10-pods.conflist": pods, "20-other.conflist": other });
  succeeded(node.weir("install", "--network", "pods", "--network", "other"));
  succeeded(node.weir("uninstall", "--network", "pods"));
  assert.is(node.read(), pods);
  assert.ok(existsSync(join(node.bin, "weir")));
  succeeded(node.weir("uninstall", "--network", "other"));
  assert.is(node.read("20-other.conflist"), other);
  assert.equal(readdirSync(node.bin), []);
});

test("a dry run prints the difference and changes nothing", () => {
  const node = new Node();
  const before = node.files;
  const { status, stdout } = node.weir("install", "--network", "pods", "--dry-run");
  assert.is(status, 0);
  assert.match(stdout, /^--- .*10-pods\.conflist$/m);
  assert.match(stdout, /^\+ {4}\{ "type": "weir"/m);
  assert.equal(node.files, before);
  assert.is(node.read(), pods);
  succeeded(node.weir("install", "--network", "pods"));
  assert.match(node.weir("uninstall", "--dry-run").stdout, /^- {4}\{ "type": "weir"/m);
  assert.match(node.read(), /weir/);
});

test("without a network install says which there are", () => {
  const node = new Node();
  const { status, stdout } = node.weir("install");
  assert.is(status, 0);
  assert.match(stdout, /No network uses it yet: .* the network pods\./);
  assert.is(node.read(), pods);
});

test("what is wrong is found before anything changes", () => {
  const single = '{"cniVersion":"0.4.0","name":"single","type":"ipvlan"}';
  const node = new Node({ "10-pods.conflist": pods, "05-single.conf": single });
  const before = node.files;
  failed(
    node.weir("install", "--network", "pods", "--network", "single"),
    /05-single\.conf configures a single plugin/,
  );
  failed(
    node.weir("install", "--network", "pods", "--network", "nope"),
    /no network "nope".* It configures single, pods\./,
  );
  failed(node.weir("install", "--conflist", join(node.folder, "none")), /could not read .*none/);
  assert.equal(node.files, before);
  assert.is(node.read(), pods);
  mkdirSync(node.bin);
  writeFileSync(join(node.bin, "weir"), "#!/bin/sh\necho another\n");
  failed(node.weir("install", "--network", "pods"), /bin\/weir is another program than weir/);
  assert.is(node.read(), pods);
});

test("only the built executable can be copied, and only whole", () => {
  const node = new Node();
  const folders = ["--bin-dir", node.bin, "--conf-dir", node.conf];
  failed(executables.run(executables.module, { args: ["install", ...folders] }), /npm run build-plugin/);
  const damaged = otherBuild("dada");
  appendFileSync(join(dirname(damaged), "koffi.node"), "x");
  failed(node.with(damaged, "install"), /koffi\.node is damaged or missing/);
  assert.not(existsSync(node.bin));
});

test("a damaged installation is repaired, and a link from one by hand is replaced", () => {
  const node = new Node();
  mkdirSync(node.bin);
  symlinkSync("/nonexistent/weir", join(node.bin, "weir"));
  succeeded(node.weir("install"));
  const folder = join(node.bin, readdirSync(node.bin).find((name) => name.endsWith(".d"))!);
  rmSync(join(folder, "weir.cjs"));
  succeeded(node.weir("install"));
  assert.match(executables.run([join(node.bin, "weir")], { args: ["--version"] }).stdout, /^\d/);
});

test("where its code cannot be compiled, it is installed with the code cache of its build, and says why", () => {
  const node = new Node();
  const env = { PATH: "/nonexistent", WEIR_NODE: process.execPath };
  const install = () =>
    executables.run([executables.launcher], {
      args: ["install", "--bin-dir", node.bin, "--conf-dir", node.conf, "--json"],
      env,
    });
  for (const changed of [true, false]) {
    const outcome = install();
    succeeded(outcome);
    const { executable } = JSON.parse(outcome.stdout);
    assert.is(executable.changed, changed);
    assert.match(executable.notCompiled, /`unshare .*` failed: /);
  }
  const folder = join(node.bin, readdirSync(node.bin).find((name) => name.endsWith(".d"))!);
  const manifest = readFileSync(join(folder, "manifest.json"));
  const built = dirname(executables.launcher);
  assert.equal(manifest, readFileSync(join(built, "manifest.json")));
  const cache = readdirSync(folder).find((name) => name.endsWith(".cache"))!;
  // A damaged one is replaced without touching what runs.
  const { ino } = statSync(folder);
  writeFileSync(join(folder, cache), "damaged");
  assert.is(JSON.parse(install().stdout).executable.changed, true);
  assert.is(statSync(folder).ino, ino);
  assert.equal(readFileSync(join(folder, cache)), readFileSync(join(built, cache)));
});

test("while one version takes another's place there is no moment without the plugin", async () => {
  const node = new Node();
  const builds = [executables.launcher, otherBuild("abc1"), otherBuild("abc2")];
  succeeded(node.weir("install"));
  const plugin = join(node.bin, "weir");
  // Calls one after the other, each of which must be answered, while the versions change.
  const script = `while [ ! -e ${node.folder}/stop ]; do CNI_COMMAND=VERSION "${plugin}" </dev/null || exit 1; echo; done`;
  const calls = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  let answers = "";
  calls.stdout.setEncoding("utf8").on("data", (text) => {
    answers += text;
  });
  const ended = once(calls, "close");
  for (const launcher of [builds[1]!, builds[2]!, builds[0]!]) succeeded(node.with(launcher, "install"));
  writeFileSync(join(node.folder, "stop"), "");
  assert.is((await ended)[0], 0);
  assert.ok(
    answers
      .split("\n")
      .filter(Boolean)
      .every((line) => line.includes("supportedVersions")),
  );
  // The one before is kept for its processes, those before that are not.
  assert.is(readdirSync(node.bin).filter((name) => name.endsWith(".d")).length, 2);
});

if (process.getuid?.() !== 0) {
  test("without the right to write, one sentence says so", () => {
    const node = new Node();
    chmodSync(node.conf, 0o500);
    failed(node.weir("install", "--network", "pods"), /could not write/);
  });
}

test.run();

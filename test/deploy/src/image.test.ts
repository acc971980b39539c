import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Engine } from "./engine.js";
import { notMeasured, root } from "./root.js";

const NAME = "registry.example/net/weir:test";

/** Containers need root. */
const asRoot = process.getuid?.() === 0 ? test : test.skip;

const folder = mkdtempSync("/var/tmp/weir-image-");
let engine: Engine;

function build(...args: string[]) {
  const env = { ...process.env, WEIR_PREPARED: "1", ...notMeasured };
  return spawnSync(process.execPath, [join(root, "scripts/image.mjs"), ...args], { encoding: "utf8", env });
}

test.before(async () => {
  if (process.getuid?.() !== 0) return;
  const { status, stderr } = build("--output", join(folder, "image.tar"), "--name", NAME);
  assert.is(status, 0, stderr);
  engine = await Engine.start();
});

test.after(async () => {
  await engine?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("a wrong name is refused before anything is built", () => {
  const { status, stderr } = build("--name", "no tag");
  assert.is(status, 1);
  assert.match(stderr, /"no tag" is not NAME:TAG/);
});

asRoot("containerd imports it under its name", () => {
  assert.equal(engine.import(join(folder, "image.tar")), [NAME]);
});

asRoot("it has the executable inside, and no shell", () => {
  const { status, stdout, stderr } = engine.run(NAME, ["/usr/bin/weir", "--version"]);
  assert.is(status, 0, stderr);
  assert.match(stdout, /^\d+\.\d+\.\d+$/m);
  assert.is.not(engine.run(NAME, ["/bin/sh", "-c", "true"]).status, 0);
});

asRoot(
  "with the agent's capabilities and nothing to write to but its folders it makes its system calls",
  () => {
    const capabilities = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"].flatMap((name) => ["--cap-add", name]);
    const options = ["--read-only", "--net-host", "--seccomp", ...capabilities];
    const state = { "/run/weir": join(folder, "state") };
    const { stdout, stderr } = engine.run(NAME, ["/usr/bin/weir", "doctor", "--json"], options, state);
    const { requirements } = JSON.parse(stdout) as { requirements: { name: string; ok: boolean }[] };
    const isOk = (name: string) => requirements.find((one) => one.name === name)?.ok;
    // What this machine's kernel lacks is not the image's business; that its program loads is.
    for (const name of ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_BPF", "state", "program"]) {
      assert.is(isOk(name), true, `${name}: ${stderr}`);
    }
  },
);

asRoot("its installer puts a plugin on the node that works there", () => {
  const places = { "/host/bin": join(folder, "bin"), "/host/net.d": join(folder, "net.d") };
  mkdirSync(places["/host/net.d"]);
  const conflist = join(folder, "net.d/10-pods.conflist");
  writeFileSync(conflist, '{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ipvlan"}]}');
  const command = ["/usr/bin/weir", "install", "--bin-dir", "/host/bin", "--conf-dir", "/host/net.d"];
  const { status, stderr } = engine.run(NAME, [...command, "--network", "pods"], ["--read-only"], places);
  assert.is(status, 0, stderr);
  assert.is(JSON.parse(readFileSync(conflist, "utf8")).plugins.length, 2);
  const env = { PATH: "/usr/bin:/bin", CNI_COMMAND: "VERSION", ...notMeasured };
  const answer = spawnSync(join(folder, "bin/weir"), [], { env, encoding: "utf8" });
  assert.is(JSON.parse(answer.stdout).cniVersion, "1.1.0", answer.stderr);
});

asRoot("the same checkout gives the same image", () => {
  const { status, stderr } = build("--output", join(folder, "again.tar"), "--name", NAME);
  assert.is(status, 0, stderr);
  assert.ok(readFileSync(join(folder, "image.tar")).equals(readFileSync(join(folder, "again.tar"))));
});

test.run();

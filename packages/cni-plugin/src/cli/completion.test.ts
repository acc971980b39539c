import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { packageFolder } from "../testing/executables.js";

const folder = mkdtempSync(join(tmpdir(), "weir-completion-"));
test.after(() => rmSync(folder, { recursive: true }));

function script(shell: string): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(packageFolder, "dist/main.js"), "completion", shell],
    { encoding: "utf8" },
  );
  assert.is(status, 0, stderr);
  const path = join(folder, shell);
  writeFileSync(path, stdout);
  return path;
}

/** What bash offers for the last of these words. */
function bash(path: string, ...words: string[]): string[] {
  const line = `source "$1"; shift; COMP_WORDS=(weir "$@"); COMP_CWORD=$#; _weir; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...process.env, WEIR_STATE_DIRECTORY: folder };
  const { stdout, stderr } = spawnSync("bash", ["-c", line, "bash", path, ...words], {
    encoding: "utf8",
    env,
  });
  assert.is(stderr, "");
  return stdout.split("\n").filter(Boolean);
}

test("bash completes commands, options, files and the names of pods and uplinks", () => {
  mkdirSync(join(folder, "attachments"));
  mkdirSync(join(folder, "uplinks"));
  const record = (value: object) => JSON.stringify({ version: 1, ...value });
  const pod = { namespace: "shop", name: "web-1" };
  writeFileSync(join(folder, "attachments/a.json"), record({ id: "0123/eth0", pod }));
  writeFileSync(join(folder, "attachments/b.json"), record({ id: "blue/eth0" }));
  writeFileSync(join(folder, "uplinks/ens192.json"), "{}");
  const path = script("bash");
  assert.equal(bash(path, "st"), ["status"]);
  assert.ok(bash(path, "").includes("install"));
  assert.equal(bash(path, "uplink", "s"), ["set"]);
  assert.equal(bash(path, "apply", "--egress-g"), ["--egress-guarantee"]);
  assert.equal(bash(path, "apply", "--uplink", ""), ["ens192"]);
  // After an option that takes what nobody can guess, nothing is offered.
  assert.equal(bash(path, "apply", "--egress", ""), []);
  assert.equal(bash(path, "trace", ""), ["shop/web-1", "blue/eth0"]);
  assert.equal(bash(path, "status", "--json", "bl"), ["blue/eth0"]);
  assert.equal(bash(path, "uplink", "remove", "e"), ["ens192"]);
  assert.equal(bash(path, "completion", ""), ["bash", "zsh", "fish"]);
  assert.equal(bash(path, "install", "--conflist", `${folder}/ba`), [`${folder}/bash`]);
});

for (const [shell, args] of [
  ["zsh", ["-n"]],
  ["fish", ["--no-execute"]],
] as const) {
  test(`${shell} reads its script`, () => {
    const path = script(shell);
    const { error, status, stderr } = spawnSync(shell, [...args, path], { encoding: "utf8" });
    if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") {
      console.log(`not run: there is no ${shell} here`);
      return;
    }
    assert.is(status, 0, stderr);
  });
}

test("another shell is mistyped", () => {
  const args = [join(packageFolder, "dist/main.js"), "completion", "tcsh"];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.is(status, 2);
  assert.match(stderr, /bash, zsh, fish/);
});

test.run();

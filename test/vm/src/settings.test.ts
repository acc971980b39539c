import { spawnSync } from "node:child_process";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hiddenFolders, quote, settingsScript } from "./settings.js";

const settings = {
  modules: "/cache/it's here",
  bpffs: true,
  drivers: [],
  shows: ["/tmp/a b"],
  shares: ["/data/one", "/data/two's"],
  marker: "\u0004end 1",
  directory: "/src",
  env: { GREETING: "it's $HOME" },
  command: ["printenv", "GREETING"],
};

/** Runs the script's definitions and then `more`, as guest/session does, in busybox's shell. */
function evaluate(script: string, more: string): string {
  const { stdout, stderr, status } = spawnSync("busybox", ["sh", "-c", `${script}\n${more}`]);
  assert.is(status, 0, stderr.toString());
  return stdout.toString();
}

test("any words survive the shell as they are", () => {
  const word = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", ""));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
      const script = `printf '%s\\0' ${words.map(quote).join(" ")}`;
      const { stdout } = spawnSync("busybox", ["sh", "-c", script]);
      assert.equal(stdout.toString().split("\0").slice(0, -1), words);
    }),
    { numRuns: 30 },
  );
});

test("a NUL character, which no argument can hold, is refused", () => {
  assert.throws(() => quote("a\0b"), /NUL/);
});

test("the script defines the values, the folders to show and to share, and the command", () => {
  const script = settingsScript(settings);
  assert.is(
    evaluate(script, 'printf %s "$modules|$bpffs|$directory|$marker"'),
    "/cache/it's here|1|/src|\u0004end 1",
  );
  assert.is(evaluate(script, 'show() { echo "show $1"; }; shows'), "show /tmp/a b\n");
  assert.is(evaluate(script, 'share() { echo "$1 $2"; }; shares'), "share0 /data/one\nshare1 /data/two's\n");
  assert.is(evaluate(script, "run_command"), "it's $HOME\n");
});

test("a script with nothing to show or to share is whole too", () => {
  const script = settingsScript({ ...settings, shows: [], shares: [], bpffs: false });
  assert.is(evaluate(script, 'shows; shares; echo "$bpffs"'), "0\n");
});

test("only folders that a fresh /tmp or /run hides are shown again, each once", () => {
  const paths = ["/tmp/build/a/b", "/tmp/build/c", "/src/tmp/x", "/run/user/0/x", "/tmp", "/tmpfoo/x"];
  assert.equal(hiddenFolders(paths), ["/tmp/build", "/run/user"]);
});

test.run();

import { test } from "uvu";
import * as assert from "uvu/assert";
import { lastWords } from "./console.js";

// From `echo c > /proc/sysrq-trigger` on 6.1, shortened.
const panic = [
  "[    5.400000] an earlier line",
  "[    5.431000] sysrq: Trigger a crash",
  "[    5.432000] Kernel panic - not syncing: sysrq triggered crash",
  "[    5.432100] CPU: 1 PID: 170 Comm: sh Not tainted 6.1.0-50-amd64 #1  Debian 6.1.176-1",
  "[    5.432300] Call Trace:",
  ...Array.from({ length: 60 }, (_, index) => `[    5.4330${index}]  frame_${index}+0x1/0x2`),
  "[    5.445016] Kernel Offset: disabled",
  "",
].join("\r\n");

test("a panic's reason is found above its long call trace, and the lines from there are shown", () => {
  const { reason, excerpt } = lastWords(panic);
  assert.is(reason, "Kernel panic - not syncing: sysrq triggered crash");
  const lines = excerpt.split("\n");
  assert.is(lines[0], "[    5.400000] an earlier line");
  assert.is(lines.length, 40);
  assert.not.match(excerpt, /\r/);
});

test("an oops far before the panic is where the lines begin, and the panic still ends them", () => {
  const oops = `[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000008\n${"[    1.1] ?\n".repeat(99)}`;
  const { reason, excerpt } = lastWords(
    `${oops}[    1.2] Kernel panic - not syncing: Fatal exception\n[    1.3] Rebooting\n`,
  );
  assert.is(reason, "Kernel panic - not syncing: Fatal exception");
  assert.match(excerpt, /^\[ {4}1\.0\] BUG: /);
  assert.match(excerpt, /\[\.\.\.\]\n\[ {4}1\.2\] Kernel panic - not syncing: Fatal exception$/);
});

test("without a panic the reason is what the guest's own first process said, and the last lines are shown", () => {
  const { reason, excerpt } = lastWords("one\ntwo\nweir-vm: cannot mount the host's root over 9p\r\n");
  assert.is(reason, "cannot mount the host's root over 9p");
  assert.is(excerpt, "one\ntwo\nweir-vm: cannot mount the host's root over 9p");
  assert.equal(lastWords(""), { reason: undefined, excerpt: "" });
});

test.run();

import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isBpffs, mount, mountBpffs, unmount } from "./mount.js";

test("a BPF filesystem is mounted, known for what it is, and unmounted", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-bpffs-"));
  try {
    assert.not.ok(isBpffs(folder));
    mountBpffs(folder);
    try {
      assert.ok(isBpffs(folder));
      mkdirSync(join(folder, "sub"));
      assert.ok(isBpffs(join(folder, "sub")));
    } finally {
      unmount(folder);
    }
    assert.not.ok(isBpffs(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a path that does not exist is on no BPF filesystem", () => {
  assert.not.ok(isBpffs("/nowhere/at/all"));
  assert.throws(() => statSync("/nowhere"), /ENOENT/);
});

test("a mount that fails names the target", () => {
  assert.throws(
    () => mount({ source: "none", target: "/nowhere/at/all", type: "tmpfs" }),
    /could not mount tmpfs on \/nowhere\/at\/all: no such file or directory \(ENOENT from mount\)/,
  );
});

test.run();

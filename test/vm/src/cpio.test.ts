import { spawnSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeCpio } from "./cpio.js";
import { findProgram } from "./programs.js";

test("another program unpacks what was written", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-cpio-"));
  try {
    // Lengths of every remainder modulo four, for the padding of names and data.
    const files = [0, 1, 2, 3, 4, 5].map((length) => ({
      path: `bin/${"n".repeat(length + 1)}`,
      mode: 0o640,
      data: new Uint8Array(length).fill(length),
    }));
    const archive = writeCpio([
      { path: "bin", mode: 0o755 },
      ...files,
      { path: "init", mode: 0o755, data: Buffer.from("#!/bin/sh\n") },
      { path: "bin/sh", mode: 0o777, target: "../init" },
    ]);
    const { status, stderr } = spawnSync(findProgram("busybox"), ["cpio", "-i"], {
      cwd: folder,
      input: archive,
    });
    assert.is(status, 0, stderr.toString());
    for (const { path, data } of files) {
      assert.equal(new Uint8Array(readFileSync(join(folder, path))), data);
      assert.is(lstatSync(join(folder, path)).mode & 0o7777, 0o640);
    }
    assert.is(lstatSync(join(folder, "init")).mode & 0o7777, 0o755);
    assert.is(readlinkSync(join(folder, "bin/sh")), "../init");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("equal content gives equal bytes", () => {
  const entries = [{ path: "a", mode: 0o644, data: Buffer.from("x") }];
  assert.equal(writeCpio(entries), writeCpio(entries));
});

test("a path that would leave the archive's root is refused", () => {
  assert.throws(
    () => writeCpio([{ path: "/etc/passwd", mode: 0o644, data: new Uint8Array() }]),
    /relative path/,
  );
  assert.throws(() => writeCpio([{ path: "", mode: 0o755 }]), /relative path/);
});

test.run();

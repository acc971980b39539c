import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { makeNamedPipe } from "./named-pipe.js";

test("a named pipe is made with its mode, and never over something else", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-pipe-"));
  try {
    const path = join(folder, "pipe");
    makeNamedPipe(path);
    const stat = statSync(path);
    assert.ok(stat.isFIFO());
    assert.is(stat.mode & 0o777, 0o600);
    assert.throws(() => makeNamedPipe(path), /make the named pipe .*EEXIST/);
    assert.throws(() => makeNamedPipe(join(folder, "no/pipe")), /ENOENT/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();

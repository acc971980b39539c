import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FileLock } from "./file-lock.js";

const folder = mkdtempSync(join(tmpdir(), "weir-lock-"));
const path = join(folder, "lock");
test.after(() => rmSync(folder, { recursive: true }));

test("a second holder waits its time and then says which lock it was", () => {
  using _held = FileLock.acquire(path);
  assert.throws(
    () => FileLock.acquire(path, { timeoutMs: 0 }),
    (error: { code: string; message: string }) => error.code === "EAGAIN" && error.message.includes(path),
  );
});

test("how long is waited does not go by the wall clock, which may be set back", () => {
  using _held = FileLock.acquire(path);
  const { now } = Date;
  Date.now = () => {
    throw new Error("the wall clock was looked at");
  };
  try {
    assert.throws(
      () => FileLock.acquire(path, { timeoutMs: 2 }),
      ({ code }: { code: string }) => code === "EAGAIN",
    );
  } finally {
    Date.now = now;
  }
});

test("shared holders do not exclude each other, an exclusive one does", () => {
  using _a = FileLock.acquire(path, { exclusive: false });
  using _b = FileLock.acquire(path, { exclusive: false, timeoutMs: 0 });
  assert.throws(() => FileLock.acquire(path, { timeoutMs: 0 }));
});

test("the lock of a process that was killed is free", async () => {
  const module = new URL("./file-lock.js", import.meta.url).href;
  const script = `import { FileLock } from ${JSON.stringify(module)};
    globalThis.lock = FileLock.acquire(${JSON.stringify(path)});
    console.log("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  assert.throws(() => FileLock.acquire(path, { timeoutMs: 0 }));
  child.kill("SIGKILL");
  await once(child, "exit");
  FileLock.acquire(path, { timeoutMs: 5000 }).release();
});

test.run();

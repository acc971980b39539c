import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withLock } from "./lock.js";

const folder = mkdtempSync(join(tmpdir(), "weir-lock-"));
test.after(() => rmSync(folder, { recursive: true }));

test("only one of many is at work at a time, and each gives its result", async () => {
  const file = join(folder, "many");
  let working = 0;
  const results = await Promise.all(
    [1, 2, 3, 4].map((n) =>
      withLock(
        file,
        () => {},
        async () => {
          working += 1;
          assert.is(working, 1);
          await new Promise((resolve) => setImmediate(resolve));
          working -= 1;
          return n;
        },
      ),
    ),
  );
  assert.equal(results, [1, 2, 3, 4]);
});

test("as many are at work at a time as there are files to lock", async () => {
  const files = [join(folder, "first"), join(folder, "second")];
  let working = 0;
  let most = 0;
  await Promise.all(
    [1, 2, 3, 4].map(() =>
      withLock(
        files,
        () => {},
        async () => {
          working += 1;
          most = Math.max(most, working);
          // Nobody goes before two are there, the limit that is to be seen reached.
          while (most < 2) await new Promise((resolve) => setTimeout(resolve, 5));
          working -= 1;
        },
      ),
    ),
  );
  assert.is(most, 2);
});

test("work that fails lets go of the lock", async () => {
  const file = join(folder, "failing");
  const failure = withLock(
    file,
    () => {},
    () => Promise.reject(new Error("no network")),
  );
  await failure.then(assert.unreachable, (error: Error) => assert.is(error.message, "no network"));
  assert.is(
    await withLock(
      file,
      () => {},
      () => Promise.resolve("next"),
    ),
    "next",
  );
});

test("a holder that is killed lets go of the lock", async () => {
  const file = join(folder, "killed");
  const module = new URL("./lock.js", import.meta.url).href;
  const script = `import { withLock } from ${JSON.stringify(module)};
    withLock(${JSON.stringify(file)}, () => {}, () => { console.log("held"); return new Promise(() => {}); });
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  assert.is(
    await withLock(
      file,
      () => {},
      () => Promise.resolve("next"),
    ),
    "next",
  );
});

test.run();

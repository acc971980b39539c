import { test } from "uvu";
import * as assert from "uvu/assert";
import { VmError } from "./errors.js";
import { findProgram, missingProgram, ProgramError, requiredPackages, run } from "./programs.js";

test("a missing program is told with the Debian package that has it", () => {
  assert.throws(
    () => findProgram("weir-no-such-program"),
    (error: unknown) => error instanceof VmError && error.code === "MISSING_PROGRAM",
  );
  assert.match(missingProgram("qemu-system-x86_64").message, /apt-get install qemu-system-x86\b/);
  for (const name of ["busybox", "depmod", "xz", "zstd"]) {
    const [, pack] = /apt-get install (\S+?)\./.exec(missingProgram(name).message) ?? [];
    assert.ok(requiredPackages.includes(pack!), name);
  }
});

test("programs of system administration are found though PATH leaves them out", () => {
  const path = process.env.PATH;
  process.env.PATH = "/nonexistent";
  try {
    assert.match(findProgram("depmod"), /sbin\/depmod$/);
  } finally {
    process.env.PATH = path;
  }
});

test("a program's input, output and failure pass through", async () => {
  const { stdout } = await run("sh", ["-c", "cat; printf '\\377'"], { input: Buffer.from([0, 254]) });
  assert.equal(stdout, Buffer.from([0, 254, 255]));
  try {
    await run("sh", ["-c", "echo one >&2; echo two >&2; exit 3"]);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, ProgramError);
    assert.is((error as ProgramError).message, "sh failed (3): one\ntwo");
  }
});

test.run();

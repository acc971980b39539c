import { test } from "uvu";
import * as assert from "uvu/assert";
import { errno, errnoName } from "./errno.js";
import { NotSupportedError, SystemError } from "./errors.js";

test("an error says what was being done, what the kernel said and what to try", () => {
  const error = new SystemError({
    errno: 1,
    syscall: "bpf(BPF_MAP_CREATE)",
    action: "create the map counters",
    hint: "Run as root, or with CAP_BPF.",
  });
  assert.is(
    error.message,
    "could not create the map counters: operation not permitted (EPERM from bpf(BPF_MAP_CREATE)). Run as root, or with CAP_BPF.",
  );
  assert.is(error.code, "EPERM");
  assert.is(error.errno, 1);
});

test("error numbers have the kernel's names", () => {
  assert.is(errnoName(11), "EAGAIN");
  assert.is(errnoName(95), "EOPNOTSUPP");
  assert.is(errnoName(105), "ENOBUFS");
  assert.is(errnoName(524), "ENOTSUPP");
  assert.is(errnoName(4000), "errno 4000");
  assert.is(errno.ENOBUFS, 105);
});

test("a missing feature comes with the version that brought it", () => {
  const error = new NotSupportedError({ feature: "tcx links", since: "6.6" });
  assert.is(error.message, "this kernel has no tcx links (it takes Linux 6.6 or later).");
  assert.is(error.code, "ENOTSUP");
});

test.run();

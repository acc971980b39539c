import { ShaperError } from "@weir/shaper";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CniError } from "./errors.js";
import { explain } from "./explain.js";

const action = "ADD of eth0 in /run/netns/blue";

/** An error of a layer below, which is known by its name and its code. */
function failure(name: string, message: string, more: object = {}): Error {
  return Object.assign(new Error(message), { name }, more);
}

test("a shaper's refusal has a code of its own and says what to do", () => {
  const { code, message, details } = explain(
    new ShaperError("BUSY", "the lock is held by another process", { remedy: "Try again." }),
    action,
  );
  assert.is(code, 11);
  assert.is(
    message,
    "ADD of eth0 in /run/netns/blue failed: the lock is held by another process. Try again.",
  );
  assert.is(details, "");
});

test("a namespace that is gone names the variable, as the specification wants", () => {
  const { code, message } = explain(
    new ShaperError("NETNS_MISSING", "there is no network namespace at /x"),
    action,
  );
  assert.is(code, 4);
  assert.is(message, `${action} failed: CNI_NETNS is wrong, there is no network namespace at /x`);
});

test("what the layers below report goes into the details", () => {
  const cause = failure("VerifierError", "the verifier refused weir_shape", {
    log: `${"x".repeat(5000)}END`,
  });
  const { code, details } = explain(new ShaperError("NOT_SUPPORTED", "no", { cause }), action);
  assert.is(code, 100);
  assert.match(details, /^the verifier refused weir_shape\n… x+END$/);
  assert.ok(details.length < 2100);
});

test("errors of the layers below are told apart by name and code", () => {
  const cases: [Error, number][] = [
    [failure("SystemError", "could not", { code: "ENOBUFS" }), 110],
    [failure("SystemError", "could not", { code: "EPERM" }), 101],
    [failure("NetlinkError", "could not", { code: "EINVAL" }), 110],
    [failure("VerifierError", "could not"), 110],
    [failure("NotSupportedError", "no sch_fq", { code: "ENOTSUP" }), 100],
    [failure("Error", "ENOSPC: no space left on device, write", { code: "ENOSPC" }), 5],
    [new TypeError("x is not a function"), 199],
  ];
  for (const [error, code] of cases) assert.is(explain(error, action).code, code, error.name);
});

test("messages are one line, and the rest of a long one is in the details", () => {
  const { message, details } = explain(failure("SystemError", "first\nsecond"), action);
  assert.is(message, `${action} failed: first`);
  assert.is(details, "first\nsecond");
  assert.match(explain(new TypeError("bug"), action).details, /explain\.test/);
});

test("a CNI error stays as it is", () => {
  const error = new CniError(7, "wrong");
  assert.is(explain(error, action), error);
  assert.equal(JSON.parse(error.print("1.0.0")), { cniVersion: "1.0.0", code: 7, msg: "wrong" });
});

test.run();

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { stringifyJson } from "../json.js";
import { parseConfiguration, previousResult, requestedVersion, validAttachments } from "./configuration.js";
import { CniError } from "./errors.js";

function refusal(work: () => unknown): CniError {
  try {
    work();
  } catch (error) {
    assert.instance(error, CniError);
    return error as CniError;
  }
  throw new Error("it was accepted");
}

test("every version since 0.3.0 is spoken, in any case of its key", () => {
  for (const cniVersion of ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
    assert.is(parseConfiguration(JSON.stringify({ cniVersion, name: "n" }), "ADD").cniVersion, cniVersion);
  }
  assert.is(parseConfiguration('{"CNIVersion":"1.0.0","Name":"n"}', "ADD").name, "n");
});

test("other versions are error 1, and a missing one counts as 0.1.0", () => {
  for (const text of ['{"cniVersion":"0.2.0","name":"n"}', '{"cniVersion":"2.0.0"}', '{"cniVersion":1}']) {
    assert.is(refusal(() => parseConfiguration(text, "ADD")).code, 1);
  }
  const error = refusal(() => parseConfiguration('{"name":"n"}', "ADD"));
  assert.is(error.code, 1);
  assert.match(error.message, /0\.1\.0.*weir speaks 0\.3\.0/);
});

test("commands that a version does not have are error 1", () => {
  for (const [command, cniVersion] of [
    ["CHECK", "0.3.1"],
    ["GC", "1.0.0"],
    ["STATUS", "1.0.0"],
  ] as const) {
    const error = refusal(() => parseConfiguration(JSON.stringify({ cniVersion, name: "n" }), command));
    assert.is(error.code, 1);
    assert.ok(error.message.includes(command));
  }
  assert.is(parseConfiguration('{"cniVersion":"0.4.0","name":"n"}', "CHECK").name, "n");
});

test("a configuration cut at any byte is error 6 and says so", () => {
  const text = stringifyJson({
    cniVersion: "1.0.0",
    name: "n",
    prevResult: { ips: [{ address: "10.0.0.1/8" }] },
  });
  for (let length = 0; length < text.length; length++) {
    const error = refusal(() => parseConfiguration(text.slice(0, length), "ADD"));
    assert.is(error.code, 6);
    assert.match(error.message, /^could not decode the network configuration/);
  }
});

test("a configuration that is no object is error 6", () => {
  for (const text of ["null", "[]", "1", '"a"', "99999999999999999999"]) {
    assert.is(refusal(() => parseConfiguration(text, "ADD")).code, 6);
  }
});

test("a name is required, and must be one", () => {
  for (const name of [undefined, null, "", "a/b", "-a", 5]) {
    assert.is(
      refusal(() => parseConfiguration(JSON.stringify({ cniVersion: "1.0.0", name }), "ADD")).code,
      7,
    );
  }
});

test("prevResult is required and must be an object", () => {
  const parse = (prevResult: unknown) =>
    previousResult(
      parseConfiguration(JSON.stringify({ cniVersion: "1.0.0", name: "n", prevResult }), "ADD"),
      "ADD",
    );
  assert.equal(parse({ a: 1 }), { a: 1 });
  assert.match(refusal(() => parse(undefined)).message, /came without prevResult/);
  assert.is(refusal(() => parse([])).code, 7);
  assert.is(refusal(() => parse(null)).code, 7);
});

test("GC without a list of valid attachments is refused: nothing may be guessed", () => {
  const parse = (list: unknown) =>
    validAttachments(
      parseConfiguration(
        JSON.stringify({ cniVersion: "1.1.0", name: "n", "cni.dev/valid-attachments": list }),
        "GC",
      ),
    );
  assert.equal([...parse([{ containerID: "a", ifname: "eth0" }])], ["a/eth0"]);
  assert.equal([...parse([])], []);
  for (const list of [undefined, null, {}, [1], [{ containerID: "a" }]]) {
    assert.is(refusal(() => parse(list)).code, 7);
  }
});

test("VERSION is answered whatever comes on standard input", () => {
  assert.is(requestedVersion('{"cniVersion":"0.4.0"}'), "0.4.0");
  for (const text of ["", "{", '{"cniVersion":""}', '{"cniVersion":{}}', "[]"])
    assert.is(requestedVersion(text), "1.1.0");
});

test("any JSON is accepted or refused with a CNI error", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      try {
        parseConfiguration(text, "ADD");
      } catch (error) {
        assert.instance(error, CniError);
      }
    }),
  );
});

test.run();

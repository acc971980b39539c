import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseFixture } from "../testing/fixtures.js";
import { thrown } from "../testing/thrown.js";
import { UsageError } from "./errors.js";
import { setVariable } from "./set-variable.js";

const test = suite("weir-bpf load --set");

/** The value of a variable of the fixture once it has been set. */
function set(assignment: string): unknown {
  const object = parseFixture("globals");
  setVariable(object, assignment);
  return object.variable(assignment.slice(0, assignment.indexOf("="))).get();
}

test("numbers are decimal or hexadecimal, of 32 and 64 bits", () => {
  assert.is(set("total=7"), 7);
  assert.is(set("total=0xff"), 255);
  assert.is(set("runs=18446744073709551615"), 2n ** 64n - 1n);
  assert.is(set("minimum=-0x10"), -16n);
  assert.is(set("ratio=1.5"), 1.5);
});

test("arrays and structs are JSON, with every member", () => {
  assert.equal(set("table=[1, 2, 3, 0xff]".replace("0xff", "255")), [1, 2, 3, 255]);
  assert.equal(set('padded={"a": 1, "b": 2, "c": 3, "d": "18446744073709551615", "e": -4}'), {
    a: 1,
    b: 2,
    c: 3,
    d: 2n ** 64n - 1n,
    e: -4,
  });
});

test("characters are a text, or bytes in hexadecimal; an enumerator goes by its name", () => {
  const object = parseFixture("globals");
  const nested = object.variable<Record<string, unknown>>("nested");
  const value = nested.get();
  const json = (changes: Record<string, unknown>) =>
    `nested=${JSON.stringify(
      // Of members that share their bytes one is enough.
      { ...value, word: 1, octets: undefined, named: { number: 5 }, name: "eth0", flag: true, ...changes },
      (_key, one) => (typeof one === "bigint" ? String(one) : one),
    )}`;
  setVariable(object, json({ colour: "GREEN" }));
  assert.equal(nested.get().name, new Uint8Array([...Buffer.from("eth0"), 0, 0, 0, 0]));
  assert.equal([nested.get().colour, nested.get().flag], [2, true]);
  setVariable(object, json({ name: "0x0102030405060708" }));
  assert.equal(nested.get().name, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
});

test("what does not fit is a mistyped command with the reason", () => {
  for (const [assignment, reason] of [
    ["total", /--set takes NAME=VALUE, not "total"/],
    ["total=many", /--set total=many: /],
    ["total=-1", /--set total=-1: /],
    ["table=[1, 2]", /--set table=\[1, 2\]: /],
    ['padded={"a": 1}', /b: is missing/],
    ["table=1, 2", /--set table=1, 2: /],
  ] as const) {
    const error = thrown(() => set(assignment));
    assert.instance(error, UsageError);
    assert.match(error.message, reason);
  }
  assert.match(thrown(() => set("nosuch=1")).message, 'no variable named "nosuch"');
});

test.run();

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { field, type JsonNumber, parseJson, stringifyJson } from "./json.js";

test("numbers that a double would change come back as they were written", () => {
  const text = '{"a":18446744073709551615,"b":[1.50,1e400,-0,1E2],"c":12,"d":0.1}';
  assert.is(stringifyJson(parseJson(text)), text);
  assert.is((parseJson("18446744073709551615") as JsonNumber).text, "18446744073709551615");
});

test("digits inside of strings and keys stay as they are", () => {
  const text = '{"12345678901234567890":"12345678901234567890 \\" 1.50","\\\\":1.50}';
  assert.is(stringifyJson(parseJson(text)), text);
});

test("a document says the same before and after, whatever is in it", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.equal(JSON.parse(stringifyJson(parseJson(text))), JSON.parse(text));
    }),
  );
});

test("bytes that are no JSON are a SyntaxError and nothing else", () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 3 }), (text, at, garbage) => {
      const place = at % (text.length + 1);
      try {
        stringifyJson(parseJson(text.slice(0, place) + garbage));
      } catch (error) {
        assert.instance(error, SyntaxError);
      }
    }),
  );
});

test("a document that nests too deep is refused, not followed", () => {
  assert.throws(() => parseJson(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), /levels deep/);
  assert.type(stringifyJson(parseJson(`${"[".repeat(1000)}${"]".repeat(1000)}`)), "string");
});

test("a long string neither overflows a stack nor takes long", () => {
  const text = JSON.stringify({ long: 'a"\\'.repeat(1_000_000), number: 1 });
  assert.is(stringifyJson(parseJson(text)), text);
});

test("a key named __proto__ is a key like any other", () => {
  const text = '{"__proto__":{"a":1.50}}';
  assert.is(stringifyJson(parseJson(text)), text);
  assert.is(({} as { a?: unknown }).a, undefined);
});

test("fields are found as Go finds them: any case, the last one wins, null is absent", () => {
  const object = { IngressRate: 1, INGRESSRATE: 2, ingressrate: null, other: 3 };
  assert.is(field(object, "ingressRate"), 2);
  assert.is(field({ a: null }, "a"), undefined);
  assert.is(field({}, "a"), undefined);
});

test("bigints are written as digits, undefined is left out, and lines are indented on demand", () => {
  assert.is(stringifyJson({ a: 2n ** 64n, b: undefined, c: [] }), '{"a":18446744073709551616,"c":[]}');
  const value = { a: [1, { b: 2 }], c: {} };
  assert.is(stringifyJson(value, 2), JSON.stringify(value, null, 2));
});

test.run();

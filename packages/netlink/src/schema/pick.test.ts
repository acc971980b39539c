import { test } from "uvu";
import * as assert from "uvu/assert";
import { attributes } from "./attributes.js";
import { Input } from "./bytes.js";
import { binary, u8, u32 } from "./codec.js";
import { NetlinkDecodeError } from "./errors.js";
import { encode } from "./message-body.js";
import { only, Pick } from "./pick.js";
import { remembered, struct } from "./struct.js";
import { string } from "./text.js";

const inner = attributes({ mode: [1, "INNER_MODE", u8], name: [2, "INNER_NAME", string] });
const set = attributes({
  mtu: [4, "SET_MTU", u32],
  rest: [5, "SET_REST", binary],
  inner: [6, "SET_INNER", inner],
  name: [7, "SET_NAME", string],
});
const bytes = encode(set, { rest: new Uint8Array(5), mtu: 1500, inner: { name: "x", mode: 3 } });

test("picked attributes come in the order of their names, those that are not there as undefined", () => {
  const pick = new Pick(set, ["name", "mtu", "inner"], { inner: only(inner, "mode") });
  assert.equal(pick.decode(new Input(bytes), 0, bytes.length), [undefined, 1500, 3]);
  assert.is(pick.find(new Input(bytes), 0, bytes.length, pick.place("mtu")), 1500);
  assert.is(pick.find(new Input(bytes), 0, bytes.length, pick.place("name")), undefined);
});

test("of a picked attribute that comes twice the first one counts that fits its declaration", () => {
  const pick = new Pick(set, ["mtu"], {});
  const short = encode(set, { unknown: [{ type: 4, bytes: new Uint8Array(2), position: 0 }] });
  const all = new Uint8Array([...short, ...encode(set, { mtu: 1 }), ...encode(set, { mtu: 2 })]);
  assert.equal(pick.decode(new Input(all), 0, all.length), [1]);
  assert.is(pick.find(new Input(all), 0, all.length, 0), 1);
});

test("picking from bytes that are no attributes is refused by our own error", () => {
  const pick = new Pick(set, ["mtu"], { inner: only(inner, "mode") });
  const ours = (error: unknown) => error instanceof NetlinkDecodeError;
  for (const [at, length] of [
    [0, bytes.length - 1],
    [bytes.length - 2, 2],
  ] as const) {
    assert.throws(() => pick.decode(new Input(bytes), at, at + length), ours);
  }
  const long = bytes.slice();
  long[0] = 0xff;
  assert.throws(() => pick.decode(new Input(long), 0, long.length), ours);
  assert.throws(() => pick.find(new Input(long), 0, long.length, 0), ours);
  assert.throws(() => only(inner, "mode").decode(new Input(long), 0, long.length, undefined), ours);
});

test("a struct whose bytes are those before is the same object, and another one otherwise", () => {
  const read = remembered(struct("header", { first: u32, second: u32 }));
  const input = new Input(new Uint8Array(16).fill(1, 8));
  const one = read(input, 0);
  assert.equal(one, { first: 0, second: 0 });
  assert.is(read(input, 0), one);
  const two = read(input, 8);
  assert.equal(two, { first: 0x0101_0101, second: 0x0101_0101 });
  input.bytes[15] = 2;
  assert.equal(read(input, 8), {
    first: 0x0101_0101,
    second: new DataView(input.bytes.buffer).getUint32(12, true),
  });
});

test.run();

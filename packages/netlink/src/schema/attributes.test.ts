import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  array,
  attributes,
  binary,
  bool8,
  type Codec,
  decode,
  encode,
  enumeration,
  flagged,
  flags,
  Input,
  indexed,
  lazy,
  message,
  NetlinkDecodeError,
  NetlinkEncodeError,
  padding,
  repeated,
  string,
  stringUpTo,
  struct,
  structThenArray,
  subMessage,
  u8,
  u16,
  u16be,
  u32,
  u64,
  wireLength,
} from "./index.js";

const inner = attributes({
  mode: [1, "X_MODE", enumeration(u16, { l2: 0, l3: 1 })],
  size: [2, "X_SIZE", u64],
});
const pair = struct("pair", { first: u8, second: u32 });
const outer = attributes({
  name: [1, "Y_NAME", string],
  mtu: [2, "Y_MTU", u32],
  kind: [3, "Y_KIND", string],
  data: [4, "Y_DATA", subMessage("kind", { ip: inner, pair })],
  nest: [5, "Y_NEST", flagged(inner)],
  tags: [6, "Y_TAG", repeated(string)],
  list: [7, "Y_LIST", indexed(inner)],
  on: [8, "Y_ON", bool8],
  bits: [9, "Y_BITS", flags(u32, { up: 1, down: 4 })],
  big: [10, "Y_BIG", u16be],
  self: [11, "Y_SELF", lazy((): Codec<unknown, unknown> => outer as unknown as Codec<unknown, unknown>)],
});

/** Attributes by hand: type and payload in hexadecimal. */
function tlv(...parts: [type: number, payload: string][]): Uint8Array {
  const chunks = parts.map(([type, payload]) => {
    const bytes = Buffer.from(payload, "hex");
    const chunk = Buffer.alloc(4 + ((bytes.length + 3) & ~3));
    chunk.writeUInt16LE(4 + bytes.length, 0);
    chunk.writeUInt16LE(type, 2);
    bytes.copy(chunk, 4);
    return chunk;
  });
  return new Uint8Array(Buffer.concat(chunks));
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("a set encodes in the order of the object's properties and decodes to the same object", () => {
  const value = {
    mtu: 1500,
    name: "eth0",
    kind: "ip",
    data: { mode: "l3", size: 5n },
    tags: ["a", "b"],
    list: [{ size: 1n }, { mode: "l2" }],
    on: true,
    bits: ["up", "down"],
    big: 0x0102,
    nest: { mode: 7 },
  } as const;
  const bytes = encode(outer, value);
  assert.is(hex(bytes).slice(0, 16), "08000200dc050000");
  assert.ok(hex(bytes).includes("06000a0001020000"), "big-endian");
  assert.ok(hex(bytes).includes("0c000580"), "the flag of a nest");
  assert.equal(decode(outer, bytes), value);
});

test("unknown attributes come back where they stood, byte for byte", () => {
  const bytes = tlv([900, "aabbcc"], [1, "6100"], [0xc3e7, ""], [2, "01000000"], [901, "01"]);
  const value = decode(outer, bytes);
  assert.is(value.name, "a");
  assert.equal(
    value.unknown?.map(({ type, position }) => [type, position]),
    [
      [900, 0],
      [0xc3e7, 2],
      [901, 4],
    ],
  );
  assert.is(hex(encode(outer, value)), hex(bytes));
});

test("an attribute of another size than declared is kept as it is", () => {
  const bytes = tlv([2, "0100"], [8, "07"], [7, "04000200"]);
  const value = decode(outer, bytes);
  assert.is(value.mtu, undefined);
  assert.is(value.unknown?.length, 3);
  assert.is(hex(encode(outer, value)), hex(bytes));
});

test("strings without NUL, nests with a flag too many and attributes that come twice survive a round trip", () => {
  const bytes = tlv(
    [1, "6162"],
    [0x8004, ""],
    [3, "697000ff"],
    [2, "01000000"],
    [2, "02000000"],
    [5, "06000100"],
  );
  const value = decode(outer, bytes.slice(0, -8));
  assert.is(value.name, "ab");
  assert.is(value.kind, "ip");
  assert.is(value.mtu, 1);
  assert.is(hex(encode(outer, value)), hex(bytes.slice(0, -8)));
  assert.is(
    hex(encode(outer, { ...value, name: "b" })).slice(0, 16),
    "0600010062000000",
    "a changed value counts",
  );
});

test("a sub-message is decoded when its selector comes after it, and keeps its place", () => {
  const bytes = tlv([4, "0600010001000000"], [2, "01000000"], [3, "697000"]);
  const value = decode(outer, bytes);
  assert.equal(value.data, { mode: "l3" });
  assert.equal(Object.keys(value), ["data", "mtu", "kind"]);
  assert.is(hex(encode(outer, value)), hex(bytes));
});

test("a sub-message of an unknown kind is bytes, and bytes can be written for any kind", () => {
  const bytes = tlv([3, "787800"], [4, "010203"]);
  assert.equal(decode(outer, bytes).data, Uint8Array.of(1, 2, 3));
  assert.is(hex(encode(outer, decode(outer, bytes))), hex(bytes));
  assert.is(hex(encode(outer, { kind: "ip", data: Uint8Array.of(9) })), hex(tlv([3, "697000"], [4, "09"])));
  assert.throws(
    () => encode(outer, { kind: "xx", data: {} }),
    /data: the payload for kind "xx" must be given as bytes/,
  );
});

test("a struct is laid out and padded as C does", () => {
  const odd = struct("odd", { a: u8, b: u64, c: u16, d: array(u8, 3) });
  assert.is(odd.size, 24);
  assert.is(
    hex(encode(odd, { a: 1, b: 2n, c: 3, d: [4, 5, 6] })),
    "010000000000000002000000000000000300040506000000",
  );
});

test("a struct that an older kernel sends shorter reads zero where it ends, and is written as short", () => {
  const value = decode(pair, Uint8Array.of(7, 0, 0, 0));
  assert.is(value.first, 7);
  assert.is(value.second, 0);
  assert.is((value as { [wireLength]?: number })[wireLength], 4);
  assert.is(hex(encode(pair, value)), "07000000");
});

test("a struct that a newer kernel sends longer keeps its tail", () => {
  const value = decode(pair, Uint8Array.of(7, 0, 0, 0, 1, 0, 0, 0, 0xaa, 0xbb));
  assert.is(value.second, 1);
  assert.equal(value.tail, Uint8Array.of(0xaa, 0xbb));
  assert.is(hex(encode(pair, value)), "0700000001000000aabb");
});

test("a struct followed by elements takes as many as there are", () => {
  const many = structThenArray(pair, "keys", pair);
  const bytes = encode(many, { first: 2, keys: [{ first: 1 }, { second: 9 }] });
  assert.is(bytes.length, 24);
  assert.is(decode(many, bytes).keys[1]?.second, 9);
  assert.throws(() => decode(many, bytes.slice(0, 20)), /do not have the declared form/);
});

test("malformed attributes are refused with their place and path", () => {
  for (const [bytes, offset, path] of [
    [Uint8Array.of(3, 0, 1, 0), 0, ""],
    [Uint8Array.of(9, 0, 1, 0, 1, 2, 3, 4), 0, ""],
    [tlv([2, "01000000"], [5, "09000100"]), 12, "nest"],
    [Uint8Array.of(4, 0, 0, 1, 0), 4, ""],
  ] as const)
    assert.throws(
      () => decode(outer, bytes),
      (error: NetlinkDecodeError) =>
        error instanceof NetlinkDecodeError && error.offset === offset && error.path === path,
      hex(bytes),
    );
});

test("values that do not fit are refused with their path", () => {
  for (const [value, text] of [
    [{ mtu: 2 ** 32 }, "mtu: 4294967296 is not a whole number from 0 to 4294967295"],
    [{ nest: { mode: "l9" } }, 'nest.mode: "l9" is none of l2, l3'],
    [{ mtu: 1.5 }, "mtu: 1.5 is not a whole number from 0 to 4294967295"],
    [{ name: "a\0b" }, "name: a string must not contain a NUL"],
    [{ list: [{ size: -1n }] }, "list.size: -1 is not a whole number from 0 to 18446744073709551615"],
    [{ bits: ["sideways"] }, 'bits: flag "sideways" is none of up, down'],
    [{ nmae: "x" }, 'there is no attribute "nmae"'],
    [{ kind: "pair", data: { second: 2 ** 40 } }, /^data.second: 1099511627776 is not/],
  ] as const)
    assert.throws(
      () => encode(outer, value as never),
      (error: NetlinkEncodeError) =>
        error instanceof NetlinkEncodeError &&
        (typeof text === "string" ? error.message === text : text.test(error.message)),
      String(text),
    );
  assert.throws(() => encode(attributes({ a: [1, "A", binary] }), { a: new Uint8Array(65532) }), /65535/);
  assert.throws(() => encode(stringUpTo(4), "abcd"), /longer than 3 bytes/);
});

test("flags without a name appear in hexadecimal and are written back", () => {
  const codec = flags(u32, { up: 1 });
  const value = decode(codec, Uint8Array.of(1, 0, 0, 0x80));
  assert.equal(value, ["up", "0x80000000"]);
  assert.equal(encode(codec, value), Uint8Array.of(1, 0, 0, 0x80));
});

test("an offset is named by the path of what lies there", () => {
  const body = message(pair, outer);
  const bytes = encode(body, {
    header: {},
    attributes: { name: "x", kind: "ip", data: { size: 1n, mode: "l2" } },
  });
  const named = (offset: number) => body.locate(new Input(bytes), 0, bytes.length, offset).join(".");
  assert.is(named(8), "name");
  const data = 8 + 8 + 8;
  assert.is(named(data), "data");
  assert.is(named(data + 4), "data.size");
  assert.is(named(data + 16), "data.mode");
  assert.is(named(bytes.length + 4), "");
});

test("a missing attribute is named within its nest", () => {
  const body = message(pair, outer);
  const bytes = encode(body, { attributes: { kind: "ip", data: { size: 1n } } });
  const input = new Input(bytes);
  assert.equal(body.nameWithin(input, 0, bytes.length, 0, 2), ["mtu"]);
  assert.equal(body.nameWithin(input, 0, bytes.length, 16, 1), ["data", "mode"]);
  assert.equal(body.nameWithin(input, 0, bytes.length, 16, 77), ["data", "#77"]);
});

test("nests within nests of a recursive schema stop at a depth, not at the end of the stack", () => {
  let bytes = tlv([2, "01000000"]);
  for (let depth = 0; depth < 4000; depth++) bytes = tlv([11, hex(bytes)]);
  const value = decode(outer, bytes);
  assert.is(hex(encode(outer, value)), hex(bytes));
});

test("whatever the bytes, decoding ends in a value that encodes to the same bytes or in our own error", () => {
  const seed = encode(outer, {
    name: "eth0",
    kind: "ip",
    data: { mode: "l3", size: 5n },
    tags: ["a", "b"],
    list: [{ size: 1n }],
    on: true,
    bits: ["up"],
    nest: { mode: 7 },
  });
  const mutated = fc
    .array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 6 })
    .map((changes) => {
      const bytes = seed.slice();
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 80 })), (bytes) => {
    let value: ReturnType<typeof outer.decode>;
    try {
      value = decode(outer, bytes);
    } catch (error) {
      assert.instance(error, NetlinkDecodeError);
      return;
    }
    const again = decode(outer, encode(outer, value ?? {}));
    assert.equal(again, value);
  });
  fc.assert(property, { numRuns: 3000 });
});

test("elements of an array that stand apart, and flags on some of them, come back as they were", () => {
  const bytes = tlv([6, "6100"], [2, "01000000"], [0x8006, "6200"], [900, "aa"], [6, "63"], [1, "6100"]);
  const value = decode(outer, bytes);
  assert.equal(value.tags, ["a", "b", "c"]);
  assert.is(hex(encode(outer, value)), hex(bytes));
  value.tags?.push("d");
  const longer = decode(outer, encode(outer, value));
  assert.equal(longer.tags, ["a", "b", "c", "d"]);
  assert.is(longer.mtu, 1);
});

test("bytes that C code leaves in a struct's holes come back as they were", () => {
  const holes = struct("holes", { first: u8, pad: padding(1), second: u16, third: u8 });
  const sets = attributes({ holes: [1, "Z_HOLES", holes] });
  const bytes = tlv([1, "01aa0200" + "03bb"]);
  const value = decode(sets, bytes);
  assert.equal({ ...value.holes }, { first: 1, second: 2, third: 3 });
  assert.is(hex(encode(sets, value)), hex(bytes));
  const body = message(holes, sets);
  const whole = new Uint8Array([1, 0xaa, 2, 0, 3, 0xbb, 0, 0]);
  assert.is(hex(encode(body, decode(body, whole))), hex(whole));
});

test("any well-formed attributes encode to the bytes that they were decoded from", () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc
      .constantFrom("6100", "01000000", "0100", "697000", "0600010001000000", "0c000200ffffffffffffff00")
      .map((text) => new Uint8Array(Buffer.from(text, "hex"))),
  );
  const attribute = fc.tuple(fc.constantFrom(0, 0x8000, 0x4000), fc.nat(13), payload);
  const property = fc.property(fc.array(attribute, { maxLength: 8 }), (parts) => {
    const bytes = tlv(...parts.map(([flag, type, value]) => [flag | type, hex(value)] as [number, string]));
    let value: ReturnType<typeof decode>;
    try {
      value = decode(outer, bytes);
    } catch (error) {
      assert.instance(error, NetlinkDecodeError);
      return;
    }
    assert.is(hex(encode(outer, value as never)), hex(bytes));
  });
  fc.assert(property, { numRuns: 5000 });
});

test.run();

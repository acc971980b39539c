import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { btfBlob, info, type TypeWords } from "../testing/btf-blob.js";
import { makeBtf } from "../testing/core-program.js";
import { parseFixture } from "../testing/fixtures.js";
import { thrown } from "../testing/thrown.js";
import { Btf } from "./btf.js";
import { type BtfValue, btfCodec, type Codec } from "./codec.js";
import { BtfError, BtfValueError } from "./error.js";
import { BtfKind } from "./types.js";

const test = suite("codecs from BTF");
const U8: TypeWords = ["u8", info(BtfKind.INT), 1, 8];
const U32: TypeWords = ["u32", info(BtfKind.INT), 4, 32];

/** The values that fixtures/globals.bpf.c gives its variables. The union members that share bytes depend on the byte order. */
const padded = { a: 1, b: 0x02030405, c: 6, d: 0x0708090a0b0c0d0en, e: -2 };
const bits = { low: 5, middle: 99_999, negative: -7, wide: 0xabcdef0123n, tail: 1 };
const nested = (little: boolean) => ({
  inner: { a: 9, b: 8, c: 7, d: 6n, e: 5 },
  x: 1,
  y: 2,
  word: 0x11223344,
  octets: Uint8Array.from(little ? [0x44, 0x33, 0x22, 0x11] : [0x11, 0x22, 0x33, 0x44]),
  named: { number: little ? 0x4_0000_0003n : 0x0300_0000_0000_0004n, parts: { first: 3, second: 4 } },
  colour: 4,
  flag: true,
  name: Uint8Array.from([0x77, 0x65, 0x69, 0x72, 0, 0, 0, 0]),
  matrix: [
    [1, -2, 3],
    [-4, 5, -6],
  ],
});

for (const name of ["globals", "globals-big-endian"] as const) {
  test(`variables of ${name} are read as the compiler laid them out`, () => {
    const object = parseFixture(name);
    const values = Object.fromEntries(object.variables.map((variable) => [variable.name, variable.get()]));
    assert.equal(values, {
      padded,
      bits,
      nested: nested(object.littleEndian),
      minimum: -(2n ** 63n),
      huge: 0x0102030405060708090a0b0c0d0e0f10n,
      ratio: 0.25,
      runs: 40n,
      total: 0,
      hidden_step: 2,
      table: [10, 20, 30, 40],
    });
  });

  test(`variables of ${name} are written back as the same bytes`, () => {
    for (const variable of parseFixture(name).variables) {
      assert.equal(variable.codec.encode(variable.get()), variable.bytes, variable.name);
    }
  });

  test(`any value of the structs in ${name} survives being written and read`, () => {
    const object = parseFixture(name);
    const int = (bits: number, signed = false) =>
      signed
        ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
        : fc.integer({ min: 0, max: 2 ** bits - 1 });
    const wide = (bits: number) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n });
    const plain = { noNullPrototype: true };
    const paddedValue = fc.record({ a: int(8), b: int(32), c: int(8), d: wide(64), e: int(16, true) }, plain);
    const bitsValue = fc.record(
      {
        low: int(3),
        middle: int(17),
        negative: int(5, true),
        wide: wide(40),
        tail: int(1),
      },
      plain,
    );
    const survives = (codec: Codec, value: BtfValue) =>
      assert.equal(codec.decode(codec.encode(value)), value);
    fc.assert(
      fc.property(paddedValue, (value) => survives(object.variable("padded").codec, value)),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(bitsValue, (value) => survives(object.variable("bits").codec, value)),
      { numRuns: 500 },
    );
  });
}

test("padding is zero however the value was read", () => {
  const { codec } = parseFixture("globals").variable("padded");
  const dirty = new Uint8Array(codec.size).fill(0xff);
  const clean = codec.encode(codec.decode(dirty));
  // struct padded: a at 0, b at 4, c at 8, d at 16, e at 24 of 32 bytes
  const paddingBytes = [1, 2, 3, 9, 10, 11, 12, 13, 14, 15, 26, 27, 28, 29, 30, 31];
  assert.ok(paddingBytes.every((at) => clean[at] === 0));
});

test("a misspelt, missing or misplaced member is an error that names it", () => {
  const { codec } = parseFixture("globals").variable("nested");
  const value = nested(true);
  const wrong = (change: object) => valueError(() => codec.encode({ ...value, ...change } as BtfValue));
  assert.match(wrong({ colur: 1 }).message, "colur: struct nested has no such member");
  const { x: _, ...withoutX } = value;
  assert.is(valueError(() => codec.encode(withoutX)).path, "x");
  assert.is(wrong({ inner: { ...value.inner, e: 70_000 } }).path, "inner.e");
  assert.is(
    wrong({
      matrix: [
        [1, 2, 3],
        [4, 5, "six"],
      ],
    }).path,
    "matrix[1][2]",
  );
  assert.is(wrong({ matrix: [[1, 2, 3]] }).path, "matrix");
  assert.is(wrong({ flag: 1 }).path, "flag");
  assert.is(wrong({ named: 5 }).path, "named");
});

test("numbers that would lose something are refused", () => {
  const object = parseFixture("globals");
  const refuses = (name: string, value: BtfValue) => valueError(() => object.variable(name).set(value));
  refuses("total", -1);
  refuses("total", 2 ** 32);
  refuses("total", 1.5);
  refuses("total", 1n);
  refuses("runs", 2n ** 64n);
  refuses("runs", -1n);
  refuses("runs", 2 ** 53);
  refuses("minimum", 2n ** 63n);
  object.variable("runs").set(7);
  assert.is(object.variable("runs").get(), 7n);
});

test("an enum is written by the name of its value, a char array from a string", () => {
  const { codec } = parseFixture("globals").variable("nested");
  const read = codec.decode(codec.encode({ ...nested(true), colour: "GREEN", name: "longer" })) as ReturnType<
    typeof nested
  >;
  assert.is(read.colour, 2);
  assert.equal(
    [...read.name],
    [..."longer\0\0"].map((letter) => letter.charCodeAt(0)),
  );
  assert.is(valueError(() => codec.encode({ ...nested(true), colour: "MAUVE" })).path, "colour");
  assert.is(valueError(() => codec.encode({ ...nested(true), name: "too long a name" })).path, "name");
});

test("one member of a union is enough, and members that disagree are refused", () => {
  const { codec } = parseFixture("globals").variable("nested");
  const { octets: _, ...byWord } = nested(true);
  assert.equal(codec.decode(codec.encode({ ...byWord, word: 0x01020304, named: { number: 5n } })), {
    ...nested(true),
    word: 0x01020304,
    octets: Uint8Array.from([4, 3, 2, 1]),
    named: { number: 5n, parts: { first: 5, second: 0 } },
  });
  const error = valueError(() => codec.encode({ ...nested(true), word: 1 }));
  assert.match(error.message, "shares its bytes with");
  assert.match(
    valueError(() => codec.encode({ ...nested(true), named: {} })).message,
    "one of number, parts is needed",
  );
});

test("a spin lock in a map's value neither appears nor is asked for", () => {
  const codec = parseFixture("shape").map("pods").valueCodec();
  const value = { flags: 1, rate: 2n, departure: 3n };
  assert.equal(
    codec.encode(value),
    Uint8Array.from([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]),
  );
  assert.equal(codec.decode(new Uint8Array(24).fill(1)), {
    flags: 0x01010101,
    rate: 0x0101010101010101n,
    departure: 0x0101010101010101n,
  });
});

test("enums are signed and wide as BTF says, also within bit-fields", () => {
  const values = [
    { name: "LOW", value: -2n },
    { name: "HIGH", value: 0x1_0000_0000n },
  ];
  const few = [{ name: "MINUS", value: -1 }];
  const btf = makeBtf((builder) => {
    builder.add({ kind: "enum64", name: "wide", size: 8, signed: true, values });
    builder.add({ kind: "enum", name: "narrow", size: 1, signed: true, values: few });
    const members = [
      { name: "a", type: 1, bitOffset: 0, bitSize: 0 },
      { name: "b", type: 2, bitOffset: 64, bitSize: 3 },
      { name: "c", type: 1, bitOffset: 67, bitSize: 40 },
    ];
    builder.add({ kind: "struct", name: "s", size: 16, members });
  });
  const codec = btfCodec(btf, 3);
  const bytes = codec.encode({ a: "LOW", b: "MINUS", c: "HIGH" });
  assert.equal(codec.decode(bytes), { a: -2n, b: -1, c: 0x1_0000_0000n });
  assert.is(valueError(() => codec.encode({ a: 2n ** 63n, b: 0, c: 0n })).path, "a");
  assert.is(valueError(() => codec.encode({ a: 0n, b: 4, c: 0n })).path, "b");
  assert.is(valueError(() => codec.encode({ a: 0n, b: 0, c: 2n ** 39n })).path, "c");
});

test("fewer bytes than a value takes are refused", () => {
  assert.instance(
    thrown(() => parseFixture("globals").variable("padded").codec.decode(new Uint8Array(31))),
    RangeError,
  );
});

const impossible: [name: string, code: string, types: TypeWords[]][] = [
  ["a struct that contains itself", "BTF_DEPTH", [["s", info(BtfKind.STRUCT, 1), 8, "s", 1, 0]]],
  ["a member that ends outside its struct", "BTF_RANGE", [["s", info(BtfKind.STRUCT, 1), 4, "a", 2, 8], U32]],
  [
    "a member between two bytes",
    "BTF_RANGE",
    [["s", info(BtfKind.STRUCT, 1), 8, "a", 2, 3], ["u", info(BtfKind.UNION, 1), 4, "b", 3, 0], U32],
  ],
  ["two members of one name", "BTF_RANGE", [["s", info(BtfKind.STRUCT, 2), 8, "a", 2, 0, "a", 2, 32], U32]],
  [
    "a bit-field wider than its type",
    "BTF_RANGE",
    [["s", info(BtfKind.STRUCT, 1, true), 8, "a", 2, 9 << 24], U8],
  ],
  ["a bit-field that is a struct", "BTF_KIND", [["s", info(BtfKind.STRUCT, 1, true), 8, "a", 1, 9 << 24]]],
  [
    "a function as a value",
    "BTF_KIND",
    [
      ["f", info(BtfKind.FUNC), 2],
      ["", info(BtfKind.FUNC_PROTO), 0],
    ],
  ],
  [
    "a struct that is only declared",
    "BTF_KIND",
    [
      ["", info(BtfKind.CONST), 2],
      ["s", info(BtfKind.FWD), 0],
    ],
  ],
  [
    "four thousand million elements of no size",
    "BTF_LIMIT",
    [["", info(BtfKind.ARRAY), 0, 2, 3, 0xffff_ffff], ["s", info(BtfKind.STRUCT), 0], U32],
  ],
  ["a member called __proto__", "BTF_LIMIT", [["s", info(BtfKind.STRUCT, 1), 4, "__proto__", 2, 0], U32]],
];
for (const [name, code, types] of impossible) {
  test(`${name}: ${code}`, () => {
    const btf = Btf.parse(btfBlob(types));
    assert.throws(
      () => btfCodec(btf, 1),
      (error: BtfError) => error instanceof BtfError && error.code === code,
    );
  });
}

test("anonymous structs that multiply without end are refused in bounded time", () => {
  // Each struct holds the next twice, and the last holds two members without a name: 2^24 parts.
  const types: TypeWords[] = [];
  for (let id = 1; id < 24; id++) types.push(["", info(BtfKind.STRUCT, 2), 0, "", id + 1, 0, "", id + 1, 0]);
  types.push(["", info(BtfKind.STRUCT, 2), 0, "", 25, 0, "", 25, 0], ["", info(BtfKind.UNION), 0]);
  const btf = Btf.parse(btfBlob(types));
  assert.throws(
    () => btfCodec(btf, 1),
    (error: BtfError) => error.code === "BTF_LIMIT",
  );
});

function valueError(work: () => unknown): BtfValueError {
  try {
    work();
  } catch (error) {
    if (error instanceof BtfValueError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { btfBlob, info, type TypeWords } from "../testing/btf-blob.js";
import { parseFixture } from "../testing/fixtures.js";
import { Btf } from "./btf.js";
import { BtfError, type BtfErrorCode } from "./error.js";
import { BtfKind } from "./types.js";

const test = suite("Btf");
const INT: TypeWords = ["int", info(BtfKind.INT), 4, (1 << 24) | 32];

test("types of an object are decoded by id, kind and name", () => {
  const btf = parseFixture("shape").btf!;
  const pod = btf.find("pod", "struct")!;
  assert.is(pod.size, 24);
  // `bpftool btf dump file shape.bpf.o`
  assert.equal(
    pod.members.map((member) => [member.name, member.bitOffset]),
    [
      ["lock", 0],
      ["flags", 32],
      ["rate", 64],
      ["departure", 128],
    ],
  );
  assert.is(btf.find("pod", "union"), undefined);
  assert.is(btf.find("count", "func")?.linkage, "static");
  assert.is(btf.find("shape_cas", "func")?.linkage, "global");
  assert.is(btf.type(0).kind, "void");
});

test("data sections get the sizes and offsets that the compiler leaves out", () => {
  const btf = parseFixture("shape").btf!;
  const rodata = btf.find(".rodata", "datasec")!;
  assert.is(rodata.size, 12);
  assert.equal(
    rodata.entries.map((entry) => [btf.type(entry.type).name, entry.offset, entry.size]),
    [
      ["horizon", 0, 8],
      ["index_override", 8, 4],
    ],
  );
});

test("every kind of type is decoded", () => {
  const btf = Btf.parse(
    btfBlob([
      INT, // 1
      ["", info(BtfKind.PTR), 1],
      ["", info(BtfKind.ARRAY), 0, 1, 1, 3],
      ["s", info(BtfKind.STRUCT, 2, true), 8, "a", 1, 0, "b", 1, (5 << 24) | 35],
      ["u", info(BtfKind.UNION, 1), 4, "a", 1, 0],
      ["e", info(BtfKind.ENUM, 2, true), 4, "minus", -1, "one", 1],
      ["f", info(BtfKind.FWD, 0, true), 0],
      ["t", info(BtfKind.TYPEDEF), 1],
      ["", info(BtfKind.VOLATILE), 8],
      ["", info(BtfKind.CONST), 9],
      ["", info(BtfKind.RESTRICT), 10],
      ["", info(BtfKind.FUNC_PROTO, 1), 1, "arg", 2],
      ["fn", info(BtfKind.FUNC, 1), 12],
      ["v", info(BtfKind.VAR), 1, 1],
      [".data", info(BtfKind.DATASEC, 1), 4, 14, 0, 4],
      ["double", info(BtfKind.FLOAT), 8],
      ["tag", info(BtfKind.DECL_TAG), 4, -1],
      ["user", info(BtfKind.TYPE_TAG), 1],
      ["e64", info(BtfKind.ENUM64, 1), 8, "big", 1, 2],
    ]),
  );
  assert.is(btf.typeCount, 19);
  const types = [...btf.types()];
  assert.equal(types[0], {
    id: 1,
    kind: "int",
    name: "int",
    size: 4,
    bits: 32,
    bitOffset: 0,
    signed: true,
    bool: false,
  });
  assert.equal(types[2], { id: 3, kind: "array", name: "", type: 1, indexType: 1, length: 3 });
  assert.equal(types[3], {
    id: 4,
    kind: "struct",
    name: "s",
    size: 8,
    members: [
      { name: "a", type: 1, bitOffset: 0, bitSize: 0 },
      { name: "b", type: 1, bitOffset: 35, bitSize: 5 },
    ],
  });
  assert.equal(types[5], {
    id: 6,
    kind: "enum",
    name: "e",
    size: 4,
    signed: true,
    values: [
      { name: "minus", value: -1 },
      { name: "one", value: 1 },
    ],
  });
  assert.equal(types[6], { id: 7, kind: "fwd", name: "f", union: true });
  assert.equal(types[11], {
    id: 12,
    kind: "func_proto",
    name: "",
    type: 1,
    parameters: [{ name: "arg", type: 2 }],
  });
  assert.equal(types[12], { id: 13, kind: "func", name: "fn", type: 12, linkage: "global" });
  assert.equal(types[13], { id: 14, kind: "var", name: "v", type: 1, linkage: "global" });
  assert.equal(types[14], {
    id: 15,
    kind: "datasec",
    name: ".data",
    size: 4,
    entries: [{ type: 14, offset: 0, size: 4 }],
  });
  assert.equal(types[15], { id: 16, kind: "float", name: "double", size: 8 });
  assert.equal(types[16], { id: 17, kind: "decl_tag", name: "tag", type: 4, componentIndex: -1 });
  assert.equal(types[18], {
    id: 19,
    kind: "enum64",
    name: "e64",
    size: 8,
    signed: false,
    values: [{ name: "big", value: (2n << 32n) | 1n }],
  });
  assert.is(btf.resolve(11).id, 1);
  assert.equal(
    [3, 2, 11, 14, 15, 16, 19].map((id) => btf.sizeOf(id)),
    [12, 8, 4, 4, 4, 8, 8],
  );
});

const good = btfBlob([INT]);
const changed = (offset: number, value: number) => {
  const bytes = good.slice();
  new DataView(bytes.buffer).setUint32(offset, value, true);
  return bytes;
};
const malformed: [name: string, code: BtfErrorCode, bytes: Uint8Array][] = [
  ["nothing", "BTF_HEADER", new Uint8Array(0)],
  ["a header cut short", "BTF_HEADER", good.slice(0, 23)],
  ["another magic number", "BTF_HEADER", changed(0, 0x0001_1234)],
  ["another version", "BTF_HEADER", changed(0, 0x0002_eb9f)],
  ["a header longer than the data", "BTF_HEADER", changed(4, 0xffff_ffff)],
  ["types that end outside", "BTF_HEADER", changed(12, 0xffff_fff0)],
  ["types at an odd offset", "BTF_HEADER", changed(8, 1)],
  ["strings that end outside", "BTF_HEADER", changed(20, 100)],
  ["no strings", "BTF_HEADER", changed(20, 0)],
  ["strings without their last NUL", "BTF_HEADER", changed(20, 4)],
  ["half a type", "BTF_TRUNCATED", changed(12, 8)],
  ["an int without its encoding", "BTF_TRUNCATED", changed(12, 12)],
  ["an unknown kind", "BTF_KIND", btfBlob([["", info(20), 0]])],
  ["a void among the types", "BTF_KIND", btfBlob([["", info(0), 0]])],
  ["a name outside the strings", "BTF_RANGE", btfBlob([[9, info(BtfKind.STRUCT), 0]])],
  [
    "a struct with fewer members than it says",
    "BTF_TRUNCATED",
    btfBlob([["s", info(BtfKind.STRUCT, 65_535), 8]]),
  ],
  [
    "a member of a type that does not exist",
    "BTF_RANGE",
    btfBlob([["s", info(BtfKind.STRUCT, 1), 8, "a", 2, 0]]),
  ],
  [
    "a member whose name lies outside the strings",
    "BTF_RANGE",
    btfBlob([["s", info(BtfKind.STRUCT, 1), 8, 99, 1, 0]]),
  ],
  ["a pointer to a type that does not exist", "BTF_RANGE", btfBlob([["", info(BtfKind.PTR), 2]])],
  [
    "an array of a type that does not exist",
    "BTF_RANGE",
    btfBlob([INT, ["", info(BtfKind.ARRAY), 0, 3, 1, 1]]),
  ],
  [
    "a parameter of a type that does not exist",
    "BTF_RANGE",
    btfBlob([["", info(BtfKind.FUNC_PROTO, 1), 0, "a", 2]]),
  ],
  ["a variable that does not exist", "BTF_RANGE", btfBlob([["d", info(BtfKind.DATASEC, 1), 4, 2, 0, 4]])],
];
for (const [name, code, bytes] of malformed) {
  test(`${name}: ${code}`, () => assert.throws(() => Btf.parse(bytes), isBtfError(code)));
}

test("typedefs in a circle end in BTF_DEPTH", () => {
  const btf = Btf.parse(
    btfBlob([
      ["a", info(BtfKind.TYPEDEF), 2],
      ["b", info(BtfKind.TYPEDEF), 1],
    ]),
  );
  assert.throws(() => btf.resolve(1), isBtfError("BTF_DEPTH"));
  assert.throws(() => btf.sizeOf(1), isBtfError("BTF_DEPTH"));
});

test("arrays in a circle end in BTF_DEPTH", () => {
  const btf = Btf.parse(btfBlob([["", info(BtfKind.ARRAY), 0, 1, 1, 1]]));
  assert.throws(() => btf.sizeOf(1), isBtfError("BTF_DEPTH"));
});

test("an array whose size overflows 32 bits ends in BTF_LIMIT", () => {
  const btf = Btf.parse(btfBlob([INT, ["", info(BtfKind.ARRAY), 0, 1, 1, 0x8000_0000]]));
  assert.throws(() => btf.sizeOf(2), isBtfError("BTF_LIMIT"));
});

test("a type that does not exist, and a string outside, end in BTF_RANGE", () => {
  const btf = Btf.parse(good);
  assert.throws(() => btf.type(2), isBtfError("BTF_RANGE"));
  assert.throws(() => btf.type(-1), isBtfError("BTF_RANGE"));
  assert.throws(() => btf.string(1000), isBtfError("BTF_RANGE"));
});

function isBtfError(code: BtfErrorCode) {
  return (error: Error) => {
    assert.instance(error, BtfError);
    assert.is((error as BtfError).code, code, error.message);
    return true;
  };
}

test.run();

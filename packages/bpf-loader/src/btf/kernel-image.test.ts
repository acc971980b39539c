import { suite } from "uvu";
import * as assert from "uvu/assert";
import { btfBlob, info, type TypeWords } from "../testing/btf-blob.js";
import { parseFixture } from "../testing/fixtures.js";
import { Btf } from "./btf.js";
import { kernelImage, usedParts } from "./kernel-image.js";
import { BtfKind } from "./types.js";

const test = suite("BTF for the kernel");
const all = { float: true, declTag: true, typeTag: true, enum64: true };
const none = { float: false, declTag: false, typeTag: false, enum64: false };
const INT: TypeWords = ["int", info(BtfKind.INT), 4, 32];

const modern = Btf.parse(
  btfBlob([
    INT,
    ["half", info(BtfKind.FLOAT), 4],
    ["a tag: odd", info(BtfKind.DECL_TAG), 6, -1],
    ["user", info(BtfKind.TYPE_TAG), 1],
    ["", info(BtfKind.PTR), 4],
    ["s", info(BtfKind.STRUCT, 1), 4, "a", 2, 0],
    ["e64", info(BtfKind.ENUM64, 2), 8, "big", 1, 2, "small", 3, 0],
    ["e", info(BtfKind.ENUM, 1, true), 4, "minus", -1],
    ["fn", info(BtfKind.FUNC, 1), 10],
    ["", info(BtfKind.FUNC_PROTO), 0],
  ]),
);

test("a kernel that knows everything gets every type as it is", () => {
  const image = Btf.parse(kernelImage(modern, all));
  assert.equal([...image.types()], [...modern.types()]);
});

test("BTF with flags in its header, or with anything behind its strings, is copied without them", () => {
  const { bytes } = modern;
  assert.is(kernelImage(modern, all), bytes);
  const flagged = bytes.slice();
  flagged[3] = 1;
  assert.equal(kernelImage(Btf.parse(flagged), all), bytes);
  const longer = new Uint8Array(bytes.length + 4);
  longer.set(bytes);
  assert.equal(kernelImage(Btf.parse(longer), all), bytes);
});

test("what a kernel does not know is replaced by something of its size under the same id", () => {
  const image = Btf.parse(kernelImage(modern, none));
  const kinds = [...image.types()].map((type) => type.kind);
  // One more type is appended, for the members of what was an enum64.
  assert.equal(kinds, [
    "int",
    "struct",
    "int",
    "const",
    "ptr",
    "struct",
    "union",
    "enum",
    "func",
    "func_proto",
    "int",
  ]);
  assert.equal(
    [2, 6, 7].map((id) => image.sizeOf(id)),
    [4, 4, 8],
  );
  const enumeration = image.type(8);
  assert.is(enumeration.kind === "enum" && enumeration.signed, false);
  const union = image.type(7);
  assert.equal(union.kind === "union" && union.members.map((member) => [member.name, member.type]), [
    ["big", 11],
    ["small", 11],
  ]);
  assert.equal(usedParts(image), none);
});

test("parts that are used are found", () => {
  assert.equal(usedParts(modern), all);
  assert.equal(usedParts(parseFixture("shape").btf!), none);
  assert.equal(usedParts(parseFixture("newer").btf!), {
    float: true,
    declTag: true,
    typeTag: true,
    enum64: false,
  });
});

test("a hidden function becomes static", () => {
  const image = Btf.parse(kernelImage(modern, all, [9]));
  const type = image.type(9);
  assert.equal(type, { id: 9, kind: "func", name: "fn", type: 10, linkage: "static" });
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { btfBlob, info, type TypeWords } from "../testing/btf-blob.js";
import { thrown } from "../testing/thrown.js";
import { Btf } from "./btf.js";
import { BtfError } from "./error.js";
import { BtfKind } from "./types.js";

const test = suite("split BTF and names");
const INT: TypeWords = ["int", info(BtfKind.INT), 4, (1 << 24) | 32];

// Strings of the base: "", "int" at 1, "s" at 5, "a" at 7; those of its module begin at 9.
const base = Btf.parse(btfBlob([INT, ["s", info(BtfKind.STRUCT, 1), 4, "a", 1, 0]]));
const split = Btf.parse(
  splitBlob(
    [
      [9, info(BtfKind.STRUCT, 2), 8, 7, 2, 0, 11, 1, 32],
      [0, info(BtfKind.PTR), 3],
      [5, info(BtfKind.UNION), 0],
    ],
    "m\0b\0",
  ),
  { base },
);

test("a module's types and strings continue those of its base", () => {
  assert.equal([split.firstId, split.typeCount], [3, 5]);
  const type = split.find("m", "struct")!;
  assert.is(type.id, 3);
  assert.equal(
    type.members.map((member) => [member.name, split.type(member.type).name]),
    [
      ["a", "s"],
      ["b", "int"],
    ],
  );
  assert.is(split.sizeOf(3), 8);
  assert.is(split.kind(4), "ptr");
  assert.is(split.name(2), "s");
  assert.equal(
    [...split.types()].map((type) => type.id),
    [1, 2, 3, 4, 5],
  );
  assert.equal(split.ids("s"), [2, 5]);
  assert.equal(split.ids("s", "union"), [5]);
  assert.equal(split.ownFlavours("s", ["struct", "union"]), [5]);
});

test("a reference or a name beyond both ends in BTF_RANGE, another byte order in BTF_HEADER", () => {
  const code = (bytes: Uint8Array) => (thrown(() => Btf.parse(bytes, { base })) as BtfError).code;
  assert.is(code(splitBlob([[0, info(BtfKind.PTR), 4]], "")), "BTF_RANGE");
  assert.is(code(splitBlob([[9, info(BtfKind.STRUCT), 0]], "")), "BTF_RANGE");
  assert.is(code(splitBlob([[9, info(BtfKind.STRUCT), 0]], "m")), "BTF_HEADER");
  assert.is(code(new Uint8Array([0xeb, 0x9f, 1, ...new Array(21).fill(0)])), "BTF_HEADER");
  assert.instance(
    thrown(() => split.type(6)),
    BtfError,
  );
});

test("names are found before and after the index is made, flavours where they are asked for", () => {
  const names = Array.from({ length: 64 }, (_, i) => `name_${i}`);
  const odd = ["a___b", "a", "a___", "___a", "a____b", "a___b___c", "ä___ö", "x__y", "a___b"];
  const all = [...names, ...odd];
  const btf = Btf.parse(btfBlob(all.map((name) => [name, info(BtfKind.STRUCT), 0])));
  const idsOf = (wanted: string) => all.flatMap((name, i) => (name === wanted ? [i + 1] : []));
  for (let round = 0; round < 2; round++) {
    for (const name of all) assert.equal(btf.ids(name, "struct"), idsOf(name), name);
    assert.equal(btf.ids("missing"), []);
    assert.equal(btf.ids(""), []);
    // bpf_core_essential_name_len: the last "___" between two other characters.
    const flavours = (name: string) => btf.ownFlavours(name, ["struct"]).map((id) => all[id - 1]);
    assert.equal(flavours("a"), ["a___b", "a", "a___b"]);
    assert.equal(flavours("ä"), ["ä___ö"]);
    assert.equal(btf.ownFlavours("a", ["union"]), []);
  }
});

test("a count of more than 16 bits is read as newer kernels write it", () => {
  const count = 70_000;
  const values = Array.from({ length: count }, () => [0, 7]).flat();
  const btf = Btf.parse(btfBlob([["e", info(BtfKind.ENUM) | count, 4, ...values]]));
  const type = btf.type(1);
  assert.is(type.kind === "enum" && type.values.length, count);
});

test("the BTF of an ELF file is read, a module's on a base of its own or on the one that is given", () => {
  const module = { ".BTF": split.bytes };
  const onGiven = Btf.fromElf(elf(module), { base });
  assert.is(onGiven.base, base);
  assert.is(onGiven.find("m", "struct")!.id, 3);
  const withBase = Btf.fromElf(elf({ ...module, ".BTF.base": base.bytes }));
  assert.is(withBase.base?.typeCount, 2);
  assert.is(withBase.name(2), "s");
  assert.is(Btf.fromElf(elf({ ".BTF": base.bytes })).typeCount, 2);
  assert.match(thrown(() => Btf.fromElf(elf({}))).message, /no section \.BTF/);
  // Its ids mean nothing without a base.
  assert.instance(
    thrown(() => Btf.fromElf(elf(module))),
    BtfError,
  );
});

/** A little-endian ELF file of 64 bits with these sections. */
function elf(sections: Record<string, Uint8Array>): Uint8Array {
  const names = ["", ...Object.keys(sections), ".shstrtab"];
  const text = new TextEncoder().encode(names.map((name) => `${name}\0`).join(""));
  const contents = [new Uint8Array(0), ...Object.values(sections), text];
  const start = 64 + names.length * 64;
  const bytes = new Uint8Array(start + contents.reduce((sum, one) => sum + one.length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 1, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, names.length, true);
  view.setUint16(62, names.length - 1, true);
  let [at, name] = [start, 0];
  contents.forEach((content, i) => {
    const header = 64 + i * 64;
    view.setUint32(header, name, true);
    view.setUint32(header + 4, i === 0 ? 0 : i === names.length - 1 ? 3 : 1, true);
    view.setBigUint64(header + 24, BigInt(i === 0 ? 0 : at), true);
    view.setBigUint64(header + 32, BigInt(content.length), true);
    bytes.set(content, at);
    at += content.length;
    name += names[i]!.length + 1;
  });
  return bytes;
}

/** Split BTF by hand: names are offsets already. */
function splitBlob(types: readonly (readonly number[])[], strings: string): Uint8Array {
  const words = types.flat();
  const bytes = new Uint8Array(24 + words.length * 4 + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, 24, true);
  view.setUint32(12, words.length * 4, true);
  view.setUint32(16, words.length * 4, true);
  view.setUint32(20, strings.length, true);
  words.forEach((word, i) => {
    view.setUint32(24 + i * 4, word >>> 0, true);
  });
  bytes.set(new TextEncoder().encode(strings), 24 + words.length * 4);
  return bytes;
}

test.run();

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseFixture } from "../testing/fixtures.js";
import { thrown } from "../testing/thrown.js";
import { Btf } from "./btf.js";
import { BtfBuilder } from "./builder.js";
import type { NewBtfType } from "./encode.js";
import type { BtfError } from "./error.js";
import { formatType } from "./format.js";

const test = suite("making BTF");

const record = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(shape, { noNullPrototype: true } as never) as fc.Arbitrary<T>;
const name = fc.stringMatching(/^[a-z_]{1,12}$/);
const u32 = fc.nat({ max: 0xffff_ffff });
const id = fc.constantFrom(0, 1);
const linkage = fc.constantFrom("static" as const, "global" as const, "extern" as const);
const member = record({ name, type: id, bitOffset: fc.nat(0xff_ffff), bitSize: fc.nat(255) });
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const named = <Kind extends string>(kind: Kind, rest: object) =>
  record({ kind: fc.constant(kind), name, ...rest } as never);
const unnamed = (kind: string, rest: object) =>
  record({ kind: fc.constant(kind), name: fc.constant(""), ...rest } as never);
const anyType = fc.oneof(
  record({ size: fc.constantFrom(1, 2, 4, 8, 16), signed: fc.boolean(), bool: fc.boolean(), name }).map(
    (type) => ({
      kind: "int",
      ...type,
      bits: type.size * 8,
      bitOffset: 0,
    }),
  ),
  unnamed("ptr", { type: id }),
  unnamed("array", { type: id, indexType: id, length: u32 }),
  named("struct", { size: u32, members: fc.array(member, { maxLength: 5 }) }),
  named("union", {
    size: u32,
    members: fc.array(record({ name, type: id, bitOffset: u32, bitSize: fc.constant(0) })),
  }),
  named("enum", { size: u32, signed: fc.constant(true), values: fc.array(record({ name, value: i32 })) }),
  named("enum64", {
    size: u32,
    signed: fc.constant(false),
    values: fc.array(record({ name, value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) })),
  }),
  named("fwd", { union: fc.boolean() }),
  ...["typedef", "volatile", "const", "restrict", "type_tag"].map((kind) => named(kind, { type: id })),
  named("func", { type: id, linkage }),
  named("var", { type: id, linkage }),
  unnamed("func_proto", { type: id, parameters: fc.array(record({ name, type: id })) }),
  named("datasec", { size: u32, entries: fc.array(record({ type: id, offset: u32, size: u32 })) }),
  named("float", { size: u32 }),
  named("decl_tag", { type: id, componentIndex: i32 }),
) as fc.Arbitrary<NewBtfType>;

test("types of every kind are read as they were added, in either byte order", () => {
  fc.assert(
    fc.property(fc.array(anyType, { minLength: 1, maxLength: 20 }), fc.boolean(), (types, little) => {
      const builder = new BtfBuilder(little);
      const ids = types.map((type) => builder.add(type));
      const btf = Btf.parse(builder.build());
      assert.is(btf.littleEndian, little);
      types.forEach((type, i) => {
        assert.equal(btf.type(ids[i]!), { id: ids[i], ...type });
      });
    }),
    { numRuns: 300 },
  );
});

test("a type is copied with all that it refers to, and nothing else", () => {
  const source = parseFixture("core").btf!;
  const builder = new BtfBuilder();
  builder.add({ kind: "fwd", name: "first", union: false });
  const root = source.find("sk_buff", "struct")!.id;
  const ids = builder.copy(source, [root]);
  const btf = Btf.parse(builder.build());
  assert.is(formatType(btf, ids.get(root)!), formatType(source, root));
  assert.is(btf.find("task_struct", "struct"), undefined);
  // struct, unsigned int, __u8, unsigned char, char, the array, its index
  assert.is(btf.typeCount, 1 + ids.size - 1);
  assert.ok(btf.typeCount < 10);
});

test("tags come along with what they tag", () => {
  const source = new BtfBuilder();
  const node = source.add({ kind: "struct", name: "node", size: 8, members: [] });
  const head = source.add({ kind: "struct", name: "head", size: 8, members: [] });
  source.add({ kind: "struct", name: "unrelated", size: 8, members: [] });
  source.add({ kind: "decl_tag", name: "contains:node:link", type: head, componentIndex: 0 });
  const btf = Btf.parse(source.build());
  const builder = new BtfBuilder();
  builder.copy(btf, [head]);
  const copy = Btf.parse(builder.build());
  assert.equal(
    [...copy.types()].map((type) => type.name),
    ["node", "head", "contains:node:link"],
  );
  assert.is(node, 1);
});

test("what does not fit its field is refused", () => {
  const code = (type: NewBtfType) => (thrown(() => new BtfBuilder().add(type)) as BtfError).code;
  assert.is(code({ kind: "ptr", name: "", type: -1 }), "BTF_RANGE");
  assert.is(code({ kind: "typedef", name: "a\0b", type: 0 }), "BTF_RANGE");
  const members = [
    { name: "a", type: 0, bitOffset: 2 ** 24, bitSize: 0 },
    { name: "b", type: 0, bitOffset: 0, bitSize: 1 },
  ];
  assert.is(code({ kind: "struct", name: "s", size: 4, members }), "BTF_RANGE");
});

test.run();

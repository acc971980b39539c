import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instruction } from "../asm.js";
import type { Btf } from "../btf/btf.js";
import type { BtfBuilder } from "../btf/builder.js";
import { BtfError } from "../btf/error.js";
import type { BtfMember } from "../btf/types.js";
import { BpfObjectError } from "../object/error.js";
import { answer, type CoreCase, load64, makeBtf, relocateOne } from "../testing/core-program.js";
import { thrown } from "../testing/thrown.js";

const test = suite("CO-RE");

type Member = [name: string, type: number, byteOffset: number, bits?: [offset: number, size: number]];

/** Types that most cases need, under the same ids everywhere, and more. */
function types(more: (builder: BtfBuilder) => void, little = true): Btf {
  return makeBtf((builder) => {
    builder.add(int("int", 4, true));
    builder.add(int("unsigned int", 4));
    builder.add(int("unsigned long long", 8));
    builder.add({ kind: "ptr", name: "", type: 0 });
    builder.add(int("char", 1, true));
    more(builder);
  }, little);
}
const [INT, UINT, U64, PTR, CHAR] = [1, 2, 3, 4, 5];
const FIRST = 6;

function int(name: string, size: number, signed = false) {
  return { kind: "int", name, size, bits: size * 8, bitOffset: 0, signed, bool: false } as const;
}

function members(list: Member[]): BtfMember[] {
  return list.map(([name, type, offset, bits]) => ({
    name,
    type,
    bitOffset: offset * 8 + (bits?.[0] ?? 0),
    bitSize: bits?.[1] ?? 0,
  }));
}

const struct = (name: string, size: number, ...list: Member[]) =>
  ({ kind: "struct", name, size, members: members(list) }) as const;
const union = (name: string, size: number, ...list: Member[]) =>
  ({ kind: "union", name, size, members: members(list) }) as const;

const local = types((b) => b.add(struct("s", 12, ["a", INT, 0], ["b", INT, 4], ["c", UINT, 8])));
const offsetOfB = { local, typeId: FIRST, access: "0:1", kind: "byte_off", compiled: 4 } as const;

function refusal(test: CoreCase): { name: string; code: string; message: string } {
  const error = thrown(() => relocateOne(test));
  assert.ok(error instanceof BtfError || error instanceof BpfObjectError, error.stack);
  return error as BtfError;
}

test("a field is found by its name, wherever it lies", () => {
  const target = types((b) => b.add(struct("s", 40, ["x", U64, 0], ["b", INT, 32])));
  assert.is(answer({ ...offsetOfB, target }), 32);
  assert.is(answer({ ...offsetOfB, target, kind: "byte_sz", compiled: 4 }), 4);
  assert.is(answer({ ...offsetOfB, target, kind: "type_size", access: "0", compiled: 12 }), 40);
});

test("a field is found within anonymous structs and unions", () => {
  const target = types((b) => {
    b.add(struct("", 8, ["x", INT, 0], ["b", INT, 4]));
    b.add(union("", 8, ["whole", U64, 0], ["", FIRST, 0]));
    b.add(struct("s", 24, ["", INT, 0, [0, 3]], ["", FIRST + 1, 16]));
  });
  assert.is(answer({ ...offsetOfB, target }), 20);
});

test("a flavour in the object or in the kernel is the same type", () => {
  const flavoured = types((b) => b.add(struct("s___mine", 8, ["b", INT, 0])));
  const plain = { local: flavoured, typeId: FIRST, access: "0:0", kind: "byte_off" } as const;
  const target = types((b) => b.add(struct("s___theirs", 40, ["b", INT, 36])));
  assert.is(answer({ ...plain, target }), 36);
  assert.is(answer({ ...offsetOfB, target }), 36);
  const other = types((b) => b.add(struct("s___", 40, ["b", INT, 36])));
  assert.equal(relocateOne({ ...plain, target: other }).reasons, ["there is no struct s___mine"]);
});

test("candidates that agree are one, and that disagree are refused", () => {
  const twice = (second: number) =>
    types((b) => {
      b.add(struct("s", 40, ["b", INT, 32]));
      b.add(struct("s___2", 44, ["b", INT, second]));
    });
  assert.is(answer({ ...offsetOfB, target: twice(32) }), 32);
  const { code, message } = refusal({ ...offsetOfB, target: twice(36) });
  assert.is(code, "BPF_RELOCATION");
  assert.match(message, /several struct s that disagree about byte_off of s\.b: 32 and 36/);
  assert.match(
    refusal({ ...offsetOfB, target: twice(32), kind: "type_size", access: "0", compiled: 12 }).message,
    /disagree about type_size of s: 40 and 44/,
  );
  // One without the field is no candidate for it.
  const one = types((b) => {
    b.add(struct("s", 40, ["b", INT, 32]));
    b.add(struct("s", 44, ["elsewhere", INT, 36]));
  });
  assert.is(answer({ ...offsetOfB, target: one }), 32);
});

test("modules are searched where the kernel itself has no such type", () => {
  const kernel = types((b) => b.add(struct("other", 4)));
  const split = (name: string, offset: number) => {
    const blob = makeBtf((b) => {
      b.add(int("int", 4, true));
      b.add(struct(name, 40, ["b", 1, offset]));
    });
    // Standing alone serves as well as on a base.
    return blob;
  };
  const modules = [split("t", 8), split("s", 12)];
  assert.is(answer({ ...offsetOfB, target: kernel, modules }), 12);
  const both = types((b) => b.add(struct("s", 40, ["b", INT, 32])));
  assert.is(answer({ ...offsetOfB, target: both, modules }), 32);
  assert.match(
    refusal({ ...offsetOfB, target: kernel, modules: [...modules, split("s", 16)] }).message,
    /several/,
  );
});

test("a missing field poisons the instruction, and 64-bit loads whole", () => {
  const target = types((b) => b.add(struct("s", 40, ["x", U64, 0])));
  const plain = relocateOne({ ...offsetOfB, target });
  assert.equal(plain.reasons, ['struct s has no field "b"']);
  assert.equal([...plain.code], [...instruction(0x85, 0, 0, 0, 0xbad2310)]);
  const wide = relocateOne({ ...offsetOfB, target, code: load64(4n) });
  assert.equal([...wide.code], [...plain.code, ...plain.code]);
  assert.is(answer({ ...offsetOfB, target, kind: "field_exists", compiled: 1 }), 0);
});

test("a field of another kind is not the field", () => {
  for (const [type, found] of [
    [UINT, true],
    [U64, true],
    [PTR, false],
  ] as const) {
    const target = types((b) => b.add(struct("s", 40, ["b", type, 16])));
    assert.is(answer({ ...offsetOfB, target, kind: "field_exists", compiled: 1 }), Number(found));
  }
});

test("elements of arrays are found within bounds, and beyond them in flexible arrays", () => {
  const array = (length: number, last: boolean) =>
    types((b) => {
      b.add({ kind: "array", name: "", type: INT, indexType: UINT, length });
      const list: Member[] = [["x", FIRST, 8]];
      b.add(struct("s", 64, ...list, ...(last ? [] : ([["y", INT, 60]] as Member[]))));
    });
  const element = { local: array(8, true), typeId: FIRST + 1, kind: "byte_off" } as const;
  const at = (index: number) => ({ ...element, access: `0:0:${index}`, compiled: 8 + index * 4 });
  assert.is(answer({ ...at(5), target: array(6, true) }), 28);
  assert.equal(relocateOne({ ...at(5), target: array(5, true) }).reasons, ['struct s has no field "x[5]"']);
  assert.is(answer({ ...at(5), target: array(0, true) }), 28);
  assert.equal(relocateOne({ ...at(5), target: array(0, false) }).reasons.length, 1);
  assert.match(refusal({ ...at(8), target: array(9, true) }).message, /element 8 of 8 is not there/);
  assert.is(answer({ ...at(2), kind: "byte_sz", compiled: 4, target: array(6, true) }), 4);
  assert.match(refusal({ ...at(2), kind: "signed", target: array(6, true) }).message, /has no signed/);
});

test("bit-fields are read by the smallest aligned load of their type, in either byte order", () => {
  for (const little of [true, false]) {
    const bits = (offset: number, size: number, type: number) =>
      types((b) => b.add(struct("s", 16, ["b", type, 0, [offset, size]])), little);
    const code = (imm: number) => {
      const bytes = new Uint8Array(8);
      bytes[0] = 0xb7;
      new DataView(bytes.buffer).setInt32(4, imm, little);
      return bytes;
    };
    const ask = (kind: "byte_off" | "byte_sz" | "lshift_u64" | "rshift_u64" | "signed", target: Btf) =>
      answer({
        local: bits(0, 3, UINT),
        typeId: FIRST,
        access: "0:0",
        kind,
        target,
        code: code(kind === "rshift_u64" ? 61 : 0),
      });
    const target = bits(37, 7, UINT);
    assert.equal([ask("byte_off", target), ask("byte_sz", target)], [4, 4]);
    assert.equal([ask("lshift_u64", target), ask("rshift_u64", target)], [little ? 52 : 37, 57]);
    // It crosses the 4 bytes of its type: 8 are read.
    const crossing = bits(28, 8, UINT);
    assert.equal([ask("byte_off", crossing), ask("byte_sz", crossing)], [0, 8]);
    assert.equal([ask("lshift_u64", crossing), ask("rshift_u64", crossing)], [little ? 28 : 28, 56]);
    assert.equal([ask("signed", bits(0, 3, INT)), ask("signed", target)], [1, 0]);
    assert.match(thrown(() => ask("byte_off", bits(60, 8, U64))).message, /cannot be read as 64 bits/);
  }
});

test("loads and stores get the offset and size of the kernel's field", () => {
  const wide = types((b) =>
    b.add(struct("s", 8, ["a", INT, 0], ["p", PTR, 8], ["c", U64, 16], ["d", INT, 24])),
  );
  const narrow = types((b) =>
    b.add(struct("s", 64, ["a", INT, 40], ["p", PTR, 48], ["c", UINT, 52], ["d", CHAR, 56])),
  );
  const field = { local: wide, target: narrow, typeId: FIRST, kind: "byte_off" } as const;
  // r1 = *(u64 *)(r1 + 16), *(u64 *)(r1 + 16) = r2, *(u64 *)(r1 + 16) = 7
  for (const [opcode, small] of [
    [0x79, 0x61],
    [0x7b, 0x63],
    [0x7a, 0x62],
  ] as const) {
    const { view } = relocateOne({ ...field, access: "0:2", code: instruction(opcode, 1, 1, 16, 0) });
    assert.equal([view.getUint8(0), view.getInt16(2, true)], [small, 52]);
  }
  const same = relocateOne({ ...field, access: "0:0", code: instruction(0x61, 1, 1, 0, 0) });
  assert.equal([same.view.getUint8(0), same.view.getInt16(2, true)], [0x61, 40]);
  const signed = relocateOne({ ...field, access: "0:3", code: instruction(0x61, 1, 1, 24, 0) });
  assert.equal(signed.reasons, ["s.d has 1 bytes instead of 4, and is neither a pointer nor unsigned"]);
  assert.match(
    refusal({ ...field, access: "0:2", code: instruction(0x61, 1, 1, 16, 0) }).message,
    /does not access the 8 bytes of its field/,
  );
});

test("an instruction that holds something else, or cannot be changed, is refused", () => {
  const target = types((b) => b.add(struct("s", 100_000, ["b", INT, 99_996])));
  assert.match(refusal({ ...offsetOfB, target, compiled: 5 }).message, /holds 5 where its own types say 4/);
  assert.match(
    refusal({ ...offsetOfB, target, code: instruction(0xbf, 1, 2, 0, 0) }).message,
    /takes a register/,
  );
  assert.match(refusal({ ...offsetOfB, target, code: instruction(0x05, 0, 0, 0, 0) }).message, /opcode 0x5/);
  assert.match(
    refusal({ ...offsetOfB, target, code: instruction(0x18, 1, 0, 0, 4) }).message,
    /no load of a 64-bit/,
  );
  assert.match(
    refusal({ ...offsetOfB, target, code: instruction(0x61, 1, 1, 4, 0) }).message,
    /cannot hold the offset 99996/,
  );
  assert.is(answer({ ...offsetOfB, target }), 99_996);
});

test("enumerators are found by name, flavours aside, and may be 64 bits wide", () => {
  const narrow = (name: string, signed: boolean, ...values: [string, number][]) =>
    types((b) =>
      b.add({
        kind: "enum",
        name,
        size: 4,
        signed,
        values: values.map(([name, value]) => ({ name, value })),
      }),
    );
  const source = narrow("e", false, ["A", 1], ["B___old", 2], ["GONE", 3], ["HIGH", 0xffff_fffe]);
  const wide = types((b) =>
    b.add({
      kind: "enum64",
      name: "e",
      size: 8,
      signed: false,
      values: [
        { name: "B", value: 0x1_0000_0005n },
        { name: "HIGH", value: 0xffff_ffff_ffff_fff0n },
      ],
    }),
  );
  const value = (target: Btf, index: number, compiled: bigint) => {
    const { view } = relocateOne({
      local: source,
      target,
      typeId: FIRST,
      access: `${index}`,
      kind: "enumval_value",
      code: load64(compiled),
    });
    return (BigInt(view.getUint32(12, true)) << 32n) | BigInt(view.getUint32(4, true));
  };
  assert.is(value(wide, 1, 2n), 0x1_0000_0005n);
  assert.is(value(wide, 3, 0xffff_fffen), 0xffff_fff0n);
  assert.is(value(wide, 3, 0xffff_ffff_ffff_fffen), 0xffff_ffff_ffff_fff0n);
  assert.is(value(narrow("e", false, ["HIGH", 0x8000_0000]), 3, 0xffff_fffen), 0x8000_0000n);
  assert.is(value(narrow("e", true, ["A", -5]), 0, 1n), 0xffff_ffff_ffff_fffbn);
  const exists = { local: source, typeId: FIRST, kind: "enumval_exists", compiled: 1 } as const;
  assert.is(answer({ ...exists, target: wide, access: "1" }), 1);
  assert.is(answer({ ...exists, target: wide, access: "2" }), 0);
  assert.equal(
    relocateOne({ ...exists, kind: "enumval_value", compiled: 3, target: wide, access: "2" }).reasons,
    ['enum e has no enumerator "GONE"'],
  );
  assert.match(refusal({ ...exists, target: wide, access: "4" }).message, /no such enumerator/);
  assert.match(refusal({ ...exists, target: wide, access: "1:0" }).message, /no such enumerator/);
});

test("types exist where their kinds agree, and match where their members do", () => {
  const source = types((b) => {
    b.add(struct("s", 16, ["p", FIRST + 1, 0], ["e", FIRST + 2, 8], ["f", FIRST + 3, 12]));
    b.add({ kind: "ptr", name: "", type: FIRST + 4 });
    b.add({ kind: "enum", name: "e", size: 4, signed: false, values: [{ name: "A", value: 1 }] });
    b.add({ kind: "typedef", name: "number", type: UINT });
    b.add({ kind: "fwd", name: "behind", union: false });
  });
  const kernel = (
    change: { size?: number; behind?: "struct" | "union"; enumerator?: string; less?: boolean } = {},
  ) =>
    types((b) => {
      const size = change.size ?? 4;
      const list: Member[] = [
        ["more", U64, 0],
        ["f", size === 8 ? U64 : UINT, 8],
        ["e", FIRST + 1, 16],
      ];
      b.add(struct("s", 48, ...list, ...(change.less ? [] : ([["p", FIRST + 2, 24]] as Member[]))));
      const values = [
        { name: "B", value: 1 },
        { name: change.enumerator ?? "A", value: 2 },
      ];
      b.add({ kind: "enum", name: "e", size: 4, signed: false, values });
      b.add({ kind: "ptr", name: "", type: FIRST + 3 });
      b.add({ kind: change.behind ?? "struct", name: "behind", size: 8, members: [] });
    });
  const matches = (target: Btf) =>
    answer({ local: source, target, typeId: FIRST, kind: "type_matches", compiled: 1 });
  const exists = (target: Btf) =>
    answer({ local: source, target, typeId: FIRST, kind: "type_exists", compiled: 1 });
  assert.is(matches(kernel()), 1);
  assert.is(matches(kernel({ size: 8 })), 0);
  assert.is(matches(kernel({ behind: "union" })), 0);
  assert.is(matches(kernel({ enumerator: "C" })), 0);
  assert.is(matches(kernel({ less: true })), 0);
  for (const target of [kernel(), kernel({ size: 8 }), kernel({ less: true })]) assert.is(exists(target), 1);
  assert.is(exists(types((b) => b.add(union("s", 8)))), 0);
});

test("typedefs and functions are compared by what they stand for", () => {
  const proto = (parameters: number[], result: number) => (b: BtfBuilder) => {
    const list = parameters.map((type) => ({ name: "x", type }));
    b.add({ kind: "func_proto", name: "", type: result, parameters: list });
    b.add({ kind: "ptr", name: "", type: FIRST });
    b.add({ kind: "typedef", name: "callback_t", type: FIRST + 1 });
  };
  const source = types(proto([INT, PTR], UINT));
  const ask = (kind: "type_exists" | "type_matches", parameters: number[], result: number) =>
    answer({ local: source, target: types(proto(parameters, result)), typeId: FIRST + 2, kind, compiled: 1 });
  assert.equal([ask("type_exists", [INT, PTR], UINT), ask("type_matches", [INT, PTR], UINT)], [1, 1]);
  assert.equal([ask("type_exists", [INT], UINT), ask("type_matches", [INT], UINT)], [0, 0]);
  assert.equal([ask("type_exists", [INT, PTR], U64), ask("type_matches", [INT, PTR], U64)], [1, 0]);
  assert.equal([ask("type_exists", [PTR, PTR], UINT), ask("type_matches", [UINT, PTR], UINT)], [0, 0]);
});

test("an access that makes no sense is refused before any kernel sees it", () => {
  const target = local;
  const code = (access: string, kind: CoreCase["kind"] = "byte_off") =>
    refusal({ ...offsetOfB, target, access, kind }).code;
  for (const access of ["-1", "0:-1", "0:1:", "", ":", "x", "0x0", "0: 1", "0:99999999999", "0:3", "0:1:0"])
    assert.is(code(access), "BTF_RANGE", access);
  assert.is(code(new Array(65).fill("0").join(":")), "BTF_LIMIT");
  assert.is(code("1", "type_size"), "BTF_RANGE");
  assert.is(code("0", 13), "BTF_KIND");
  assert.is(refusal({ ...offsetOfB, target, typeId: 99 }).code, "BTF_RANGE");
  const anonymous = types((b) => b.add(struct("", 4, ["b", INT, 0])));
  assert.match(refusal({ ...offsetOfB, local: anonymous, access: "0:0", target }).message, /without a name/);
});

test("types that nest or multiply without end are refused in bounded time", () => {
  const circle = types((b) => b.add(struct("s", 4, ["", FIRST, 0])));
  assert.is(refusal({ ...offsetOfB, target: circle }).code, "BTF_DEPTH");
  const doubling = types((b) => {
    b.add(struct("s", 4, ["", FIRST + 1, 0]));
    for (let i = 1; i < 30; i++) b.add(struct("", 4, ["", FIRST + i + 1, 0], ["", FIRST + i + 1, 0]));
    b.add(struct("", 4, ["x", INT, 0]));
  });
  assert.is(refusal({ ...offsetOfB, target: doubling }).code, "BTF_LIMIT");
});

test.run();

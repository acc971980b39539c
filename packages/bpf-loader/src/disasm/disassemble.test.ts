import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ElfFile } from "@weir/elf";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfObject, disassemble, disassembleFunction, variableAt } from "../index.js";
import { fixture, fixtureNames, fixturePath, parseFixture } from "../testing/fixtures.js";
import { instructionSet } from "../testing/instruction-set.js";

const test = suite("disassemble");

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const text = (hex: string, symbols = false) =>
  disassemble(bytes(hex), { littleEndian: true, style: symbols ? "symbolic" : "llvm" }).map(
    (one) => one.text,
  );

test("every instruction has LLVM's text", () => {
  for (const [hex, expected] of instructionSet) assert.equal(text(hex), [expected], hex);
});

test("what the kernel would refuse as no instruction is <unknown>", () => {
  const refused = [
    "0000000000000000", // there is no opcode 0
    "07010000fbffffff07010800fbffffff", // an offset in an addition
    "d400000011000000", // a byte swap of 17 bits
    "df01000010000000", // a byte swap of a register by a register
    "8f01000000000000", // a negation of a register by a register
    "7901000000000000ff00000000000000",
    "9901000000000000", // a load of 8 bytes with its sign
    "db21000077000000", // an atomic operation that is none
    "bc21200000000000", // 32 bits extended to 32
    "18010000050000", // too short to be one
  ];
  assert.equal(
    refused.map((hex) => text(hex).at(-1)),
    [...new Array(9).fill("<unknown>"), undefined],
  );
  assert.equal(text("1801000005000000"), ["<unknown>"]);
});

test("jumps are labelled in the order of the code", () => {
  const loop =
    "b70100000500000015010200000000000701000" + "0ffffffff0500fdff00000000b70000000000000095000000000000";
  assert.equal(
    disassemble(bytes(`${loop}00`), { littleEndian: true }).map(({ at, label, target, text }) => [
      at,
      label,
      target,
      text,
    ]),
    [
      [0, undefined, undefined, "r1 = 5"],
      [1, "L1", 4, "if r1 == 0 goto +2 <L2>"],
      [2, undefined, undefined, "r1 += -1"],
      [3, undefined, 1, "goto -3 <L1>"],
      [4, "L2", undefined, "r0 = 0"],
      [5, undefined, undefined, "exit"],
    ],
  );
});

test("a jump out of the code has no target", () => {
  const [jump] = disassemble(bytes("0500f0ff00000000"), { littleEndian: true });
  assert.equal([jump!.text, jump!.target], ["goto -16", undefined]);
});

test("what only the loader or the kernel can name is written with its number", () => {
  assert.equal(
    [
      "18110000050000000000000000000000",
      "18210000050000000000000008000000",
      "18310000070000000000000003000000",
      "1841000009000000" + "0000000000000000",
      "18510000010000000000000000000000",
      "18610000010000000000000004000000",
      "8510000002000000",
      "8520000063000000",
      "8500000001000000",
      "85000000d4000000",
    ].flatMap((hex) => text(hex, true)),
    [
      "r1 = map[fd:5]",
      "r1 = map[fd:5][0]+8",
      "r1 = btf[7:3]",
      "r1 = subprog[+9]",
      "r1 = map[idx:1]",
      "r1 = map[idx:1][0]+4",
      "call pc+2",
      "call kernel-function#99",
      "call bpf_map_lookup_elem#1",
      "call 212",
    ],
  );
});

test("a function of an object is listed with names and source lines", () => {
  const object = parseFixture("shape");
  const listing = disassembleFunction(object, object.program("shape_cas").function);
  const texts = listing.map((one) => one.text);
  for (const expected of [
    "r1 = map[.rodata][0]+8 <index_override>",
    "r1 = map[pods]",
    "call bpf_map_lookup_elem#1",
    "call bpf_ktime_get_ns#5",
    "map[.rodata][0]+0 <horizon>",
    "call count",
  ]) {
    assert.ok(
      texts.some((text) => text.endsWith(expected)),
      expected,
    );
  }
  const first = listing[0]!.source!;
  assert.equal([first.file, first.text], ["./shape.bpf.c", "int shape_cas(struct __sk_buff *skb) {"]);
  assert.equal(
    listing.filter((one) => one.text.startsWith("call bpf_ktime")).map((one) => one.source?.text),
    ["__u64 now = bpf_ktime_get_ns();"],
  );
  assert.equal(
    disassembleFunction(parseFixture("calls"), parseFixture("calls").program("callback").function)
      .map((one) => one.text)
      .filter((one) => one.includes("subprog")),
    ["r2 = subprog[sum]"],
  );
});

test("the variable at an offset is found, and the place inside it", () => {
  const object = parseFixture("globals");
  const found = (section: string, offset: number) => variableAt(object, section, offset);
  assert.equal(
    [found(".data", 0), found(".data", 8), found(".data", 12), found(".data.table", 4), found(".nowhere", 0)],
    ["runs", "hidden_step", undefined, "table+4", undefined],
  );
  // `padded` ends at 32, `bits` takes 32 to 48.
  assert.equal([found(".rodata", 31), found(".rodata", 32)], ["padded+31", "bits"]);
  assert.is(found(".rodata", -1), undefined);
});

test("any bytes can be disassembled, and all whole instructions are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 256 }), fc.boolean(), (code, littleEndian) => {
      const listed = disassemble(code, { littleEndian });
      const covered = listed.reduce((sum, one) => sum + one.bytes.length, 0);
      assert.is(covered, Math.floor(code.length / 8) * 8);
    }),
  );
});

/** Instruction texts by section, as llvm-objdump prints them. */
function objdump(path: string): Map<string, string[]> {
  const output = execFileSync("llvm-objdump-14", ["-d", "--mcpu=v3", path], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const sections = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of output.split("\n")) {
    const section = /^Disassembly of section (.*):$/.exec(line);
    if (section) {
      current = [];
      sections.set(section[1]!, current);
    }
    const instruction = /^\s+\d+:\t(?:[0-9a-f]{2} )+[0-9a-f]{2}\t(.*)$/.exec(line)?.[1];
    if (instruction !== undefined) current.push(instruction.replace(/ <[^<>]*>$/, ""));
  }
  return sections;
}

if (spawnSync("llvm-objdump-14", ["--version"]).status === 0) {
  for (const name of fixtureNames) {
    test(`${name} reads as llvm-objdump prints it`, () => {
      const elf = ElfFile.parse(fixture(name));
      const { littleEndian, functions } = BpfObject.parse(fixture(name));
      const sections = objdump(fileURLToPath(fixturePath(name)));
      assert.is(sections.size > 0, functions.length > 0);
      for (const [section, expected] of sections) {
        const listed = disassemble(elf.section(section)!.data, { littleEndian, style: "llvm" });
        // LLVM 14 does not know atomic operations of 32 bits, but for those that give nothing back.
        const unknown = (text: string) => /^w\d+ = (atomic_|xchg32|cmpxchg32)/.test(text);
        assert.equal(
          listed.map(({ text }, i) => (unknown(text) ? expected[i] : text)),
          expected,
          section,
        );
      }
    });
  }
} else {
  console.log("skipped: the comparison with llvm-objdump-14, which is not installed");
}

test.run();

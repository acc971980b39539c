import { ElfFile } from "@weir/elf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fixture, parseFixture } from "../testing/fixtures.js";
import { BtfError, type BtfErrorCode } from "./error.js";
import { firstAtOrAfter, readBtfExt } from "./ext.js";

const test = suite(".BTF.ext");
const section = ElfFile.parse(fixture("shape")).section(".BTF.ext")!.data;
const btf = parseFixture("shape").btf!;

test("function and line records are read by section", () => {
  const ext = readBtfExt(section, btf);
  // `bpftool prog dump` shows shape_cas and shape_lock in section tc, count in .text.
  assert.equal(
    [...ext.functions].map(([name, records]) => [name, [...records.offsets]]),
    [
      ["tc", [0, 0x1a0]],
      [".text", [0]],
    ],
  );
  assert.equal([...ext.lines.keys()], ["tc", ".text"]);
  assert.is(ext.lines.get("tc")!.recordSize, 16);
  assert.is(ext.coreRelocations.size, 0);
});

test("records of a function are found by its offset", () => {
  const records = readBtfExt(section, btf).functions.get("tc")!;
  assert.equal(
    [0, 1, 0x1a0, 0x1a1].map((offset) => firstAtOrAfter(records, offset)),
    [0, 1, 1, 2],
  );
});

test("CO-RE relocations are read", () => {
  const object = parseFixture("unsupported");
  assert.equal([...object.btfExt!.coreRelocations.keys()], ["kprobe/do_nothing"]);
});

const changed = (offset: number, value: number) => {
  const bytes = section.slice();
  new DataView(bytes.buffer).setUint32(offset, value, true);
  return bytes;
};
const malformed: [name: string, code: BtfErrorCode, bytes: Uint8Array][] = [
  ["nothing", "BTF_HEADER", new Uint8Array(0)],
  ["another magic number", "BTF_HEADER", changed(0, 0x0001_1111)],
  ["a header longer than the section", "BTF_HEADER", changed(4, 0xffff_ffff)],
  ["a header of no length", "BTF_HEADER", changed(4, 0)],
  ["records past the end", "BTF_TRUNCATED", changed(12, 0xffff_fff0)],
  ["records whose offset and length overflow", "BTF_TRUNCATED", changed(8, 0xffff_ffff)],
  ["records of size 0", "BTF_RANGE", changed(32, 0)],
  ["records of a gigabyte", "BTF_RANGE", changed(32, 1 << 30)],
  ["a count of 2^32 - 1", "BTF_TRUNCATED", changed(40, 0xffff_ffff)],
  ["a section name outside the strings", "BTF_RANGE", changed(36, 0xffff_ffff)],
  ["an instruction between two", "BTF_RANGE", changed(44, 4)],
  ["instructions out of order", "BTF_RANGE", changed(44, 0x1000)],
];
for (const [name, code, bytes] of malformed) {
  test(`${name}: ${code}`, () => {
    assert.throws(
      () => readBtfExt(bytes, btf),
      (error: BtfError) => {
        assert.instance(error, BtfError);
        assert.is(error.code, code, error.message);
        return true;
      },
    );
  });
}

test.run();

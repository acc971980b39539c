import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ElfFile,
  ElfMachine,
  ElfType,
  SectionFlag,
  SectionType,
  SegmentType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "./index.js";
import { fixture, le, patched } from "./testing/fixtures.js";

const test = suite("ElfFile");

// All figures are those of `readelf -hSWsr FILE.o` (binutils 2.40) on the objects in fixtures/.

test("the header of a 64-bit little-endian object is read", () => {
  assert.equal(ElfFile.parse(fixture("x86-64")).header, {
    class: 64,
    littleEndian: true,
    osAbi: 0,
    abiVersion: 0,
    type: ElfType.REL,
    machine: ElfMachine.X86_64,
    entry: 0n,
    flags: 0,
    segmentOffset: 0,
    segmentCount: 0,
    sectionOffset: 816,
    sectionCount: 11,
    sectionNamesIndex: 1,
  });
});

test("class, byte order and machine of the others are read", () => {
  const seen = (["i386", "powerpc64", "mips"] as const).map((name) => {
    const { header } = ElfFile.parse(fixture(name));
    return [header.class, header.littleEndian, header.machine, header.sectionCount];
  });
  assert.equal(seen, [
    [32, true, ElfMachine.I386, 11],
    [64, false, ElfMachine.PPC64, 13],
    [32, false, ElfMachine.MIPS, 14],
  ]);
});

for (const name of ["x86-64", "i386", "powerpc64", "mips"] as const) {
  test(`sections of ${name} are found by name, with their bytes as views of the file`, () => {
    const file = fixture(name);
    const elf = ElfFile.parse(file);
    const rodata = elf.section(".rodata")!;
    assert.is(new TextDecoder().decode(rodata.data), "hello\0");
    assert.is(rodata.data.buffer, file.buffer);
    assert.is(elf.section(".data")?.data[elf.header.littleEndian ? 0 : 3], 42);
    assert.is(elf.section(".text")!.flags, SectionFlag.ALLOC | SectionFlag.EXECINSTR);
    assert.is(elf.section(".nowhere"), undefined);
  });

  test(`a section of ${name} without bytes has a size and no data`, () => {
    const bss = ElfFile.parse(fixture(name)).section(".bss")!;
    assert.is(bss.type, SectionType.NOBITS);
    assert.is(bss.size, 64);
    assert.is(bss.data.length, 0);
  });

  test(`symbols of ${name} have name, place, size, binding, type and visibility`, () => {
    const elf = ElfFile.parse(fixture(name));
    const symbol = (wanted: string) => elf.symbols.find((candidate) => candidate.name === wanted)!;
    assert.is(symbol("answer").section?.name, ".data");
    assert.is(symbol("answer").size, 4n);
    assert.is(symbol("zeros").size, 64n);
    assert.is(symbol("optional").binding, SymbolBinding.WEAK);
    assert.is(symbol("twice").binding, SymbolBinding.LOCAL);
    assert.is(symbol("twice").type, SymbolType.FUNC);
    assert.is(symbol("work").visibility, SymbolVisibility.HIDDEN);
    assert.is(symbol("elsewhere").section, undefined);
    assert.is(symbol("sample.c").section, undefined);
    assert.is(symbol("sample.c").sectionIndex, 0xfff1);
  });
}

test("values and sizes of symbols are those of readelf", () => {
  const functions = (name: Parameters<typeof fixture>[0]) =>
    ElfFile.parse(fixture(name))
      .symbols.filter((symbol) => symbol.type === SymbolType.FUNC)
      .map((symbol) => [symbol.name, symbol.value, symbol.size]);
  assert.equal(functions("x86-64"), [
    ["twice", 0x50n, 4n],
    ["optional", 0n, 6n],
    ["work", 0x10n, 49n],
  ]);
  assert.equal(functions("mips"), [
    ["twice", 0x60n, 8n],
    ["optional", 0n, 8n],
    ["work", 8n, 88n],
  ]);
});

test("the null symbol is left out of symbols and kept in its table", () => {
  const elf = ElfFile.parse(fixture("x86-64"));
  assert.is(elf.symbols.length, 9);
  assert.is(elf.symbols[0]?.index, 1);
  assert.is(elf.symbolTable(elf.section(".symtab")!).length, 10);
});

test("relocations with an addend are found by the section that they relocate", () => {
  const elf = ElfFile.parse(fixture("x86-64"));
  const seen = elf
    .relocations(elf.section(".text")!)
    .map((r) => [r.offset, r.type, r.symbol?.name, r.addend]);
  assert.equal(seen, [
    [0x1dn, 4, "elsewhere", -4n],
    [0x25n, 2, "answer", -4n],
    [0x2fn, 11, "zeros", 0n],
    [0x34n, 4, "optional", -4n],
  ]);
  assert.equal(elf.relocations(elf.section(".data")!), []);
});

test("relocations without an addend are read in both byte orders", () => {
  const read = (name: Parameters<typeof fixture>[0]) => {
    const elf = ElfFile.parse(fixture(name));
    return elf
      .relocations(elf.section(".rel.text")!)
      .map((r) => [r.offset, r.type, r.symbol?.name || r.symbol?.section?.name, r.addend]);
  };
  assert.equal(read("i386"), [
    [0x22n, 2, "elsewhere", undefined],
    [0x2an, 1, "answer", undefined],
    [0x31n, 1, "zeros", undefined],
    [0x36n, 2, "optional", undefined],
  ]);
  assert.equal(read("mips").slice(0, 3), [
    [0x14n, 4, ".text", undefined],
    [0x1cn, 4, "elsewhere", undefined],
    [0x24n, 5, "answer", undefined],
  ]);
});

test("a relocation without a symbol, and addends in big-endian data, are read", () => {
  const elf = ElfFile.parse(fixture("powerpc64"));
  const seen = elf
    .relocations(elf.section(".opd")!)
    .map((r) => [r.offset, r.type, r.symbol !== undefined, r.addend]);
  assert.equal(seen.slice(0, 3), [
    [0n, 0x26, true, 0n],
    [8n, 0x33, false, 0n],
    [0x18n, 0x26, true, 0x14n],
  ]);
});

test("the three kinds of a 64-bit MIPS relocation are packed into one number, in both byte orders", () => {
  for (const name of ["mips64", "mips64el"] as const) {
    const elf = ElfFile.parse(fixture(name));
    const seen = elf
      .relocations(elf.section(".text")!)
      .map((r) => [r.offset, r.type, r.symbol?.name, r.addend]);
    // readelf -rW: R_MIPS_GPREL16, R_MIPS_SUB, R_MIPS_HI16; then GOT_PAGE and CALL16 alone
    assert.equal(seen[0], [0x18n, 0x05_18_07, "work", 0n]);
    assert.equal(seen[2], [0x24n, 0x14, "", 0x80n]);
    assert.equal(seen[4], [0x34n, 0x0b, "elsewhere", 0n]);
  }
});

test("segments of an executable are views of the file", () => {
  const file = new Uint8Array(readFileSync("/bin/true"));
  const elf = ElfFile.parse(file);
  const interpreter = elf.segments.find((segment) => segment.type === SegmentType.INTERP)!;
  assert.match(new TextDecoder().decode(interpreter.data), /^\/lib.*\0$/);
  assert.is(interpreter.data.buffer, file.buffer);
  const loaded = elf.segments.filter((segment) => segment.type === SegmentType.LOAD);
  assert.ok(loaded.length > 0);
  assert.ok(loaded.every((segment) => segment.memorySize >= BigInt(segment.fileSize)));
});

test("counts that do not fit the header are taken from section 0", () => {
  const file = fixture("x86-64");
  const elf = ElfFile.parse(
    // e_shnum = 0 and e_shstrndx = SHN_XINDEX; section 0: sh_size = 11, sh_link = 1
    patched(
      file,
      { at: 60, bytes: le(0, 2) },
      { at: 62, bytes: le(0xffff, 2) },
      { at: 816 + 32, bytes: le(11, 8) },
      { at: 816 + 40, bytes: le(1, 4) },
    ),
  );
  assert.is(elf.header.sectionCount, 11);
  assert.is(elf.header.sectionNamesIndex, 1);
  assert.is(elf.section(".text")?.index, 2);
});

test("a section index that does not fit its symbol is taken from the extended indexes", () => {
  const file = fixture("x86-64");
  const extended = new Uint8Array(file.length + 40);
  extended.set(file);
  extended.set(le(4, 4), file.length + 7 * 4);
  // Section 7, which is empty, becomes SYMTAB_SHNDX with sh_link = .symtab; symbol 7 ("answer") gets SHN_XINDEX.
  const header = 816 + 7 * 64;
  const elf = ElfFile.parse(
    patched(
      extended,
      { at: header + 4, bytes: le(SectionType.SYMTAB_SHNDX, 4) },
      { at: header + 24, bytes: [...le(file.length, 8), ...le(40, 8), ...le(10, 4)] },
      { at: header + 56, bytes: le(4, 8) },
      { at: 0x108 + 7 * 24 + 6, bytes: le(0xffff, 2) },
    ),
  );
  const answer = elf.symbols.find((symbol) => symbol.name === "answer")!;
  assert.is(answer.sectionIndex, 4);
  assert.is(answer.section?.name, ".data");
});

test("bytes in the middle of a larger buffer are read at their own offset", () => {
  const file = fixture("x86-64");
  const larger = new Uint8Array(file.length + 100);
  larger.set(file, 33);
  const elf = ElfFile.parse(larger.subarray(33, 33 + file.length));
  assert.is(new TextDecoder().decode(elf.section(".rodata")!.data), "hello\0");
  assert.is(elf.symbols.length, 9);
});

test("a file is read whose segments were cut off, and the segments are refused", () => {
  const file = new Uint8Array(readFileSync("/bin/true"));
  const elf = ElfFile.parse(
    patched(file, { at: 60, bytes: [0, 0, 0, 0] }, { at: 40, bytes: le(0, 8) }).subarray(0, 2000),
  );
  const last = elf.segments.filter((segment) => segment.type === SegmentType.LOAD).at(-1)!;
  assert.throws(() => last.data, /segment \d+ ends at byte \d+, but the file has 2000/);
  assert.ok(elf.segments.find((segment) => segment.type === SegmentType.INTERP)!.data.length > 0);
});

test("a Buffer gives plain views of its bytes", () => {
  const buffer = Buffer.from(fixture("x86-64"));
  const { data } = ElfFile.parse(buffer).section(".rodata")!;
  assert.is(Buffer.isBuffer(data), false);
  assert.is(data.buffer, buffer.buffer);
});

test.run();

import { inflateSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  CompressionType,
  type ElfCompression,
  ElfError,
  ElfFile,
  type ElfInflate,
  SectionFlag,
} from "./index.js";
import { fixture, le, patched } from "./testing/fixtures.js";

const test = suite("compressed sections");
const inflate: ElfInflate = (data, { size }) => inflateSync(data, { maxOutputLength: size });

/** Where section header `index` of a 64-bit little-endian file stands. */
const headerOf = (file: Uint8Array, name: string) => ElfFile.parse(file).section(name)!.headerOffset;

test("a compressed section is refused without a function that inflates it", () => {
  for (const [name, section] of [
    ["compressed", ".debug_info"],
    ["compressed-gnu", ".zdebug_info"],
  ] as const) {
    const elf = ElfFile.parse(fixture(name));
    assert.is(elf.section(section)?.compressed, true);
    assert.throws(() => elf.section(section)!.data, isElfError("ELF_COMPRESSED"));
    assert.ok(elf.section(section)!.rawData.length > 0);
  }
});

test("both forms inflate to the same bytes", () => {
  const own = ElfFile.parse(fixture("compressed"), { inflate });
  const old = ElfFile.parse(fixture("compressed-gnu"), { inflate });
  const info = own.section(".debug_info")!;
  // `readelf -tW fixtures/compressed.o`: ZLIB, 00000000000000a5, 1
  const { type, size, alignment } = info.compression!;
  assert.equal(
    { type, size, alignment },
    { type: CompressionType.ZLIB, size: info.data.length, alignment: 1 },
  );
  assert.equal(old.section(".zdebug_info")!.data, info.data);
  assert.is(old.section(".zdebug_info")!.compression?.size, size);
});

test("a section is inflated once", () => {
  let calls = 0;
  const elf = ElfFile.parse(fixture("compressed"), {
    inflate: (data, compression) => {
      calls++;
      return inflate(data, compression);
    },
  });
  const section = elf.section(".debug_info")!;
  assert.is(section.data, section.data);
  assert.is(calls, 1);
});

test("other sections know of no compression", () => {
  const text = ElfFile.parse(fixture("compressed"), { inflate }).section(".text")!;
  assert.is(text.compression, undefined);
  assert.is(text.compressed, false);
});

test("the kind of compression reaches the function", () => {
  const file = fixture("compressed");
  const { offset } = ElfFile.parse(file).section(".debug_info")!;
  let seen: ElfCompression | undefined;
  const elf = ElfFile.parse(patched(file, { at: offset, bytes: le(CompressionType.ZSTD, 4) }), {
    inflate: (data, compression) => {
      seen = compression;
      return new Uint8Array(compression.size).fill(data[0]!);
    },
  });
  assert.is(elf.section(".debug_info")!.data.length, seen?.size);
  assert.is(seen?.type, CompressionType.ZSTD);
});

test("what the function throws, and a result of another size, end in an ElfError", () => {
  const cause = new Error("no such thing");
  const throwing = ElfFile.parse(fixture("compressed"), {
    inflate: () => {
      throw cause;
    },
  });
  assert.throws(
    () => throwing.section(".debug_info")!.data,
    (error: Error) =>
      error instanceof ElfError && error.cause === cause && /no such thing/.test(error.message),
  );
  const short = ElfFile.parse(fixture("compressed"), { inflate: () => new Uint8Array(3) });
  assert.throws(() => short.section(".debug_info")!.data, isElfError("ELF_COMPRESSED"));
});

test("a section too short for its compression header is refused", () => {
  const file = fixture("compressed");
  const size = { at: headerOf(file, ".debug_info") + 32, bytes: le(23, 8) };
  const elf = ElfFile.parse(patched(file, size), { inflate });
  assert.throws(() => elf.section(".debug_info")!.data, isElfError("ELF_TRUNCATED"));
});

test("an inflated size past 2^53 is refused", () => {
  const own = fixture("compressed");
  const { offset } = ElfFile.parse(own).section(".debug_info")!;
  const elf = ElfFile.parse(patched(own, { at: offset + 8, bytes: le(2n ** 63n, 8) }), { inflate });
  assert.throws(() => elf.section(".debug_info")!.data, isElfError("ELF_RANGE"));

  const old = fixture("compressed-gnu");
  const { offset: at } = ElfFile.parse(old).section(".zdebug_info")!;
  const gnu = ElfFile.parse(patched(old, { at: at + 4, bytes: [0xff] }), { inflate });
  assert.throws(() => gnu.section(".zdebug_info")!.data, isElfError("ELF_RANGE"));
});

test("a .zdebug_ section without the magic number is not compressed", () => {
  const file = fixture("compressed-gnu");
  const { offset, size } = ElfFile.parse(file).section(".zdebug_info")!;
  const section = ElfFile.parse(patched(file, { at: offset, bytes: [0] })).section(".zdebug_info")!;
  assert.is(section.compressed, false);
  assert.is(section.data.length, size);
});

test("tables that say they are compressed are not read", () => {
  const file = fixture("x86-64");
  const compressed = (name: string) =>
    patched(file, { at: headerOf(file, name) + 8, bytes: le(SectionFlag.COMPRESSED, 8) });
  assert.throws(() => ElfFile.parse(compressed(".symtab")).symbols, isElfError("ELF_COMPRESSED"));
  assert.throws(() => ElfFile.parse(compressed(".strtab")).symbols, isElfError("ELF_COMPRESSED"));
  const elf = ElfFile.parse(compressed(".rela.text"));
  assert.throws(() => elf.relocations(elf.section(".text")!), isElfError("ELF_COMPRESSED"));
});

function isElfError(code: string) {
  return (error: unknown) => error instanceof ElfError && error.code === code;
}

test.run();

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ElfError, type ElfErrorCode, ElfFile } from "./index.js";
import { fixture, fixtureNames, le, patched, readAll } from "./testing/fixtures.js";

const test = suite("malformed files");
const file = fixture("x86-64");
/** Offsets in fixtures/x86-64.o, from `readelf -hSW`. */
const section = (index: number) => 816 + index * 64;
const symbol = (index: number) => 0x108 + index * 24;

const cases: [name: string, code: ElfErrorCode, bytes: Uint8Array][] = [
  ["an empty file", "ELF_TRUNCATED", new Uint8Array(0)],
  ["a file of 24 bytes", "ELF_TRUNCATED", file.slice(0, 24)],
  [
    "a file that is something else",
    "ELF_MAGIC",
    new TextEncoder().encode("#!/bin/sh\necho not an ELF file\n"),
  ],
  ["an unknown class", "ELF_MAGIC", patched(file, { at: 4, bytes: [3] })],
  ["an unknown byte order", "ELF_MAGIC", patched(file, { at: 5, bytes: [0] })],
  ["an unknown version", "ELF_MAGIC", patched(file, { at: 6, bytes: [2] })],
  ["a header that is too short", "ELF_ENTRY_SIZE", patched(file, { at: 52, bytes: le(8, 2) })],
  ["section headers of size 0", "ELF_ENTRY_SIZE", patched(file, { at: 58, bytes: le(0, 2) })],
  ["section headers past the end", "ELF_TRUNCATED", patched(file, { at: 40, bytes: le(file.length, 8) })],
  ["section headers at 2^64 - 64", "ELF_RANGE", patched(file, { at: 40, bytes: le(2n ** 64n - 64n, 8) })],
  ["section headers at 2^53 - 1", "ELF_TRUNCATED", patched(file, { at: 40, bytes: le(2n ** 53n - 1n, 8) })],
  ["more section headers than fit", "ELF_TRUNCATED", patched(file, { at: 60, bytes: le(0xfeff, 2) })],
  [
    "2^53 - 1 sections by section 0",
    "ELF_TRUNCATED",
    patched(file, { at: 60, bytes: le(0, 2) }, { at: section(0) + 32, bytes: le(2n ** 53n - 1n, 8) }),
  ],
  ["names in a section that does not exist", "ELF_RANGE", patched(file, { at: 62, bytes: le(11, 2) })],
  ["names in a section that holds none", "ELF_STRING", patched(file, { at: 62, bytes: le(2, 2) })],
  ["a string table without its last NUL", "ELF_STRING", patched(file, { at: 0x2a0 + 0x8b - 1, bytes: [65] })],
  ["a section name outside its table", "ELF_STRING", patched(file, { at: section(2), bytes: le(0x8b, 4) })],
  [
    "a section that ends outside the file",
    "ELF_TRUNCATED",
    patched(file, { at: section(2) + 32, bytes: le(file.length, 8) }),
  ],
  [
    "a section whose offset and size overflow 32 bits",
    "ELF_TRUNCATED",
    patched(file, { at: section(2) + 24, bytes: [...le(0xffff_ffff, 8), ...le(2, 8)] }),
  ],
  [
    "a section whose offset and size overflow 64 bits",
    "ELF_RANGE",
    patched(file, { at: section(2) + 24, bytes: [...le(2n ** 64n - 1n, 8), ...le(2, 8)] }),
  ],
  [
    "sections that all cover the whole file",
    "ELF_LIMIT",
    patched(
      file,
      ...[2, 4, 5].map((i) => ({ at: section(i) + 24, bytes: [...le(0, 8), ...le(file.length, 8)] })),
    ),
  ],
  [
    "program headers past the end",
    "ELF_TRUNCATED",
    patched(
      file,
      { at: 32, bytes: le(file.length, 8) },
      { at: 54, bytes: le(56, 2) },
      { at: 56, bytes: le(1, 2) },
    ),
  ],
  ["program headers of size 0", "ELF_ENTRY_SIZE", patched(file, { at: 56, bytes: le(1, 2) })],
];
for (const [name, code, bytes] of cases) {
  test(`${name}: ${code}`, () => assert.throws(() => ElfFile.parse(bytes), isElfError(code)));
}

const tables: [name: string, code: ElfErrorCode, bytes: Uint8Array][] = [
  ["symbols of size 0", "ELF_ENTRY_SIZE", patched(file, { at: section(10) + 56, bytes: le(0, 8) })],
  [
    "a symbol table with half an entry",
    "ELF_ENTRY_SIZE",
    patched(file, { at: section(10) + 32, bytes: le(0xec, 8) }),
  ],
  ["a symbol table without names", "ELF_RANGE", patched(file, { at: section(10) + 40, bytes: le(99, 4) })],
  [
    "a symbol table that takes names from code",
    "ELF_STRING",
    patched(file, { at: section(10) + 40, bytes: le(2, 4) }),
  ],
  [
    "a symbol name outside its table",
    "ELF_STRING",
    patched(file, { at: symbol(3), bytes: le(0xffff_ffff, 4) }),
  ],
  [
    "a symbol in a section that does not exist",
    "ELF_RANGE",
    patched(file, { at: symbol(3) + 6, bytes: le(11, 2) }),
  ],
  [
    "an extended index without a table of them",
    "ELF_RANGE",
    patched(file, { at: symbol(3) + 6, bytes: le(0xffff, 2) }),
  ],
];
for (const [name, code, bytes] of tables) {
  test(`${name}: ${code}`, () => assert.throws(() => ElfFile.parse(bytes).symbols, isElfError(code)));
}

const relocations: [name: string, code: ElfErrorCode, bytes: Uint8Array][] = [
  ["relocations of size 0", "ELF_ENTRY_SIZE", patched(file, { at: section(3) + 56, bytes: le(0, 8) })],
  [
    "a relocation against a symbol that does not exist",
    "ELF_RANGE",
    patched(file, { at: 0x1f8 + 12, bytes: le(10, 4) }),
  ],
  [
    "relocations whose symbols are in no symbol table",
    "ELF_RANGE",
    patched(file, { at: section(3) + 40, bytes: le(2, 4) }),
  ],
];
for (const [name, code, bytes] of relocations) {
  test(`${name}: ${code}`, () => {
    const elf = ElfFile.parse(bytes);
    assert.throws(() => elf.relocations(elf.section(".text")!), isElfError(code));
  });
}

test("names that share their tails without bound are refused before they fill the memory", () => {
  // A string table of one long name; ten thousand symbols, each with the name from another byte on.
  const count = 10_000;
  const names = 64 + 20_000;
  const symbols = names + count * 24;
  const bytes = new Uint8Array(symbols + 3 * 64);
  bytes.set(file.subarray(0, 64));
  bytes.set([...le(symbols, 8)], 40);
  bytes.set([...le(64, 2), ...le(3, 2), ...le(0, 2)], 58);
  bytes.fill(65, 64, names - 1);
  for (let i = 0; i < count; i++) bytes.set(le(i, 4), names + i * 24);
  bytes.set(
    [...le(0, 4), ...le(3, 4), ...le(0, 8), ...le(0, 8), ...le(64, 8), ...le(20_000, 8)],
    symbols + 64,
  );
  bytes.set(
    [...le(0, 4), ...le(2, 4), ...le(0, 8), ...le(0, 8), ...le(names, 8), ...le(count * 24, 8), ...le(1, 4)],
    symbols + 128,
  );
  bytes.set(le(24, 8), symbols + 128 + 56);
  const elf = ElfFile.parse(bytes);
  assert.is(elf.symbols.length, count - 1);
  assert.throws(() => elf.symbols.map((each) => each.name), isElfError("ELF_LIMIT"));
});

test("symbol tables that all take their names from one string table cannot ask for it again and again", () => {
  // 500 tables of two symbols each, whose names are the whole table but for a few bytes.
  const [tables, length] = [500, 20_000];
  const symbols = 64 + length;
  const headers = symbols + tables * 48;
  const bytes = new Uint8Array(headers + (tables + 2) * 64);
  bytes.set(file.subarray(0, 64));
  bytes.set(le(headers, 8), 40);
  bytes.set([...le(64, 2), ...le(tables + 2, 2), ...le(0, 2)], 58);
  bytes.fill(65, 64, symbols - 1);
  const header = (index: number, type: number, offset: number, size: number, link: number) =>
    bytes.set(
      [
        ...le(0, 4),
        ...le(type, 4),
        ...le(0, 8),
        ...le(0, 8),
        ...le(offset, 8),
        ...le(size, 8),
        ...le(link, 4),
      ],
      headers + index * 64,
    );
  header(1, 3, 64, length, 0);
  for (let i = 0; i < tables; i++) {
    header(i + 2, 2, symbols + i * 48, 48, 1);
    bytes.set(le(24, 8), headers + (i + 2) * 64 + 56);
    bytes.set(le(i, 4), symbols + i * 48 + 24);
  }
  const elf = ElfFile.parse(bytes);
  assert.is(elf.symbols.length, tables);
  assert.throws(() => elf.symbols.map((each) => each.name), isElfError("ELF_LIMIT"));
});

test("an error says where in the file the trouble is", () => {
  const caught = catchElfError(() =>
    ElfFile.parse(patched(file, { at: section(2) + 32, bytes: le(file.length, 8) })),
  );
  assert.is(caught.offset, section(2) + 24);
  assert.match(caught.message, `(at byte ${section(2) + 24})`);
});

const originals = [...fixtureNames.map(fixture), new Uint8Array(readFileSync("/bin/true"))];
/** Numbers that overflow, wrap or lie at an edge. */
const numbers = fc.constantFrom(
  0n,
  1n,
  0x7fn,
  0xffn,
  0xff00n,
  0xfff1n,
  0xffffn,
  0x7fff_ffffn,
  0xffff_ffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
);
const edit = fc.oneof(
  fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => [...bytes]),
  }),
  fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.tuple(numbers, fc.constantFrom<2 | 4 | 8>(2, 4, 8)).map(([value, size]) => le(value, size)),
  }),
);
const mutation = fc.record({
  original: fc.nat(originals.length - 1),
  where: fc.constantFrom("header", "sections", "anywhere"),
  edits: fc.array(edit, { minLength: 1, maxLength: 6 }),
  cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 5 }),
});

test("a mutated file gives an ElfError or a file, never anything else", () => {
  fc.assert(
    fc.property(mutation, ({ original, where, edits, cut }) => {
      const bytes = originals[original]!.slice();
      // The section headers are at the end of all of these files.
      const [start, length] =
        where === "header" ? [0, 64] : where === "sections" ? [bytes.length - 900, 900] : [0, bytes.length];
      for (const { place, bytes: change } of edits) {
        const at = Math.max(0, Math.floor(start + place * (length - change.length)));
        bytes.set(change, Math.min(at, bytes.length - change.length));
      }
      const mutated = cut === null ? bytes : bytes.subarray(0, Math.floor(cut * bytes.length));
      try {
        readAll(ElfFile.parse(mutated));
      } catch (error) {
        if (!(error instanceof ElfError)) throw error;
        assert.ok(error.offset >= 0);
      }
    }),
    { numRuns: 5000 },
  );
});

test("bytes at random give an ElfError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
      const bytes = Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, ...tail]);
      try {
        readAll(ElfFile.parse(bytes));
      } catch (error) {
        if (!(error instanceof ElfError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

function isElfError(code: ElfErrorCode) {
  return (error: Error) => {
    assert.instance(error, ElfError);
    assert.is((error as ElfError).code, code, error.message);
    return true;
  };
}

function catchElfError(work: () => unknown): ElfError {
  try {
    work();
  } catch (error) {
    if (error instanceof ElfError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test.run();

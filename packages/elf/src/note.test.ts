import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ElfError, ElfFile, GnuNoteType, SectionType, SegmentType } from "./index.js";
import { le, patched } from "./testing/fixtures.js";

const test = suite("ElfFile.notes");

/** The file header of a 64-bit little-endian file with one program header and no section. */
const header = [
  ...[0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0],
  ...le(0, 8),
  ...[...le(2, 2), ...le(62, 2), ...le(1, 4)],
  ...[...le(0, 8), ...le(64, 8), ...le(0, 8), ...le(0, 4)],
  ...[...le(64, 2), ...le(56, 2), ...le(1, 2), ...le(64, 2), ...le(0, 2), ...le(0, 2)],
];

/** A file whose only segment holds these notes. */
function fileOfNotes(alignment: number, bytes: number[]): Uint8Array {
  const segment = [...le(SegmentType.NOTE, 4), ...le(4, 4), ...le(120, 8), ...le(0, 8), ...le(0, 8)];
  const sizes = [...le(bytes.length, 8), ...le(bytes.length, 8), ...le(alignment, 8)];
  return Uint8Array.from([...header, ...segment, ...sizes, ...bytes]);
}

const text = (value: string) => [...new TextEncoder().encode(value)];
const seen = (file: Uint8Array) =>
  ElfFile.parse(file).notes.map(({ name, type, description }) => [name, type, [...description]]);

test("name and contents are padded to four bytes", () => {
  const bytes = [...le(4, 4), ...le(3, 4), ...le(1, 4), ...text("GNU\0"), 1, 2, 3, 0];
  const second = [...le(6, 4), ...le(4, 4), ...le(7, 4), ...text("stapx\0"), 0, 0, 9, 8, 7, 6];
  for (const alignment of [0, 1, 4]) {
    assert.equal(seen(fileOfNotes(alignment, [...bytes, ...second])), [
      ["GNU", 1, [1, 2, 3]],
      ["stapx", 7, [9, 8, 7, 6]],
    ]);
  }
});

test("name and contents are padded to eight bytes where the segment is aligned so", () => {
  // 12 + 6 bytes of header and name are padded to 24.
  const bytes = [...le(6, 4), ...le(2, 4), ...le(5, 4), ...text("Linux\0"), ...le(0, 4), 0, 0, 4, 2];
  assert.equal(seen(fileOfNotes(8, [...bytes, ...le(0, 4), 0, 0, ...bytes])), [
    ["Linux", 5, [4, 2]],
    ["Linux", 5, [4, 2]],
  ]);
});

test("a name may be empty, or lack its NUL, and the last padding may be missing", () => {
  assert.equal(seen(fileOfNotes(4, [...le(0, 4), ...le(1, 4), ...le(2, 4), 77])), [["", 2, [77]]]);
  assert.equal(seen(fileOfNotes(4, [...le(3, 4), ...le(0, 4), ...le(2, 4), ...text("abc")])), [
    ["abc", 2, []],
  ]);
});

const broken: [name: string, code: string, file: Uint8Array][] = [
  ["half a header", "ELF_NOTE", fileOfNotes(4, le(4, 8))],
  ["a name of 2^32 - 1 bytes", "ELF_NOTE", fileOfNotes(4, [...le(0xffff_ffff, 4), ...le(0, 8)])],
  [
    "contents of 2^32 - 1 bytes",
    "ELF_NOTE",
    fileOfNotes(4, [...le(0, 4), ...le(0xffff_ffff, 4), ...le(0, 4)]),
  ],
  ["contents past the end", "ELF_NOTE", fileOfNotes(4, [...le(0, 4), ...le(5, 4), ...le(1, 4), ...le(0, 4)])],
  ["an alignment of 3", "ELF_NOTE", fileOfNotes(16, [...le(0, 8), ...le(1, 4)])],
  ["a segment past the end", "ELF_TRUNCATED", fileOfNotes(4, le(0, 8)).subarray(0, 125)],
];
for (const [name, code, file] of broken) {
  test(`${name}: ${code}`, () => {
    const elf = ElfFile.parse(file);
    assert.throws(
      () => elf.notes,
      (error: unknown) => error instanceof ElfError && error.code === code && error.offset >= 64,
    );
  });
}

test("sections are asked before segments, and segments where there are no sections", () => {
  const file = new Uint8Array(readFileSync("/bin/true"));
  const bySection = ElfFile.parse(file);
  assert.ok(bySection.notes.length > 0);
  const stripped = ElfFile.parse(
    patched(file, { at: 40, bytes: le(0, 8) }, { at: 60, bytes: le(0, 2) }, { at: 62, bytes: le(0, 2) }),
  );
  assert.equal(
    stripped.notes.map(({ name, type, offset }) => [name, type, offset]),
    bySection.notes.map(({ name, type, offset }) => [name, type, offset]),
  );
});

test("the build ID is found, as a view of the file", () => {
  const file = new Uint8Array(readFileSync("/bin/true"));
  const { buildId, notes } = ElfFile.parse(file);
  assert.is(buildId?.length, 20);
  assert.is(buildId?.buffer, file.buffer);
  assert.ok(notes.some(({ name, type }) => name === "GNU" && type === GnuNoteType.ABI_TAG));
});

test("what is not of type NOTE holds no notes", () => {
  const elf = ElfFile.parse(new Uint8Array(readFileSync("/bin/true")));
  const load = elf.segments.find(({ type }) => type === SegmentType.LOAD)!;
  const code = elf.sections.find(({ type }) => type === SectionType.PROGBITS)!;
  for (const part of [load, code]) assert.throws(() => elf.notesOf(part), /holds no notes/);
});

test("segments that all hold the same notes are refused", () => {
  const one = fileOfNotes(4, [...le(0, 8), ...le(1, 4)]);
  const segments = Array.from({ length: 50 }, () => [...one.subarray(64, 120)]).flat();
  const file = Uint8Array.from([...header, ...segments]);
  file.set(le(50, 2), 56);
  for (let i = 0; i < 50; i++)
    file.set([...le(0, 8), ...le(0, 8), ...le(0, 8), ...le(2800, 8)], 64 + i * 56 + 8);
  assert.throws(() => ElfFile.parse(file).notes, /larger than the file/);
});

test.run();

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ElfFile,
  type ElfRelocation,
  type ElfSection,
  type ElfSegment,
  type ElfSymbol,
  SectionFlag,
  SectionIndex,
  SectionType,
  SegmentType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "./index.js";
import { type Readelf, readelf } from "./testing/readelf.js";

const test = suite("ElfFile beside readelf");
const root = fileURLToPath(new URL("../../..", import.meta.url));

/** How many bytes of files one run of readelf is asked about: it prints up to as much again. */
const BATCH = 32 << 20;

/** The ELF files below a folder, symbolic links left out: they lead to files that are listed themselves. */
function elfFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size >= 4 && isElf(path))
    .sort();
}

function isElf(path: string): boolean {
  return readFileSync(path).subarray(0, 4).equals(Buffer.from("\x7fELF"));
}

function* batches(paths: string[]): IterableIterator<string[]> {
  let batch: string[] = [];
  let size = 0;
  for (const path of paths) {
    batch.push(path);
    size += statSync(path).size;
    if (size >= BATCH) {
      yield batch;
      [batch, size] = [[], 0];
    }
  }
  if (batch.length > 0) yield batch;
}

const hex = (value: number | bigint, width = 1) => value.toString(16).padStart(width, "0");
const nameOf = (table: Record<string, number>, value: number) =>
  Object.keys(table).find((name) => table[name] === value);

/** Looks at everything that both know, and gives the number of records compared. */
function compare(path: string, seen: Readelf): number {
  const elf = ElfFile.parse(readFileSync(path));
  compareHeader(elf, seen);
  const sections = seen.sections.filter((line) => /^ {2}\[ *\d/.test(line));
  same("sections", elf.sections, sections, sectionText, sectionLine);
  const segments = seen.segments.filter((line) => / 0x[0-9a-f]+ 0x/.test(line));
  same("segments", elf.segments, segments, segmentText, segmentLine);
  let count = elf.sections.length + elf.segments.length;

  const tables = elf.sections.filter(
    ({ type }) => type === SectionType.SYMTAB || type === SectionType.DYNSYM,
  );
  const shown = tables.filter((section) => section.size > 0);
  assert.equal(
    seen.symbols.map(({ table }) => table),
    shown.map(({ name }) => name),
  );
  seen.symbols.forEach(({ table, lines }, i) => {
    const symbols = elf.symbolTable(shown[i]!);
    same(table, symbols, lines.slice(1), symbolText, symbolLine, isSameSymbol);
    count += symbols.length;
  });

  const relocated = elf.sections.filter(
    ({ type, size }) => size > 0 && (type === SectionType.REL || type === SectionType.RELA),
  );
  // RELR, which packs the relative relocations of a linked file into bitmaps, is beyond this parser.
  const packed = elf.sections.filter(({ type }) => type === SectionType.RELR).map(({ offset }) => offset);
  const unpacked = seen.relocations.filter(({ offset }) => !packed.includes(offset));
  assert.equal(
    unpacked.map(({ offset }) => offset),
    relocated.map(({ offset }) => offset),
  );
  unpacked.forEach(({ lines }, i) => {
    const relocations = elf.relocations(relocated[i]!);
    // 64-bit MIPS takes two more lines for its second and third kind, which are in the first line's info as well.
    const own = lines.slice(1).filter((line) => !/^ {10}/.test(line));
    const width = elf.header.class / 4;
    same(relocated[i]!.name, relocations, own, (r) => relocationText(r, width), relocationLine);
    count += relocations.length;
  });

  const noted = seen.notes.flatMap(({ lines }) =>
    lines.filter((line) => /\t/.test(line) && /0x[0-9a-f]{8}\t/.test(line)),
  );
  same(
    "notes",
    elf.notes,
    noted,
    (note) => `${note.name} ${hex(note.description.length)}`,
    (line) => line.trim().replace(/^(\S*) +0x0*([0-9a-f]+)\t.*/, "$1 $2"),
  );
  const buildId = seen.notes.flatMap(({ lines }) => lines).find((line) => line.includes("Build ID: "));
  assert.is(elf.buildId && Buffer.from(elf.buildId).toString("hex"), buildId?.replace(/.*Build ID: /, ""));
  return count + elf.notes.length;
}

/** Compares two lists item by item, and says what differs. */
function same<T>(
  what: string,
  items: readonly T[],
  lines: readonly string[],
  text: (item: T) => string,
  normal: (line: string) => string,
  equal: (item: T, wanted: string) => boolean = (item, wanted) => text(item) === wanted,
): void {
  assert.is(items.length, lines.length, `${what}: ${items.length} instead of ${lines.length}`);
  items.forEach((item, i) => {
    const wanted = normal(lines[i]!);
    if (!equal(item, wanted)) assert.is(text(item), wanted, `${what}, ${i}: readelf has "${lines[i]}"`);
  });
}

function compareHeader({ header }: ElfFile, seen: Readelf): void {
  const number = (name: string) => Number.parseInt(seen.header.get(name) ?? "", 10);
  const data = header.littleEndian ? "little endian" : "big endian";
  assert.is(seen.header.get("Class"), `ELF${header.class}`);
  assert.is(seen.header.get("Data"), `2's complement, ${data}`);
  assert.is(seen.header.get("Entry point address"), `0x${hex(header.entry)}`);
  assert.is(number("Start of program headers"), header.segmentOffset);
  assert.is(number("Start of section headers"), header.sectionOffset);
  assert.is(number("ABI Version"), header.abiVersion);
  assert.is(seen.header.get("Flags")?.split(",")[0], `0x${hex(header.flags)}`);
}

const flagLetters: [number, string][] = [
  [SectionFlag.ALLOC, "A"],
  [SectionFlag.COMPRESSED, "C"],
  [SectionFlag.GROUP, "G"],
  [SectionFlag.INFO_LINK, "I"],
  [SectionFlag.LINK_ORDER, "L"],
  [SectionFlag.MERGE, "M"],
  [SectionFlag.STRINGS, "S"],
  [SectionFlag.TLS, "T"],
  [SectionFlag.WRITE, "W"],
  [SectionFlag.EXECINSTR, "X"],
];

/** Names that readelf shortens, or spells out. */
const shownTypes: Record<string, string> = {
  GNU_VERDEF: "VERDEF",
  GNU_VERNEED: "VERNEED",
  GNU_VERSYM: "VERSYM",
  SYMTAB_SHNDX: "SYMTAB SECTION INDICES",
};

function sectionText(section: ElfSection): string {
  const type = nameOf(SectionType, section.type);
  const flags = flagLetters.filter(([bit]) => section.flags & bit).map(([, letter]) => letter);
  const numbers = [section.address, section.offset, section.size, section.entrySize].map((n) => hex(n));
  const rest = [section.link, section.info, section.alignment];
  const shown = type === undefined ? "?" : (shownTypes[type] ?? type);
  return [section.index, section.name, shown, ...numbers, flags.join(""), ...rest].join(" ");
}

function sectionLine(line: string): string {
  const fields =
    /^ {2}\[ *(\d+)\] (.*?) +(SYMTAB SECTION INDICES|\S+) +([0-9a-f]{8,16}) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) +([A-Za-z]*) +(\d+) +(\d+) +(\d+)$/.exec(
      line,
    );
  if (!fields) return line;
  const [, index, name, type, ...rest] = fields;
  const numbers = rest.slice(0, 4).map((digits) => hex(BigInt(`0x${digits}`)));
  const flags = flagLetters.map(([, letter]) => letter).filter((letter) => rest[4]!.includes(letter));
  const known = [...Object.keys(SectionType), ...Object.values(shownTypes)].includes(type!);
  return [index, name, known ? type : "?", ...numbers, flags.join(""), ...rest.slice(5)].join(" ");
}

function segmentText(segment: ElfSegment): string {
  const numbers = [
    segment.offset,
    segment.address,
    segment.physicalAddress,
    segment.fileSize,
    segment.memorySize,
  ].map((n) => hex(n));
  const flags = [segment.flags & 4 ? "R" : "", segment.flags & 2 ? "W" : "", segment.flags & 1 ? "E" : ""];
  const type = nameOf(SegmentType, segment.type) ?? "?";
  return [type, ...numbers, flags.join(""), hex(segment.alignment)].join(" ");
}

function segmentLine(line: string): string {
  const fields = /^ {2}(\S+) +0x(\S+) 0x(\S+) 0x(\S+) 0x(\S+) 0x(\S+) ([RWE ]+) +0x([0-9a-f]+)$/.exec(line);
  // An alignment of 0 is printed without 0x.
  const aligned = fields ?? /^ {2}(\S+) +0x(\S+) 0x(\S+) 0x(\S+) 0x(\S+) 0x(\S+) ([RWE ]+) +(0)$/.exec(line);
  if (!aligned) return line;
  const [, type, ...rest] = aligned;
  const numbers = rest.slice(0, 5).map((digits) => hex(BigInt(`0x${digits}`)));
  const known = type! in SegmentType ? type : "?";
  return [known, ...numbers, rest[5]!.replaceAll(" ", ""), hex(BigInt(`0x${rest[6]}`))].join(" ");
}

/** readelf's own words for indexes, kinds and bindings. */
const shownIndexes: Record<number, string> = {
  [SectionIndex.UNDEF]: "UND",
  [SectionIndex.ABS]: "ABS",
  [SectionIndex.COMMON]: "COM",
};
const shownSymbolTypes = new Map(
  Object.entries(SymbolType).map(([name, value]) => [value as number, name === "GNU_IFUNC" ? "IFUNC" : name]),
);
const shownBindings = new Map(
  Object.entries(SymbolBinding).map(([name, value]) => [
    value as number,
    name === "GNU_UNIQUE" ? "UNIQUE" : name,
  ]),
);
const shownVisibilities = Object.keys(SymbolVisibility);

function symbolText(symbol: ElfSymbol): string {
  const name = symbol.type === SymbolType.SECTION && symbol.name === "" ? symbol.section!.name : symbol.name;
  return [
    symbol.index,
    hex(symbol.value),
    symbol.size,
    shownSymbolTypes.get(symbol.type) ?? "?",
    shownBindings.get(symbol.binding) ?? "?",
    shownVisibilities[symbol.visibility],
    shownIndexes[symbol.sectionIndex] ?? symbol.sectionIndex,
    Buffer.from(name).toString("latin1"),
  ].join(" ");
}

/** What only GNU/Linux has is shown by number in files whose header says System V; as type, and as binding. */
const osSpecific = "<OS specific>: 10";

function symbolLine(line: string): string {
  if (line.includes(osSpecific)) {
    const binding = / (?:GLOBAL|LOCAL|WEAK) /.test(line) ? "IFUNC" : "UNIQUE";
    return symbolLine(line.replace(osSpecific, binding));
  }
  const fields =
    /^ +(\d+): ([0-9a-f]+) +(\d+|0x[0-9a-f]+) (\S+) +(\S+) +(\S+) +(?:\[.*\] +)?(\S+) (.*)$/.exec(line);
  if (!fields) return line;
  const [, index, value, size, type, binding, visibility, section, name] = fields;
  return [index, hex(BigInt(`0x${value}`)), BigInt(size!), type, binding, visibility, section, name].join(
    " ",
  );
}

/** A dynamic symbol's name is shown with its version behind it, and that with its number. */
function isSameSymbol(symbol: ElfSymbol, wanted: string): boolean {
  const own = symbolText(symbol);
  return wanted === own || (wanted.startsWith(own) && wanted[own.length] === "@");
}

function relocationText(relocation: ElfRelocation, width: number): string {
  const symbol = relocation.symbol?.index ?? 0;
  const info = width === 16 ? hex(symbol) + hex(relocation.type, 8) : hex(symbol) + hex(relocation.type, 2);
  const { addend } = relocation;
  const text = addend === undefined ? "" : addend < 0n ? `-${hex(-addend)}` : hex(addend);
  return `${hex(relocation.offset)} ${info.replace(/^0+(?=.)/, "")} ${text}`;
}

function relocationLine(line: string): string {
  const fields = /^([0-9a-f]+) +([0-9a-f]+) \S+(.*)$/.exec(line);
  if (!fields) return line;
  const [, offset, info, rest] = fields;
  // "value name + addend", "value name", "addend" or nothing
  const addend = / ([+-]) ([0-9a-f]+)$/.exec(rest!);
  const alone = /^ +(-?)([0-9a-f]+)$/.exec(rest!);
  const text = addend ? (addend[1] === "-" ? "-" : "") + addend[2] : alone ? alone[1]! + alone[2]! : "";
  return `${offset!.replace(/^0+(?=.)/, "")} ${info!.replace(/^0+(?=.)/, "")} ${text}`;
}

function compareAll(paths: string[]): { files: number; records: number } {
  let records = 0;
  for (const batch of batches(paths)) {
    readelf(batch).forEach((seen, i) => {
      try {
        records += compare(batch[i]!, seen);
      } catch (error) {
        (error as Error).message = `${batch[i]}: ${(error as Error).message}`;
        throw error;
      }
    });
  }
  return { files: paths.length, records };
}

test("every ELF file in the system's library folder is read as readelf reads it", () => {
  const folder = ["x86_64", "aarch64"]
    .map((name) => `/usr/lib/${name}-linux-gnu`)
    .find((path) => statSync(path, { throwIfNoEntry: false }));
  const { files, records } = compareAll(elfFiles(folder!));
  console.log(`${files} files, ${records} records`);
  assert.ok(files > 100 && records > 100_000, `only ${files} files with ${records} records`);
});

test("objects of both classes and byte orders, and BPF objects, are read as readelf reads them", () => {
  const paths = ["packages/elf/fixtures", "packages/bpf-loader/fixtures", "bpf"].flatMap((folder) =>
    elfFiles(join(root, folder)),
  );
  assert.ok(compareAll(paths).files > 12);
});

test.run();

import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ElfFile, type ElfSection, type ElfSymbol, SectionType, SegmentType, SymbolType } from "@weir/elf";
import { errno, SystemError } from "@weir/syscall";

const triplets: Record<string, string> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
  riscv64: "riscv64-linux-gnu",
  ppc64: "powerpc64le-linux-gnu",
  s390x: "s390x-linux-gnu",
  loong64: "loongarch64-linux-gnu",
};

/**
 * The path of an executable or a library. A name without a slash is looked for as the system would: libraries (with
 * ".so" in the name) in LD_LIBRARY_PATH and the usual folders, programs in PATH. Throws SystemError (ENOENT).
 */
export function resolveBinary(name: string): string {
  if (name.includes("/")) return name;
  const isLibrary = /\.so(\.|$)/.test(name);
  const folders = isLibrary
    ? [...listed("LD_LIBRARY_PATH"), ...libraryFolders()]
    : [...listed("PATH"), "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found) return found;
  throw new SystemError({
    errno: errno.ENOENT!,
    syscall: "open",
    action: `find ${name}`,
    hint: `It is in none of ${folders.join(", ")}; give its path.`,
  });
}

/** Where in a file a function begins: "malloc", or "foo@VERS_2" if there are several. Throws SystemError where it does not. */
export function symbolOffset(path: string, symbol: string): number {
  const elf = ElfFile.parse(readBinary(path));
  const [first] = find(elf, (section) => symbolsNamed(elf, section, symbol));
  if (first) return first.offset;
  throw notFound(path, symbol);
}

/** Where in a file the functions begin whose names are wanted; each place once. Throws SystemError if none is. */
export function symbolOffsets(
  path: string,
  wanted: (name: string) => boolean,
  what: string,
): { name: string; offset: number }[] {
  const elf = ElfFile.parse(readBinary(path));
  const found = find(elf, (section) =>
    elf.symbolTable(section).filter(({ name }) => wanted(name) || wanted(name.replace(/@.*/, ""))),
  );
  if (found.length > 0) return found;
  throw notFound(path, what);
}

/** The places of functions: of those that the file exports, or if there are none, of those that it names for debuggers. */
function find(
  elf: ElfFile,
  candidates: (section: ElfSection) => Iterable<ElfSymbol>,
): { name: string; offset: number }[] {
  const found = new Map<number, string>();
  for (const type of [SectionType.DYNSYM, SectionType.SYMTAB]) {
    for (const section of elf.sections.filter((candidate) => candidate.type === type)) {
      for (const symbol of candidates(section)) {
        if (symbol.type !== SymbolType.FUNC || symbol.sectionIndex === 0) continue;
        const offset = fileOffset(elf, symbol.value);
        if (offset !== undefined && !found.has(offset)) found.set(offset, symbol.name);
      }
    }
    if (found.size > 0) break;
  }
  return [...found].map(([offset, name]) => ({ name, offset }));
}

/**
 * The symbols of one name, with or without a version. An executable has hundreds of thousands of symbols, whose names
 * would take seconds to read: this looks for the name among the strings, and then for whom it belongs to.
 */
function* symbolsNamed(elf: ElfFile, section: ElfSection, wanted: string): Generator<ElfSymbol> {
  const strings = elf.sections[section.link]?.data;
  if (!strings) return;
  const text = Buffer.from(strings.buffer, strings.byteOffset, strings.length);
  const places = new Set<number>();
  for (const needle of [`${wanted}\0`, `${wanted}@`]) {
    for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) places.add(at);
  }
  if (places.size === 0) return;
  const { data } = section;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const size = elf.header.class === 64 ? 24 : 16;
  const table = elf.symbolTable(section);
  for (let index = 0; index < table.length; index++) {
    if (places.has(view.getUint32(index * size, elf.header.littleEndian))) yield table[index]!;
  }
}

function notFound(path: string, what: string): SystemError {
  return new SystemError({
    errno: errno.ENOENT!,
    syscall: "none",
    action: `find the function ${what} in ${path}`,
    hint: 'See "readelf -sW" for the functions that it names; a stripped file names only those that it exports.',
  });
}

function fileOffset(elf: ElfFile, address: bigint): number | undefined {
  const segment = elf.segments.find(
    ({ type, address: begin, fileSize }) =>
      type === SegmentType.LOAD && address >= begin && address < begin + BigInt(fileSize),
  );
  return segment && Number(address - segment.address) + segment.offset;
}

function readBinary(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new SystemError({
      errno: Math.abs((error as NodeJS.ErrnoException).errno ?? errno.EINVAL!),
      syscall: "open",
      action: `read ${path} for its symbols`,
      cause: error,
    });
  }
}

function listed(variable: string): string[] {
  return process.env[variable]?.split(delimiter).filter((folder) => folder !== "") ?? [];
}

function libraryFolders(): string[] {
  const triplet = triplets[process.arch];
  return [
    ...(triplet ? [`/lib/${triplet}`, `/usr/lib/${triplet}`] : []),
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
  ];
}

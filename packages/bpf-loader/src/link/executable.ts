import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ElfFile, type ElfSymbol, SectionType, SegmentType, SymbolType } from "@weir/elf";
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

/** Where in a file a function begins. Throws SystemError where it does not. */
export function symbolOffset(path: string, symbol: string): number {
  const [offset] = symbolOffsets(path, (name) => name === symbol, symbol);
  return offset!.offset;
}

/** Where in a file the functions begin whose names are wanted; each place once. Throws SystemError if none is. */
export function symbolOffsets(
  path: string,
  wanted: (name: string) => boolean,
  what: string,
): { name: string; offset: number }[] {
  const elf = ElfFile.parse(readBinary(path));
  const found = new Map<number, string>();
  // Names of versions ("foo@VERS_2") are part of the names of .symtab alone. Like libbpf, .symtab comes second: a
  // stripped library has none, and an unstripped one names private functions there.
  for (const type of [SectionType.DYNSYM, SectionType.SYMTAB]) {
    for (const section of elf.sections.filter((candidate) => candidate.type === type)) {
      for (const entry of elf.symbolTable(section)) {
        if (!isFunction(entry)) continue;
        if (!wanted(entry.name) && !wanted(entry.name.replace(/@.*/, ""))) continue;
        const offset = fileOffset(elf, entry.value);
        if (offset !== undefined && !found.has(offset)) found.set(offset, entry.name);
      }
    }
    // A name that is exported is meant before one that is private.
    if (found.size > 0) break;
  }
  if (found.size === 0) {
    throw new SystemError({
      errno: errno.ENOENT!,
      syscall: "none",
      action: `find the function ${what} in ${path}`,
      hint: 'See "readelf -sW" for the functions that it names; a stripped file names only those that it exports.',
    });
  }
  return [...found].map(([offset, name]) => ({ name, offset }));
}

function isFunction(symbol: ElfSymbol): boolean {
  return symbol.type === SymbolType.FUNC && symbol.sectionIndex !== 0;
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

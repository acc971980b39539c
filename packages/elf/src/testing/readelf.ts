import { spawnSync } from "node:child_process";

/** What `readelf -hSlsrnW` prints about one file, table by table; the cells are text as printed. */
export interface Readelf {
  readonly header: Map<string, string>;
  readonly sections: string[];
  readonly segments: string[];
  /** By the name of the symbol table, in the order of the file. */
  readonly symbols: { table: string; lines: string[] }[];
  /** By the offset of the relocation table in the file, as relocation tables need not have a name of their own. */
  readonly relocations: { offset: number; lines: string[] }[];
  readonly notes: { place: string; lines: string[] }[];
}

/** Runs readelf (binutils) on files, all in one process, and gives what it says of each, in their order. */
export function readelf(files: readonly string[]): Readelf[] {
  // A file that does not exist makes readelf print the name of each file even where there is only one.
  const { stdout, error } = spawnSync("readelf", ["-hSlsrnW", ...files, "/nonexistent"], {
    encoding: "latin1",
    maxBuffer: 2 ** 30,
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error) throw new Error(`readelf cannot be run (Debian package binutils): ${error.message}`);
  const parts = stdout.split(/^\nFile: .*\n/m);
  if (parts.length < files.length + 1)
    throw new Error(`readelf spoke of ${parts.length - 1} files instead of ${files.length}`);
  return parts.slice(1, files.length + 1).map(readPart);
}

function readPart(text: string): Readelf {
  const result: Readelf = {
    header: new Map(),
    sections: [],
    segments: [],
    symbols: [],
    relocations: [],
    notes: [],
  };
  // Where the lines of the table that is being read go.
  let lines: string[] | undefined;
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf("\n", start);
    if (end === -1) end = text.length;
    const line = text.slice(start, end);
    start = end + 1;
    if (line === "") {
      lines = undefined;
      continue;
    }
    const heading = line.startsWith(" ") ? undefined : headingOf(line, result);
    if (heading) lines = heading;
    else if (lines) lines.push(line);
    else if (line.startsWith("  ")) {
      const colon = line.indexOf(":");
      if (colon !== -1 && result.sections.length === 0)
        result.header.set(line.slice(2, colon), line.slice(colon + 1).trim());
    }
  }
  return result;
}

function headingOf(line: string, result: Readelf): string[] | undefined {
  if (line === "Section Headers:") return result.sections;
  if (line === "Program Headers:") return result.segments;
  if (line.startsWith("Key to Flags:")) return [];
  const symbols = /^Symbol table '(.*)' contains \d+ entr/.exec(line);
  if (symbols) return added(result.symbols, { table: symbols[1]!, lines: [] });
  const relocations = /^Relocation section '.*' at offset 0x([0-9a-f]+) contains \d+ entr/.exec(line);
  if (relocations)
    return added(result.relocations, { offset: Number.parseInt(relocations[1]!, 16), lines: [] });
  const notes = /^Displaying notes found in: (.*)/.exec(line);
  if (notes) return added(result.notes, { place: notes[1]!, lines: [] });
  return undefined;
}

function added<T extends { lines: string[] }>(list: T[], item: T): string[] {
  list.push(item);
  return item.lines;
}

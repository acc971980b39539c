import { existsSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { CommandError } from "../errors.js";
import { ownershipOf, replaceFile } from "./atomic-file.js";
import { type Conflist, checkServable, hasWeir, parseConflist, withoutWeir, withWeir } from "./conflist.js";

/** Which conflists a command is about. */
export interface ConflistChoice {
  /** The folder of CNI configurations. */
  readonly confDir: string;
  /** Files, given by path. */
  readonly conflist: readonly string[];
  /** Networks, looked for in the folder. */
  readonly network: readonly string[];
}

/** A change of a conflist that is yet to be made. */
export interface ConflistChange {
  readonly conflist: Conflist;
  /** What the file will hold. */
  readonly text: string;
  /** Where what it held before is kept, beside it, while weir is in it. */
  readonly backup: string;
}

/** Where a conflist's text before weir is kept. Runtimes look for .conflist, .conf and .json, and pass it over. */
export function backupOf(file: string): string {
  return `${file}.before-weir`;
}

/** The conflists that were chosen, once each. @throws CommandError for one that is not there, or no conflist */
export function chosenConflists(choice: ConflistChoice): Conflist[] {
  const named = choice.conflist.map(readConflist);
  const found = choice.network.map((network) => findNetwork(choice.confDir, network));
  const all = [...named, ...found];
  return all.filter(({ file }, index) => all.findIndex((one) => one.file === file) === index);
}

/** Every conflist of the folder that can be read, by file name, and why others cannot. */
export function scanConflists(confDir: string): { conflists: Conflist[]; problems: string[] } {
  const conflists: Conflist[] = [];
  const problems: string[] = [];
  for (const name of configurationFiles(confDir)) {
    try {
      conflists.push(readConflist(join(confDir, name)));
    } catch (error) {
      const { message, remedy = "" } = error as CommandError;
      problems.push(`${message}. ${remedy}`.trim());
    }
  }
  return { conflists, problems };
}

/** What adding weir changes. @throws CommandError where it cannot serve the network */
export function planAdding(conflist: Conflist): ConflistChange {
  checkServable(conflist);
  return { conflist, text: withWeir(conflist), backup: backupOf(conflist.file) };
}

/** What taking weir out changes: what was there before is restored byte for byte unless the file has changed since. */
export function planRemoving(conflist: Conflist): ConflistChange {
  const { file } = conflist;
  const backup = backupOf(file);
  const text = withoutWeir(conflist);
  if (!hasWeir(conflist) || !existsSync(backup)) return { conflist, text, backup };
  const before = readText(backup);
  return { conflist, text: sameJson(before, text) ? before : text, backup };
}

/** Writes what was there before beside the file, then the file. */
export function add({ conflist, text, backup }: ConflistChange): void {
  const { file, text: before } = conflist;
  const owner = ownershipOf(file);
  // A file that has had weir in it all along, and lacks its capability, keeps the backup that there is.
  const isNew = !hasWeir(conflist);
  if (isNew) replaceFile(backup, Buffer.from(before), owner);
  try {
    replaceFile(file, Buffer.from(text), owner, Buffer.from(before));
  } catch (error) {
    if (isNew) rmSync(backup, { force: true });
    throw error;
  }
}

/** Writes the file. */
export function takeOut({ conflist: { file, text: before }, text }: ConflistChange): void {
  replaceFile(file, Buffer.from(text), ownershipOf(file), Buffer.from(before));
}

/** Forgets what was there before. */
export function removeBackup({ backup }: ConflistChange): void {
  rmSync(backup, { force: true });
}

function findNetwork(confDir: string, network: string): Conflist {
  const names: string[] = [];
  for (const name of configurationFiles(confDir)) {
    const file = join(confDir, name);
    // Another network's file may be anything.
    const found = networkOf(file);
    if (found === network) return readConflist(file);
    if (found !== undefined) names.push(found);
  }
  throw new CommandError(
    `there is no network ${JSON.stringify(network)} in ${confDir}`,
    names.length === 0 ? "It configures none." : `It configures ${names.join(", ")}.`,
  );
}

function networkOf(file: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(file, "utf8")) as { name?: unknown };
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}

/** The files that runtimes read: libcni's ConfFiles. */
function configurationFiles(confDir: string): string[] {
  try {
    return readdirSync(confDir)
      .filter((name) => /\.(conf|conflist|json)$/.test(name))
      .sort();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new CommandError(`could not read ${confDir}: ${message}`);
  }
}

function readConflist(path: string): Conflist {
  let file: string;
  try {
    // Where it is a link, the file that it names is the one to change.
    file = realpathSync(path);
  } catch (error) {
    throw new CommandError(`could not read ${path}: ${(error as Error).message}`, "Is it mistyped?");
  }
  return parseConflist(file, readText(file));
}

function readText(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
  } catch (error) {
    throw new CommandError(`could not read ${file}: ${(error as Error).message}`);
  }
}

function sameJson(a: string, b: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(a), JSON.parse(b));
  } catch {
    return false;
  }
}

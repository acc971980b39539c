import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BpfMap, type BpfObject, BpfProgram, type BtfValue } from "@weir/bpf-loader";
import { ShaperError } from "./errors.js";

/** A program with its maps that is pinned once for all attachments of a node. */
export interface Installable {
  /** The program's file, such as "shape". */
  name: string;
  /** Grows with each change of the program; what a later version has pinned is never replaced by an earlier one's. */
  version: number;
  /** The object and the name of the program in it that this kernel can run. */
  parse(): { object: BpfObject; program: string };
  /** The maps whose contents go on where a new version lays them out anew. Others begin empty then. */
  carried: readonly string[];
  /** The maps of another program that this one reads: they are that one's to replace. */
  shared?: readonly string[];
}

/** The version whose program and maps are pinned in a folder; undefined where there is none. */
export function installedVersion(folder: string, { name }: Pick<Installable, "name">): number | undefined {
  if (!existsSync(join(folder, name))) return undefined;
  // What was pinned before there were versions, or was not finished.
  return Math.max(0, ...versions(folder, name));
}

/** Whether just this version is pinned and complete: one look at a file. */
export function isInstalled(
  folder: string,
  { name, version }: Pick<Installable, "name" | "version">,
): boolean {
  return existsSync(join(folder, marker(name, version)));
}

/**
 * Pins a program and its maps, in place of an earlier version's: first everything is loaded and pinned in a folder of
 * its own, with the state of those maps whose layout has changed copied into the new ones, and then renamed into place,
 * file by file. A process that dies before the renaming began leaves what was there; later, the next one completes it.
 * Maps of the same layout are kept as they are. To be called with the lock held.
 *
 * The version is an empty folder beside the pins, "shape_v1": it costs nothing to look at, and a rename makes it so.
 * @param swap makes whatever runs the old program run the new one, at once
 * @throws ShaperError STATE where a later version's is pinned
 */
export function install(folder: string, what: Installable, swap: (program: BpfProgram) => void): void {
  const { name, version } = what;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const staging = join(folder, `${name}_next`);
  const staged = versions(staging, name)[0];
  const found = Math.max(staged ?? 0, installedVersion(folder, what) ?? 0);
  if (found > version) throw isLater(folder, what, found);
  if (staged !== version) {
    removeFolder(staging);
    stage(folder, staging, what);
  }
  complete(folder, staging, what, swap);
}

/** That a later version than this one has been installed. */
export function isLater(folder: string, { name, version }: Installable, found: number): ShaperError {
  return new ShaperError(
    "STATE",
    `version ${found} of the program "${name}" is pinned in ${folder}, and this weir has version ${version}`,
    {
      remedy:
        "Use the later weir, which shapes the pods that run; to go back, remove every attachment with it, then the folder.",
    },
  );
}

function isForeign(folder: string, { name, version }: Installable, map: string): ShaperError {
  return new ShaperError(
    "STATE",
    `the map pinned at ${join(folder, map)}, which version ${version} of the program "${name}" reads, is laid out by another version of weir`,
    { remedy: "Apply an attachment's limits again with the latest weir, which brings both to its version." },
  );
}

/** Loads into the staging folder; the version's mark is made last, and says that all is there. */
function stage(folder: string, staging: string, what: Installable): void {
  mkdirSync(staging, { mode: 0o700 });
  const { object, program: name } = what.parse();
  const changed: string[] = [];
  for (const spec of object.maps) {
    if (spec.pinning !== "by_name" || !existsSync(join(folder, spec.name))) continue;
    try {
      using map = BpfMap.open(join(folder, spec.name), { like: spec });
      map.pin(join(staging, spec.name));
    } catch (error) {
      if ((error as { code?: string }).code !== "BPF_MAP_MISMATCH") throw error;
      if (what.shared?.includes(spec.name)) throw isForeign(folder, what, spec.name);
      changed.push(spec.name);
    }
  }
  using loaded = object.load({ programs: [name], pinPath: staging });
  for (const map of changed) {
    if (what.carried.includes(map)) carryOver(join(folder, map), join(staging, map));
  }
  loaded.program(name).pin(join(staging, what.name));
  mkdirSync(join(staging, marker(what.name, what.version)));
}

/** Renames what was staged into place. Done again, it goes on where it was cut short. */
function complete(
  folder: string,
  staging: string,
  { name, version }: Installable,
  swap: (program: BpfProgram) => void,
): void {
  for (const old of versions(folder, name)) rmdirSync(join(folder, marker(name, old)));
  const marked = marker(name, version);
  for (const file of readdirSync(staging)) {
    if (file !== name && file !== marked) renameSync(join(staging, file), join(folder, file));
  }
  if (existsSync(join(staging, name))) renameSync(join(staging, name), join(folder, name));
  {
    using program = BpfProgram.open(join(folder, name));
    swap(program);
  }
  renameSync(join(staging, marked), join(folder, marked));
  rmdirSync(staging);
}

/** Copies the elements of an array map into one of another layout, field by field of the same name. */
function carryOver(from: string, to: string): void {
  using source = BpfMap.open(from);
  using target = BpfMap.open(to);
  for (const [key, value] of source.entries()) {
    const fresh = target.get(key);
    if (fresh !== undefined) target.set(key, merged(fresh, value));
  }
}

/** The new value with all that the old one has under the same names. */
function merged(fresh: BtfValue, old: BtfValue): BtfValue {
  if (Array.isArray(fresh)) {
    if (!Array.isArray(old)) return fresh;
    return fresh.map((value, index) => (index < old.length ? merged(value, old[index]!) : value));
  }
  if (isStruct(fresh)) {
    if (!isStruct(old)) return fresh;
    const names = Object.keys(fresh);
    return Object.fromEntries(
      names.map((name) => [name, name in old ? merged(fresh[name]!, old[name]!) : fresh[name]!]),
    );
  }
  if (typeof fresh === "bigint" && typeof old === "number") return BigInt(old);
  return typeof fresh === typeof old ? old : fresh;
}

function isStruct(value: BtfValue): value is { [name: string]: BtfValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function marker(name: string, version: number): string {
  return `${name}_v${version}`;
}

/** The versions that are marked in a folder, the latest first. */
function versions(folder: string, name: string): number[] {
  try {
    const pattern = new RegExp(`^${name}_v(\\d+)$`);
    return readdirSync(folder)
      .flatMap((file) => pattern.exec(file)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error;
  }
}

function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

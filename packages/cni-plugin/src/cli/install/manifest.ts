import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** What scripts/bundle.mjs writes beside the files that it makes. */
export interface Manifest {
  /** A name for the files as they were built. */
  readonly build: string;
  /** SHA-256 of each file, by name. */
  readonly files: { readonly [name: string]: string };
  /** The version of Node.js that the code cache was made for where it was installed; undefined where it is the build's. */
  readonly compiledFor?: string;
}

/** The file's name. */
export const MANIFEST = "manifest.json";

/** The manifest of a folder; undefined where there is none that can be read. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, MANIFEST), "utf8")) as Manifest;
  } catch {
    return undefined;
  }
}

/** The names of a manifest's files that are not, or not the same, in a folder. */
export function damagedFiles(folder: string, { files }: Manifest): string[] {
  return Object.entries(files)
    .filter(([name, hash]) => hashOf(join(folder, name)) !== hash)
    .map(([name]) => name);
}

/** SHA-256 of a file; undefined where there is none. */
export function hashOf(path: string): string | undefined {
  return isFile(path) ? createHash("sha256").update(readFileSync(path)).digest("hex") : undefined;
}

/** Whether a path is a file, or leads to one. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

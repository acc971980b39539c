import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { ShaperError } from "./errors.js";

/** What a file that is written, but not in its place yet, is called beside its name. */
export const TEMPORARY = ".tmp";

/**
 * Writes a value as JSON, bigints as their decimal digits, and makes the folder where it is missing. After a crash there
 * is the old file or the new one, never half of one.
 * @throws ShaperError STATE
 */
export function writeState(path: string, value: object): void {
  const text = JSON.stringify(value, (_key, field) => (typeof field === "bigint" ? field.toString() : field));
  const temporary = `${path}${TEMPORARY}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(temporary, `${text}\n`, { mode: 0o644 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new ShaperError("STATE", `could not write the record ${path}: ${(error as Error).message}`, {
      remedy: "Make sure that the folder is writable and not full.",
      cause: error,
    });
  }
}

/**
 * Reads what {@link writeState} wrote; undefined where there is no such file.
 * @param decode checks the parsed value; what it throws says what is wrong with it
 * @param remedy what an operator does about a damaged file
 * @throws ShaperError STATE where the file is damaged
 */
export function readState<T>(path: string, decode: (value: unknown) => T, remedy: string): T | undefined {
  const text = unlessMissing(() => readFileSync(path, "utf8"));
  if (text === undefined) return undefined;
  try {
    return decode(JSON.parse(text));
  } catch (error) {
    throw new ShaperError("STATE", `the record ${path} is damaged: ${(error as Error).message}`, {
      remedy,
      cause: error,
    });
  }
}

/** What is in a folder, sorted by name; nothing where it is missing. */
export function namesIn(folder: string): string[] {
  return (unlessMissing(() => readdirSync(folder)) ?? []).sort();
}

/** Removes a file; nothing happens where there is none. */
export function removeFile(path: string): void {
  unlessMissing(() => unlinkSync(path));
}

/** Removes a folder that has nothing in it. @returns whether it is gone, as also where there was none */
export function removeEmpty(folder: string): boolean {
  try {
    unlessMissing(() => rmdirSync(folder));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw error;
  }
}

function unlessMissing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

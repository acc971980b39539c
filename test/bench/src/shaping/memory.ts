import { spawnSync } from "node:child_process";
import { accessSync, chmodSync, constants, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Brings programs, with the libraries that they are linked with, into the guest's memory: the overlay copies a file
 * that is changed, if only in its mode. While a guest in virtual time waits for a file of its host, its time runs on.
 */
export function bringIntoMemory(programs: readonly string[]): void {
  const files = programs.map(find).flatMap((path) => [path, ...libraries(path)]);
  for (const file of new Set(files)) chmodSync(file, statSync(file).mode);
}

function find(program: string): string {
  for (const folder of ["", ...(process.env.PATH ?? "").split(":")]) {
    try {
      const path = join(folder, program);
      accessSync(path, constants.X_OK);
      return realpathSync(path);
    } catch {
      // Not in this folder.
    }
  }
  throw new Error(`there is no ${program} here`);
}

function libraries(path: string): string[] {
  const { stdout } = spawnSync("ldd", [path], { encoding: "utf8" });
  const paths = [...(stdout ?? "").matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  return paths.map((library) => realpathSync(library));
}

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const dist = fileURLToPath(new URL("../", import.meta.url));

/** As strict as a program may be that uses this package. */
const flags =
  "--ignoreConfig --pretty false --strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --noImplicitReturns --noUnusedLocals " +
  "--noUnusedParameters --noPropertyAccessFromIndexSignature --verbatimModuleSyntax --isolatedModules " +
  "--module nodenext --target es2022 --lib es2023,esnext.disposable --types node --skipLibCheck";

/** A folder inside this package, from which the package can be imported by its name. */
export function temporaryProject(): Disposable & { readonly path: string } {
  mkdirSync(join(dist, "testing"), { recursive: true });
  const path = mkdtempSync(join(dist, "testing/project-"));
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true });
    },
  };
}

/** Compiles TypeScript files beside themselves; gives what the compiler has to say, "" for nothing. */
export function compile(files: readonly string[]): string {
  const tsc = join(root, "node_modules/.bin/tsc");
  const { stdout, error } = spawnSync(tsc, [...flags.split(" "), ...files], { encoding: "utf8", cwd: dist });
  if (error) throw error;
  return stdout;
}

import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = fileURLToPath(new URL("../../../", import.meta.url));

/** A program in a README: what stands between "```ts" and "```". */
export interface Example {
  /** Such as "bpf-loader-1". */
  readonly name: string;
  readonly code: string;
}

/** The programs in a folder's README, in their order. */
export function examplesOf(folder: string): Example[] {
  const text = readFileSync(join(root, folder, "README.md"), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code], i) => ({
    name: `${basename(folder)}-${i + 1}`,
    code: code!,
  }));
}

/** Examples that have been compiled; disposing it removes them. */
export interface Compiled extends Disposable {
  /** Where they lie, beside the files that they read: the fixtures of all packages. */
  readonly folder: string;
  /** The JavaScript of an example. */
  path(name: string): string;
}

/**
 * Compiles examples as a user of the packages would, with all checks.
 *
 * @throws Error with what the compiler says
 */
export function compile(examples: readonly Example[]): Compiled {
  // Within this package, so that the names of the others are found.
  const parent = fileURLToPath(new URL("../examples/", import.meta.url));
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "run-"));
  const remove = () => rmSync(folder, { recursive: true });
  for (const { name, code } of examples) writeFileSync(join(folder, `${name}.mts`), code);
  const settings = {
    extends: "../../../../tsconfig.base.json",
    compilerOptions: {
      ...{ composite: false, declaration: false, declarationMap: false, sourceMap: false },
      // An example ends where its point is made.
      ...{ noUnusedLocals: false },
    },
    include: ["*.mts"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
  try {
    execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  } catch (error) {
    remove();
    throw new Error((error as { stdout: string }).stdout || String(error));
  }
  for (const name of readdirSync(join(root, "packages"))) {
    const fixtures = join(root, "packages", name, "fixtures");
    if (existsSync(fixtures)) cpSync(fixtures, folder, { recursive: true });
  }
  return { folder, path: (name) => join(folder, `${name}.mjs`), [Symbol.dispose]: remove };
}

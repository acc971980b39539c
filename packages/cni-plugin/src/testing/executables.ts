import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";

/** The package's folder. */
export const packageFolder = fileURLToPath(new URL("../../", import.meta.url));

/** Both forms of the executable, the compiled module and the bundle with its launcher, and a folder for their state. */
export class Executables {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-test-"));
  readonly stateDirectory = join(this.folder, "state");
  readonly module: readonly string[] = [process.execPath, join(packageFolder, "dist/main.js")];
  // The kernel VM gets the one that was built outside it: building it there takes a minute.
  readonly launcher = join(process.env.WEIR_VM ? packageFolder : this.folder, "bundle/weir");
  readonly all: ReadonlyMap<string, readonly string[]> = new Map([
    ["module", this.module],
    ["bundle", [this.launcher]],
  ]);

  /** Builds the bundle from what is compiled now. */
  build(): void {
    if (process.env.WEIR_VM) {
      assert.ok(existsSync(this.launcher), "build it before the VM starts: npm run build-plugin");
      return;
    }
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(packageFolder, "scripts/bundle.mjs"), join(this.folder, "bundle")],
      { encoding: "utf8" },
    );
    assert.is(status, 0, stderr);
  }

  /** Runs one form of the executable with nothing in its environment but PATH, its state's place and `env`. */
  run(
    command: readonly string[],
    {
      args = [],
      env = {},
      input = "",
      stdout,
    }: { args?: string[]; env?: NodeJS.ProcessEnv; input?: string; stdout?: number } = {},
  ): Outcome {
    const [file = "", ...first] = command;
    return spawnSync(file, [...first, ...args], {
      env: { PATH: process.env.PATH, WEIR_STATE_DIRECTORY: this.stateDirectory, ...env },
      input,
      encoding: "utf8",
      ...(stdout === undefined ? {} : { stdio: ["pipe", stdout, "pipe"] }),
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** How a run ended. */
export type Outcome = SpawnSyncReturns<string>;

/** The fields of a CNI error. */
export interface PrintedError {
  cniVersion: string;
  code: number;
  msg: string;
  details?: string;
}

/** Checks that a run ended with a CNI error as the protocol wants it, and nothing beside it, and gives the error. */
export function cniError({ status, stdout, stderr }: Outcome): PrintedError {
  assert.is(status, 1, stdout + stderr);
  const error = JSON.parse(stdout) as PrintedError;
  assert.type(error.cniVersion, "string");
  assert.type(error.code, "number");
  assert.not.match(error.msg, /\n/);
  assert.is(stderr, `weir: ${error.msg}\n`);
  return error;
}

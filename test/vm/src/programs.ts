import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { VmError } from "./errors.js";

/** The Debian package that holds each program the VM runs on the host. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "apt-cache": "apt",
  "apt-config": "apt",
  busybox: "busybox-static",
  depmod: "kmod",
  "dpkg-deb": "dpkg",
  flock: "util-linux",
  "qemu-system-x86_64": "qemu-system-x86",
  setpriv: "util-linux",
  xz: "xz-utils",
  zstd: "zstd",
};

/** Debian packages that the VM needs and that a minimal system may lack, for `apt-get install`. */
export const requiredPackages: readonly string[] = [
  "qemu-system-x86",
  "busybox-static",
  "kmod",
  "xz-utils",
  "zstd",
];

/** A finished program: its whole standard output, and its standard error as text. */
export interface ProgramResult {
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Options of {@link run}. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: Uint8Array;
}

/**
 * Finds a program on PATH or in the folders of system administration.
 *
 * @throws VmError MISSING_PROGRAM naming the Debian package that has it.
 */
export function findProgram(name: string): string {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  for (const folder of folders.filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  throw missingProgram(name);
}

/** The error for a program that is not installed. */
export function missingProgram(name: string): VmError {
  const pack = PACKAGE_OF[name];
  const remedy = pack ? `: apt-get install ${pack}` : "";
  return new VmError(
    "MISSING_PROGRAM",
    `${name} is not installed${remedy}. The kernel VM runs it on this host.`,
  );
}

/** A program that ended with an error. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
  readonly stderr: string;

  constructor(program: string, how: string, stderr: string) {
    const last = stderr.trim().split("\n").slice(-5).join("\n");
    super(`${program} ${how}${last ? `: ${last}` : ""}`);
    this.stderr = stderr;
  }
}

/**
 * Runs a program to its end. It dies with this process.
 *
 * @throws ProgramError when it does not exit with 0; VmError when it is not installed.
 */
export function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  const { input, ...rest } = options;
  const command = [findProgram(program), ...args];
  return new Promise((resolve, reject) => {
    const child = spawn(findProgram("setpriv"), ["--pdeathsig", "KILL", "--", ...command], {
      ...rest,
      stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A program that stops reading early says so by its exit status.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const text = Buffer.concat(stderr).toString();
      if (code === 0) resolve({ stdout: Buffer.concat(stdout), stderr: text });
      else reject(new ProgramError(program, signal ? `was ended by ${signal}` : `failed (${code})`, text));
    });
  });
}

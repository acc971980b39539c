import { join } from "node:path";
import { fetchPackages } from "./packages.js";
import type { PrepareOptions } from "./prepare.js";
import { findProgram, run } from "./programs.js";

/** A QEMU, and how it is started. */
export interface Emulator {
  readonly program: string;
  /** Before all other arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const QEMU = "qemu-system-x86_64";

/** Where Debian 12 has a later QEMU than its own, built for its own libraries. */
const BACKPORTS = "bookworm-backports";

/**
 * Gives this machine's QEMU where its release will do, else, unpacked into the cache, the one that Debian made for this
 * release later.
 *
 * @param oldest the oldest release that will do; undefined where each does
 * @throws VmError MISSING_PROGRAM or DOWNLOAD_FAILED
 */
export async function prepareEmulator(
  oldest: number | undefined,
  options: PrepareOptions = {},
): Promise<Emulator> {
  const installed = { program: findProgram(QEMU), args: [], env: {} };
  if (oldest === undefined) return installed;
  const { stdout } = await run(QEMU, ["--version"]);
  const [, release] = /version (\d+)\./.exec(stdout.toString()) ?? [];
  if (Number(release) >= oldest) return installed;
  const packages = ["qemu-system-x86", "qemu-system-common", "qemu-system-data"];
  const folder = await fetchPackages(BACKPORTS, packages, options);
  // What other packages have for it, such as the BIOS, is the machine's.
  const data = [join(folder, "usr/share/qemu"), "/usr/share/seabios", "/usr/share/qemu"];
  return {
    program: join(folder, "usr/bin", QEMU),
    args: data.flatMap((path) => ["-L", path]),
    env: { QEMU_MODULE_DIR: join(folder, "usr/lib/x86_64-linux-gnu/qemu") },
  };
}

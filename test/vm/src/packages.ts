import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { PrivateApt } from "./apt.js";
import { withLock } from "./lock.js";
import { cacheFolder, type PrepareOptions } from "./prepare.js";
import { run } from "./programs.js";

/**
 * Gives the files of Debian packages, of any release, without installing them: they are unpacked together into one
 * folder of the cache, as below `/`. No script of theirs runs, and nothing that they depend on comes with them. The
 * first call fetches them from the mirror that this machine's apt is configured with; later ones ask no network. An
 * interrupted one leaves nothing that a later one would take for whole.
 *
 * @param suite the Debian release, such as "forky"
 * @param names the packages, such as ["xdp-tools", "libxdp1"]
 * @returns the folder
 * @throws VmError MISSING_PROGRAM or DOWNLOAD_FAILED
 */
export async function fetchPackages(
  suite: string,
  names: readonly string[],
  options: PrepareOptions = {},
): Promise<string> {
  const releases = join(resolve(options.cache ?? cacheFolder()), "packages");
  const name = names.join("+");
  const folder = join(releases, suite, name);
  if (existsSync(folder)) return folder;
  mkdirSync(join(releases, suite), { recursive: true });
  const waiting = (): void => options.progress?.(`waiting for another process to fetch ${name} of ${suite}`);
  await withLock(join(releases, `${suite}.lock`), waiting, async () => {
    if (existsSync(folder)) return;
    options.progress?.(`downloading ${names.join(", ")} of Debian ${suite}`);
    await fetchInto(folder, join(releases, suite), suite, names);
  });
  return folder;
}

/** Makes the folder whole elsewhere and renames it: it is there with all its content, or not at all. */
async function fetchInto(
  folder: string,
  parent: string,
  suite: string,
  names: readonly string[],
): Promise<void> {
  const prefix = ".fetching-";
  // The lock is ours: whoever began these is gone.
  for (const left of readdirSync(parent).filter((entry) => entry.startsWith(prefix))) {
    rmSync(join(parent, left), { recursive: true, force: true });
  }
  const work = mkdtempSync(join(parent, prefix));
  try {
    const [aptFolder, debs, unpacked] = ["apt", "debs", "unpacked"].map((each) => {
      mkdirSync(join(work, each));
      return join(work, each);
    }) as [string, string, string];
    const apt = await PrivateApt.create(aptFolder, suite);
    for (const file of await apt.download(names, debs)) await run("dpkg-deb", ["-x", file, unpacked]);
    renameSync(unpacked, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

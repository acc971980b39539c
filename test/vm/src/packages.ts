import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { PrivateApt } from "./apt.js";
import { VmError } from "./errors.js";
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
  const unpack = async (apt: PrivateApt, debs: string, unpacked: string): Promise<void> => {
    for (const file of await apt.download(names, debs)) await run("dpkg-deb", ["-x", file, unpacked]);
  };
  return fetch({ suite, name: names.join("+"), what: names.join(", "), type: "deb", unpack }, options);
}

/**
 * Gives the source that a Debian package is built from, as upstream released it, in the same way; the release's own
 * patches are not applied.
 *
 * @param suite the Debian release, such as "forky"
 * @param name the source package, such as "golang-github-appc-cni"
 * @returns the folder with the top of the source tree
 * @throws VmError MISSING_PROGRAM or DOWNLOAD_FAILED
 */
export async function fetchSource(
  suite: string,
  name: string,
  options: PrepareOptions = {},
): Promise<string> {
  const what = `the source of ${name}`;
  const unpack = async (apt: PrivateApt, folder: string, unpacked: string): Promise<void> => {
    const archive = (await apt.downloadSource(name, folder)).find((file) => /\.orig\.tar\.\w+$/.test(file));
    if (archive === undefined) throw new VmError("DOWNLOAD_FAILED", `${what} has no upstream archive`);
    await run("tar", ["-C", unpacked, "--strip-components=1", "-xf", archive]);
  };
  return fetch({ suite, name: `source-${name}`, what, type: "deb-src", unpack }, options);
}

/** What is fetched: the folder's name, how it is called in messages, and how it is filled. */
interface Wanted {
  readonly suite: string;
  readonly name: string;
  readonly what: string;
  readonly type: "deb" | "deb-src";
  readonly unpack: (apt: PrivateApt, downloads: string, unpacked: string) => Promise<void>;
}

async function fetch(wanted: Wanted, options: PrepareOptions): Promise<string> {
  const { suite, name, what } = wanted;
  const releases = join(resolve(options.cache ?? cacheFolder()), "packages");
  const folder = join(releases, suite, name);
  if (existsSync(folder)) return folder;
  mkdirSync(join(releases, suite), { recursive: true });
  const waiting = (): void => options.progress?.(`waiting for another process to fetch ${what} of ${suite}`);
  await withLock(join(releases, `${suite}.lock`), waiting, async () => {
    if (existsSync(folder)) return;
    options.progress?.(`downloading ${what} of Debian ${suite}`);
    await fetchInto(folder, join(releases, suite), wanted);
  });
  return folder;
}

/** Makes the folder whole elsewhere and renames it: it is there with all its content, or not at all. */
async function fetchInto(folder: string, parent: string, { suite, type, unpack }: Wanted): Promise<void> {
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
    await unpack(await PrivateApt.create(aptFolder, suite, type), debs, unpacked);
    renameSync(unpacked, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

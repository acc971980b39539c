import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { PrivateApt } from "./apt.js";
import { VmError } from "./errors.js";
import { prepareInitramfs } from "./initramfs.js";
import { kernelNamed } from "./kernels.js";
import { withLock } from "./lock.js";
import { run } from "./programs.js";
import { extractVmlinux } from "./vmlinux.js";

/** Hears of a long step, in a few words such as "downloading linux-image-6.1.0-50-amd64 (67 MB)". */
export type Progress = (message: string) => void;

/** A kernel in the cache, ready to boot. */
export interface PreparedKernel {
  /** Its name in {@link KERNELS}. */
  readonly name: string;
  /** Its release, such as "6.1.0-50-amd64". */
  readonly version: string;
  /** The kernel, an ELF file. */
  readonly image: string;
  readonly initramfs: string;
  /** The folder with modules.dep. */
  readonly modules: string;
}

/** Options of {@link prepareKernel}. */
export interface PrepareOptions {
  readonly progress?: Progress;
  /** Default: {@link cacheFolder}. */
  readonly cache?: string;
}

/** `$WEIR_CACHE`, or `weir` in the user's cache folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.WEIR_CACHE) return resolve(env.WEIR_CACHE);
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "weir");
}

/**
 * Gives a kernel that can boot, from the cache or, the first time, from the Debian mirror that this machine's apt is
 * configured with. Nothing is installed. A second call asks no network, and an interrupted one leaves nothing that
 * a later one would take for whole.
 *
 * @param name a name or suite in {@link KERNELS}
 * @throws VmError UNKNOWN_KERNEL, MISSING_PROGRAM, DOWNLOAD_FAILED or BAD_KERNEL
 */
export async function prepareKernel(name: string, options: PrepareOptions = {}): Promise<PreparedKernel> {
  const kernel = kernelNamed(name);
  const cache = resolve(options.cache ?? cacheFolder());
  const kernels = join(cache, "kernels");
  const folder = join(kernels, kernel.name);
  if (!existsSync(folder)) {
    mkdirSync(kernels, { recursive: true });
    const waiting = (): void =>
      options.progress?.(`waiting for another process to fetch Linux ${kernel.name}`);
    await withLock(join(kernels, `${kernel.name}.lock`), waiting, async () => {
      if (!existsSync(folder)) await fetchKernel(kernel.suite, kernels, folder, options.progress);
    });
  }
  const version = readFileSync(join(folder, "release"), "utf8").trim();
  const modules = join(folder, "lib/modules", version);
  const initramfs = await prepareInitramfs(join(cache, "initramfs"), version, modules);
  if (initramfs.built) options.progress?.(`built the initramfs for Linux ${version}`);
  return { name: kernel.name, version, image: join(folder, "vmlinux"), initramfs: initramfs.path, modules };
}

/** Makes the folder whole elsewhere and renames it: it is there with all its content, or not at all. */
async function fetchKernel(
  suite: string,
  kernels: string,
  folder: string,
  progress: Progress = () => {},
): Promise<void> {
  const prefix = `.fetching-${suite}-`;
  // The lock is ours: whoever began these is gone.
  for (const left of readdirSync(kernels).filter((entry) => entry.startsWith(prefix))) {
    rmSync(join(kernels, left), { recursive: true, force: true });
  }
  const work = mkdtempSync(join(kernels, prefix));
  try {
    const [aptFolder, debs, unpacked, result] = ["apt", "debs", "unpacked", "result"].map((name) => {
      mkdirSync(join(work, name));
      return join(work, name);
    }) as [string, string, string, string];
    progress(`asking the Debian mirror for the kernel of ${suite}`);
    const apt = await PrivateApt.create(aptFolder, suite);
    const packages = await apt.kernelPackages();
    const megabytes = Math.round(packages.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6);
    progress(`downloading ${packages.map(({ name }) => name).join(", ")} (${megabytes} MB)`);
    const files = await apt.download(
      packages.map(({ name }) => name),
      debs,
    );
    progress("unpacking the kernel and indexing its modules");
    for (const file of files) await run("dpkg-deb", ["-x", file, unpacked]);
    await arrange(unpacked, result);
    renameSync(result, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** From the packages' files to the cache's form: `release`, `vmlinux` and `lib/modules/RELEASE`. */
async function arrange(unpacked: string, result: string): Promise<void> {
  // Up to 6.1 in /lib, later in /usr/lib; the image in /boot, from 7.x on beside the modules.
  const trees = ["lib/modules", "usr/lib/modules"].map((path) => join(unpacked, path)).filter(existsSync);
  const [release, ...others] = trees.flatMap((tree) => readdirSync(tree));
  if (!release || others.length > 0 || !trees[0]) {
    throw new VmError("BAD_KERNEL", "the kernel's packages do not hold exactly one folder of modules");
  }
  const source = join(trees[0], release);
  const image = [join(unpacked, "boot", `vmlinuz-${release}`), join(source, "vmlinuz")].find(existsSync);
  if (!image) throw new VmError("BAD_KERNEL", `the packages of Linux ${release} hold no vmlinuz`);
  writeFileSync(join(result, "vmlinux"), await extractVmlinux(readFileSync(image)));
  mkdirSync(join(result, "lib/modules"), { recursive: true });
  // On the host they are of no use, and dangling.
  for (const link of ["build", "source"]) rmSync(join(source, link), { force: true });
  renameSync(source, join(result, "lib/modules", release));
  await run("depmod", ["--basedir", result, release]);
  writeFileSync(join(result, "release"), `${release}\n`);
}

import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CommandError } from "../errors.js";
import { notWritten, replaceFile, syncFolder } from "./atomic-file.js";
import { compile, isCodeCache, isCompiled } from "./compile.js";
import { damagedFiles, hashOf, isFile, MANIFEST, type Manifest, readManifest } from "./manifest.js";

/** The executable's name in the folder of CNI plugins. */
const NAME = "weir";
/** In the launcher, and in the executable that has Node.js inside. */
const MARKS = ["# The executable `weir`.", "NODE_SEA_BLOB"];
const FOLDER = /^weir-[0-9a-f]{12}\.d$/;
const HOUR_MS = 3_600_000;

/** The executable as it can be copied: a launcher with its folder of files, or one file that has all inside. */
export interface Source {
  /** The file that becomes `weir`. */
  readonly launcher: string;
  /** The files that the launcher needs. */
  readonly bundle?: { readonly folder: string; readonly manifest: Manifest };
}

/** What copying did. */
export interface CopyReport {
  readonly path: string;
  readonly build?: string;
  readonly changed: boolean;
  /** Why its code could not be compiled on this node, so that it has the code cache of its build. */
  readonly notCompiled?: string;
}

/** The executable that runs now. @throws CommandError where it is not one that can be copied */
export async function ownSource(): Promise<Source> {
  if (await isSingleFile()) {
    const folder = dirname(realpathSync(process.execPath));
    // Beside it is the launcher, which need not start it where a server answers.
    return existsSync(join(folder, MANIFEST)) ? bundleAt(folder) : { launcher: process.execPath };
  }
  return bundleAt(dirname(realpathSync(process.argv[1]!)));
}

/** The executable in a folder that scripts/bundle.mjs made. @throws CommandError where it is none */
export function bundleAt(folder: string): Source {
  const launcher = join(folder, NAME);
  const manifest = readManifest(folder);
  if (!manifest) {
    throw new CommandError(
      `${folder} does not hold the built executable`,
      "Only that can be copied: `npm run build-plugin` makes it, in packages/cni-plugin/bundle.",
    );
  }
  const [damaged] = damagedFiles(folder, manifest);
  if (damaged)
    throw new CommandError(`${join(folder, damaged)} is damaged or missing`, "Fetch or build weir again.");
  return { launcher, bundle: { folder, manifest } };
}

/** Whether copying would change anything. */
export function isCurrent(source: Source, binDir: string): boolean {
  const { launcher, bundle } = source;
  const target = join(binDir, NAME);
  if (!isFile(target) || hashOf(target) !== hashOf(launcher)) return false;
  if (!bundle) return true;
  const folder = join(binDir, folderName(bundle.manifest));
  return isComplete(folder, bundle.manifest) && isCompiled(folder);
}

/** Throws CommandError where the place is taken by another program of the same name. */
export function refuseForeign(binDir: string): void {
  const path = join(binDir, NAME);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined || isOurs(path)) return;
  throw new CommandError(`${path} is another program than weir`, "Move it away, if nothing needs it.");
}

/**
 * Copies the executable. A plugin that is started meanwhile is the old one or the new one, each with files of its own:
 * the new one's folder is complete before it appears, and the launcher, which names it, is renamed into place last.
 * What the version before needs stays for those of its processes that run, until the next one comes.
 */
export function copyExecutable(source: Source, binDir: string): CopyReport {
  const { launcher, bundle } = source;
  const path = join(binDir, NAME);
  const report = { path, ...(bundle ? { build: bundle.manifest.build } : {}) };
  if (isCurrent(source, binDir)) return { ...report, changed: false };
  refuseForeign(binDir);
  try {
    mkdirSync(binDir, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw notWritten(binDir, error);
  }
  if (!bundle) {
    replaceFile(path, readFileSync(launcher), { mode: 0o755 });
    return { ...report, changed: true };
  }
  const folder = folderName(bundle.manifest);
  const copied = copyFolder(bundle.folder, bundle.manifest, launcher, binDir);
  const isNew = copied || !isFile(path) || hashOf(path) !== hashOf(launcher);
  const notCompiled = isCompiled(join(binDir, folder)) ? undefined : compile(join(binDir, folder));
  if (isNew) {
    const before = currentFolder(path);
    replaceFile(path, readFileSync(launcher), { mode: 0o755 });
    removeOthers(binDir, [folder, before]);
  }
  return notCompiled === undefined
    ? { ...report, changed: true }
    : { ...report, changed: isNew, notCompiled };
}

/** The installed files that this process runs; undefined where it is not what is installed in that folder of plugins. */
export function runningFolder(binDir: string): string | undefined {
  const folder = dirname(realpathSync(process.argv[1] ?? process.execPath));
  const installed =
    FOLDER.test(basename(folder)) && existsSync(binDir) && dirname(folder) === realpathSync(binDir);
  return installed ? folder : undefined;
}

/** What of weir's is in a folder of plugins, in the order in which to remove it. */
export function installedFiles(binDir: string): string[] {
  const path = join(binDir, NAME);
  const launcher = lstatSync(path, { throwIfNoEntry: false }) !== undefined && isOurs(path) ? [path] : [];
  return [...launcher, ...folders(binDir).map((name) => join(binDir, name))];
}

/** Removes what {@link installedFiles} found. */
export function removeFiles(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      throw notWritten(path, error);
    }
  }
}

/** Copies the launcher's files into a folder of their own; false where they are there already. */
function copyFolder(from: string, manifest: Manifest, launcher: string, binDir: string): boolean {
  const name = folderName(manifest);
  const target = join(binDir, name);
  if (isComplete(target, manifest)) return false;
  const damaged = damagedFiles(target, manifest);
  if (damaged.every(isCodeCache)) {
    for (const file of [...damaged, MANIFEST])
      replaceFile(join(target, file), readFileSync(join(from, file)), { mode: 0o644 });
    return true;
  }
  const draft = join(binDir, `.${name}.weir-${process.pid}`);
  try {
    mkdirSync(draft, { mode: 0o755 });
    copyFileSync(launcher, join(draft, NAME));
    for (const file of [MANIFEST, ...Object.keys(manifest.files)]) {
      copyFileSync(join(from, file), join(draft, file));
    }
    // A Node.js that came with weir.
    if (isFile(join(from, "node"))) copyFileSync(join(from, "node"), join(draft, "node"));
    for (const file of readdirSync(draft)) {
      const executable = [NAME, "weir-standalone", "node"].includes(file) || file.endsWith(".node");
      chmodSync(join(draft, file), executable ? 0o755 : 0o644);
    }
    syncFolder(draft);
    // One that is damaged; it is of no use to anybody.
    rmSync(target, { recursive: true, force: true });
    renameSync(draft, target);
    return true;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw notWritten(target, error);
  }
}

/** Removes what earlier versions, and installations that were cut short, have left. */
function removeOthers(binDir: string, keep: readonly (string | undefined)[]): void {
  const old = folders(binDir).filter((name) => !keep.includes(name));
  const drafts = readdirSync(binDir).filter(
    (name) =>
      /^\.weir.*\.weir-\d+$/.test(name) && Date.now() - statSync(join(binDir, name)).mtimeMs > HOUR_MS,
  );
  for (const name of [...old, ...drafts]) rmSync(join(binDir, name), { recursive: true, force: true });
}

/** The folder that an installed launcher uses. */
function currentFolder(path: string): string | undefined {
  return isFile(path) ? /weir-[0-9a-f]{12}\.d/.exec(readFileSync(path, "latin1"))?.[0] : undefined;
}

function folders(binDir: string): string[] {
  if (!existsSync(binDir)) return [];
  return readdirSync(binDir).filter((name) => FOLDER.test(name) && existsSync(join(binDir, name, MANIFEST)));
}

function folderName({ build }: Manifest): string {
  return `weir-${build}.d`;
}

/** Whether a folder has all that a manifest names; the code cache may be another, since it is made where weir is installed. */
function isComplete(folder: string, manifest: Manifest): boolean {
  const built = damagedFiles(folder, manifest);
  if (built.length === 0) return true;
  const own = readManifest(folder);
  return built.every(isCodeCache) && own !== undefined && damagedFiles(folder, own).length === 0;
}

function isOurs(path: string): boolean {
  try {
    const text = readFileSync(path, "latin1");
    return MARKS.some((mark) => text.includes(mark));
  } catch {
    // A link to what is gone, from an installation by hand.
    return basename(path) === NAME && lstatSync(path).isSymbolicLink();
  }
}

/** Whether this process is Node's single-executable format, with weir inside: Node 20.12. */
async function isSingleFile(): Promise<boolean> {
  try {
    const { isSea } = await import("node:sea");
    return isSea();
  } catch {
    return false;
  }
}

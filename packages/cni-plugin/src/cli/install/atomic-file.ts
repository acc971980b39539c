import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CommandError } from "../errors.js";

/** Who may read and write a file, and whose it is. */
export interface Ownership {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Writes a file whole: whoever reads it finds what was there before or all of the new content, also after a crash.
 * @param expected what the file must hold until then; undefined for a file that nobody else writes
 * @throws CommandError where it cannot be written, or has changed since it was read
 */
export function replaceFile(
  path: string,
  content: Uint8Array,
  owner: Ownership,
  expected?: Uint8Array,
): void {
  const temporary = join(dirname(path), `.${basename(path)}.weir-${process.pid}`);
  try {
    const fd = openSync(temporary, "wx", owner.mode & 0o777);
    try {
      fchmodSync(fd, owner.mode & 0o7777);
      if (owner.uid !== undefined && owner.gid !== undefined) keepOwner(fd, owner.uid, owner.gid);
      for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (expected && Buffer.compare(readFileSync(path), expected) !== 0) {
      throw new CommandError(`${path} was changed by somebody else meanwhile`, "Run the command again.");
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw notWritten(path, error);
  }
  syncFolder(dirname(path));
}

/** The ownership of a file that is there. */
export function ownershipOf(path: string): Ownership {
  const { mode, uid, gid } = statSync(path);
  return { mode, uid, gid };
}

/** Makes renames in a folder last. */
export function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } catch {
    // Not every file system can.
  } finally {
    closeSync(fd);
  }
}

/** What could not be written, and what to do about it. */
export function notWritten(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof CommandError || code === undefined) return error;
  const remedies: { readonly [code: string]: string } = {
    EROFS:
      "The file system is read-only: use --bin-dir and --conf-dir with the folders that the runtime is set to (containerd: bin_dir and conf_dir of its CNI section; CRI-O: plugin_dirs and network_dir).",
    EACCES: "Run as root; with SELinux, look for a denial: ausearch -m avc -ts recent",
    EPERM: `Run as root; as root, the file or its folder may be immutable: lsattr -d ${dirname(path)}`,
    ENOSPC: "The file system is full: make room, nothing was changed.",
    EBUSY: "It is mounted by itself, so that it cannot be replaced: mount its folder instead.",
    ENOENT: `There is no folder ${dirname(path)}.`,
  };
  return new CommandError(`could not write ${path}: ${message}`, remedies[code]);
}

function keepOwner(fd: number, uid: number, gid: number): void {
  try {
    fchownSync(fd, uid, gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
  }
}

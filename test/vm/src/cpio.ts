/** One member of an archive. Without `data` it is a directory, or with `target` a symbolic link. */
export interface CpioEntry {
  /** Path without a leading slash; its parents must come before it. */
  readonly path: string;
  /** Permission bits, such as 0o755. */
  readonly mode: number;
  readonly data?: Uint8Array;
  readonly target?: string;
}

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;
const SYMLINK = 0o120000;
const TRAILER = "TRAILER!!!";

/**
 * Writes an archive in the "newc" format, which is what the kernel unpacks as an initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Owner is root and the time is 0, so equal
 * input gives equal bytes.
 */
export function writeCpio(entries: Iterable<CpioEntry>): Uint8Array {
  const chunks: Uint8Array[] = [];
  let inode = 1;
  for (const entry of entries) {
    if (entry.path === "" || entry.path.startsWith("/")) {
      throw new RangeError(`cpio: "${entry.path}" is not a relative path`);
    }
    const type = entry.target !== undefined ? SYMLINK : entry.data ? REGULAR : DIRECTORY;
    const data = entry.target !== undefined ? Buffer.from(entry.target) : (entry.data ?? new Uint8Array());
    chunks.push(...member(entry.path, inode++, type | entry.mode, data));
  }
  chunks.push(...member(TRAILER, 0, 0, new Uint8Array()));
  return Buffer.concat(chunks);
}

function member(path: string, inode: number, mode: number, data: Uint8Array): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [padded(Buffer.concat([Buffer.from(header), name])), padded(data)];
}

/** Header with name, and data, each end on a multiple of four bytes. */
function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, new Uint8Array(4 - rest)]);
}

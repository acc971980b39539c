import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import { check, lastErrno, libc } from "./libc.js";
import { cString, Struct } from "./struct.js";

/** BPF_FS_MAGIC of include/uapi/linux/magic.h. */
const BPF_FS_MAGIC = 0xcafe4a11n;
const STATFS_SIZE = 120;

/** Flags of mount(2), include/uapi/linux/mount.h. */
export const MountFlag = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  BIND: 4096,
  REC: 16384,
  PRIVATE: 1 << 18,
} as const;

/**
 * mount(2).
 * @param options.flags a sum of {@link MountFlag}
 * @param options.data the filesystem's own options, as `mount -o` takes them
 */
export function mount(options: {
  source: string;
  target: string;
  type: string;
  flags?: number;
  data?: string;
}): void {
  check(
    libc.mount(
      cString(options.source),
      cString(options.target),
      cString(options.type),
      options.flags ?? 0,
      options.data === undefined ? null : cString(options.data),
    ),
    "mount",
    `mount ${options.type || options.source} on ${options.target}`,
  );
}

/** Unmounts what is mounted at a path, even while it is in use (MNT_DETACH). */
export function unmount(path: string): void {
  check(libc.umount2(cString(path), 2), "umount2", `unmount ${path}`);
}

/** Mounts a BPF filesystem at an existing, empty folder. */
export function mountBpffs(path: string): void {
  mount({
    source: "bpf",
    target: path,
    type: "bpf",
    flags: MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC,
  });
}

/** Whether a path lies on a BPF filesystem; false where it does not exist. */
export function isBpffs(path: string): boolean {
  const buffer = new Struct(STATFS_SIZE);
  if (libc.statfs(cString(path), buffer.bytes) < 0) {
    const number = lastErrno();
    if (number === errno.ENOENT || number === errno.ENOTDIR) return false;
    throw new SystemError({ errno: number, syscall: "statfs", action: `look at the filesystem of ${path}` });
  }
  return (buffer.getU64(0) & 0xffff_ffffn) === BPF_FS_MAGIC;
}

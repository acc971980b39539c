import { createHook } from "node:async_hooks";
import { closeSync, fstatSync, lstatSync, mkdirSync, openSync, rmSync, stat, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import { Fd } from "./fd.js";
import { check, lastErrno, libc } from "./libc.js";
import { MountFlag, mount, unmount } from "./mount.js";

const CLONE_NEWNET = 0x4000_0000;
/** include/uapi/linux/nsfs.h: what kind of namespace a descriptor is of, as a CLONE_NEW flag. */
const NS_GET_NSTYPE = 0xb703;
const OWN_NAMESPACE = "/proc/thread-self/ns/net";

/**
 * What a window may create: these never reach the kernel from another thread or at a later time. Anything else that
 * Node starts asynchronously would run after the thread has left the namespace, or in a thread that never leaves it.
 */
const harmless = new Set(["PROMISE", "TickObject", "Timeout", "Immediate", "Microtask"]);
let startedInWindow: string | undefined;
const watch = createHook({
  init(_id, type) {
    if (!harmless.has(type)) startedInWindow ??= type;
  },
});

let poolStarted = false;
/**
 * Makes libuv start its thread pool now. It starts the threads at the first asynchronous file operation, and threads
 * started inside a window would stay in the wrong namespace for the life of the process.
 */
function startThreadPool(): void {
  if (poolStarted) return;
  stat("/", () => {});
  poolStarted = true;
}

/** A network namespace held open by a descriptor. While it is open the namespace lives: close it promptly. */
export class NetworkNamespace implements Disposable {
  /** The path that it was opened by. */
  readonly path: string;
  /** The descriptor that holds it. */
  readonly fd: Fd;
  /** The namespace's identity in nsfs. Inode numbers are used again once a namespace is gone. */
  readonly identity: { readonly device: bigint; readonly inode: bigint };

  private constructor(path: string) {
    this.path = path;
    let number: number;
    try {
      number = openSync(path, "r");
    } catch (error) {
      throw openError(path, error);
    }
    const info = fstatSync(number, { bigint: true });
    this.fd = Fd.adopt(number, `network namespace ${path}`);
    this.identity = { device: info.dev, inode: info.ino };
  }

  /**
   * Opens a network namespace.
   * @param pathOrPid a path such as /run/netns/blue or /proc/1234/ns/net, or a process id
   * @throws SystemError where there is nothing at the path, or EINVAL where it is no network namespace
   */
  static open(pathOrPid: string | number): NetworkNamespace {
    const path =
      typeof pathOrPid === "number" || /^\d+$/.test(pathOrPid) ? `/proc/${pathOrPid}/ns/net` : pathOrPid;
    const namespace = new NetworkNamespace(path);
    // Any other file answers ENOTTY, and another kind of namespace with its own kind.
    if (libc.ioctl(namespace.fd.number, NS_GET_NSTYPE, null) === CLONE_NEWNET) return namespace;
    namespace.close();
    throw new SystemError({
      errno: errno.EINVAL,
      syscall: "ioctl(NS_GET_NSTYPE)",
      action: `use ${path} as a network namespace`,
      hint: "The path must name a network namespace, such as /run/netns/NAME or /proc/PID/ns/net.",
    });
  }

  /** The namespace that the calling thread is in. */
  static current(): NetworkNamespace {
    return new NetworkNamespace(OWN_NAMESPACE);
  }

  /**
   * Makes a network namespace and binds it to a path, as `ip netns add` does; the missing parent folders are made.
   * Its loopback is down. {@link NetworkNamespace.remove} undoes it.
   */
  static create(path: string): NetworkNamespace {
    startThreadPool();
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "", { flag: "wx", mode: 0o444 });
    try {
      window(
        "unshare",
        `make the network namespace ${path}`,
        () => libc.unshare(CLONE_NEWNET),
        () => {
          mount({ source: OWN_NAMESPACE, target: path, type: "none", flags: MountFlag.BIND });
        },
      );
      return new NetworkNamespace(path);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  /** Makes a network namespace that no path names: it ends when it is closed. */
  static createAnonymous(): NetworkNamespace {
    startThreadPool();
    return window(
      "unshare",
      "make a network namespace",
      () => libc.unshare(CLONE_NEWNET),
      () => new NetworkNamespace(OWN_NAMESPACE),
    );
  }

  /** Unbinds a namespace from its path and removes the path; nothing happens where it is gone already. */
  static remove(path: string): void {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
    try {
      unmount(path);
    } catch (error) {
      // EINVAL: nothing is mounted there (a creation that was cut short); the file alone is left.
      if (!(error instanceof SystemError) || error.code !== "EINVAL") throw error;
    }
    rmSync(path, { force: true });
  }

  /**
   * Runs a synchronous function with the calling thread inside the namespace, and comes back whatever happens; where
   * coming back fails, the process is aborted rather than left in the wrong place. Sockets made inside stay inside.
   * @param work must do all its work before it returns: a promise, or any asynchronous operation, socket, worker or
   *   child process started inside, ends in a TypeError; a child that it waits for (spawnSync) runs in the namespace
   */
  run<T>(work: () => T): T {
    startThreadPool();
    return window(
      "setns",
      `enter the network namespace ${this.path}`,
      () => libc.setns(this.fd.number, CLONE_NEWNET),
      work,
    );
  }

  /** Closes the descriptor; a namespace without other holders ends. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

let depth = 0;

function window<T>(syscall: string, action: string, enter: () => number, work: () => T): T {
  const home = openSync(OWN_NAMESPACE, "r");
  let result: T;
  let entered = false;
  try {
    check(enter(), syscall, action, hintFor(lastErrno()));
    entered = true;
    if (depth++ === 0) {
      startedInWindow = undefined;
      watch.enable();
    }
    result = work();
  } finally {
    if (entered) {
      if (--depth === 0) watch.disable();
      if (libc.setns(home, CLONE_NEWNET) < 0) process.abort();
    }
    closeSync(home);
  }
  if (depth === 0 && startedInWindow !== undefined) {
    const started = startedInWindow;
    startedInWindow = undefined;
    throw new TypeError(
      `${started} was started inside a network namespace window; it would run outside of it, so do only synchronous work there`,
    );
  }
  if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") {
    Promise.resolve(result).catch(() => {});
    throw new TypeError(
      "the work in a network namespace window must be synchronous, but it returned a promise",
    );
  }
  return result;
}

function hintFor(number: number): string | undefined {
  return number === errno.EPERM ? "Run as root, or with CAP_SYS_ADMIN." : undefined;
}

function openError(path: string, error: unknown): unknown {
  const { errno: number, code } = error as NodeJS.ErrnoException;
  if (number === undefined) return error;
  const hint =
    code === "ENOENT"
      ? "It does not exist: was the pod deleted, or the path mistyped? `ip netns` lists the named ones."
      : undefined;
  return new SystemError({
    errno: Math.abs(number),
    syscall: "open",
    action: `open the network namespace ${path}`,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

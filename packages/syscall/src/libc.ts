import koffi from "koffi";
import { SystemError } from "./errors.js";

type Pointer = Uint8Array | null;

/**
 * Every C function that the package calls, each with one fixed prototype: variadic declarations are slower, and
 * koffi checks the argument count of a fixed one. A function is bound when it is first used.
 */
const prototypes = {
  close: ["int", ["int"]],
  fcntl: ["int", ["int", "int", "long"]],
  socket: ["int", ["int", "int", "int"]],
  bind: ["int", ["int", "void *", "uint32_t"]],
  connect: ["int", ["int", "void *", "uint32_t"]],
  getsockname: ["int", ["int", "void *", "void *"]],
  setsockopt: ["int", ["int", "int", "int", "void *", "uint32_t"]],
  getsockopt: ["int", ["int", "int", "int", "void *", "void *"]],
  send: ["long", ["int", "intptr_t", "size_t", "int"]],
  recv: ["long", ["int", "intptr_t", "size_t", "int"]],
  recvmsg: ["long", ["int", "void *", "int"]],
  setns: ["int", ["int", "int"]],
  unshare: ["int", ["int"]],
  mount: ["int", ["void *", "void *", "void *", "ulong", "void *"]],
  umount2: ["int", ["void *", "int"]],
  statfs: ["int", ["void *", "void *"]],
  mmap: ["intptr_t", ["intptr_t", "size_t", "int", "int", "int", "int64_t"]],
  munmap: ["int", ["intptr_t", "size_t"]],
  flock: ["int", ["int", "int"]],
  mkfifo: ["int", ["void *", "uint32_t"]],
  ioctl: ["int", ["int", "ulong", "void *"]],
  setrlimit: ["int", ["int", "void *"]],
  getpagesize: ["int", []],
  epoll_create1: ["int", ["int"]],
  epoll_ctl: ["int", ["int", "int", "int", "void *"]],
  epoll_wait: ["int", ["int", "void *", "int", "int"]],
} as const;

type CType = "int" | "long" | "ulong" | "size_t" | "uint32_t" | "intptr_t" | "int64_t" | "void *";
type JsType<T extends CType> = T extends "void *" ? Pointer : number;
type Arguments<T extends readonly CType[]> = { -readonly [K in keyof T]: JsType<T[K]> };
type Libc = {
  readonly [K in keyof typeof prototypes]: (...args: Arguments<(typeof prototypes)[K][1]>) => number;
};

let library: ReturnType<typeof koffi.load> | undefined;
const open = () => {
  library ??= koffi.load("libc.so.6");
  return library;
};

/** The C library's functions. Results are plain numbers; `errno` must be read at once, through `lastErrno`. */
export const libc = Object.defineProperties(
  {},
  Object.fromEntries(
    Object.entries(prototypes).map(([name, [result, args]]) => [
      name,
      {
        configurable: true,
        get(): unknown {
          const value = open().func(name, result, [...args]);
          Object.defineProperty(libc, name, { value });
          return value;
        },
      },
    ]),
  ),
) as Libc;

/** Numbers of system calls that the C library does not wrap, by Node's name of the architecture. */
const syscallNumbers: Record<string, { bpf: number; perfEventOpen: number }> = {
  x64: { bpf: 321, perfEventOpen: 298 },
  arm64: { bpf: 280, perfEventOpen: 241 },
  riscv64: { bpf: 280, perfEventOpen: 241 },
  loong64: { bpf: 280, perfEventOpen: 241 },
  ppc64: { bpf: 361, perfEventOpen: 319 },
  s390x: { bpf: 351, perfEventOpen: 331 },
};

function numberOf(call: "bpf" | "perfEventOpen"): number {
  const numbers = syscallNumbers[process.arch];
  if (!numbers) throw new Error(`the number of the system call ${call} is not known on ${process.arch}`);
  return numbers[call];
}

let bpfCall: ((number: number, command: number, attr: number, size: number) => number) | undefined;

/**
 * bpf(2): the raw call, which returns -1 and sets errno on failure. It takes the attribute's address: finding the
 * address of a buffer in every call would make a map lookup a tenth slower.
 */
export function rawBpf(command: number, attr: number, size: number): number {
  bpfCall ??= open().func("syscall", "long", ["long", "int", "intptr_t", "uint32_t"]) as never;
  return bpfCall(bpfNumber(), command, attr, size);
}

let cachedBpfNumber = 0;
function bpfNumber(): number {
  if (cachedBpfNumber === 0) cachedBpfNumber = numberOf("bpf");
  return cachedBpfNumber;
}

/** perf_event_open(2): the raw call, which returns -1 and sets errno on failure. */
export function rawPerfEventOpen(
  attr: Uint8Array,
  pid: number,
  cpu: number,
  groupFd: number,
  flags: number,
): number {
  const call = open().func("syscall", "long", ["long", "void *", "int", "int", "int", "ulong"]);
  return call(numberOf("perfEventOpen"), attr, pid, cpu, groupFd, flags) as number;
}

let ioctlValue: ((fd: number, request: number, value: number) => number) | undefined;

/** ioctl(2) for requests that take a number rather than a pointer. */
export function rawIoctlValue(fd: number, request: number, value: number): number {
  ioctlValue ??= open().func("ioctl", "int", ["int", "ulong", "ulong"]) as never;
  return ioctlValue(fd, request, value);
}

/** The error number that the last C call on this thread left. Only right when nothing ran in between. */
export function lastErrno(): number {
  return koffi.errno();
}

/** The address of the first byte of a buffer, which must stay reachable for as long as the address is in use. */
export function addressOf(bytes: Uint8Array): bigint {
  // V8 keeps small typed arrays inside the movable heap until their ArrayBuffer is asked for.
  void bytes.buffer;
  return koffi.address(bytes);
}

/** The memory at an address as an ArrayBuffer that does not own it. */
export function memoryAt(address: number, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length);
}

/** Watches a file descriptor with libuv's uv_poll. The callback gets (status, events): status is a negative errno. */
export function poll(fd: number, callback: (status: number) => void): PollHandle {
  const create = koffi.node.poll as unknown as (
    fd: number,
    options: object,
    cb: typeof callback,
  ) => PollHandle;
  return create(fd, { readable: true }, callback);
}

/** What {@link poll} gives: koffi's uv_poll handle, closed silently by the garbage collector unless it is held. */
export interface PollHandle {
  start(options: { readable: boolean }, callback: (status: number) => void): void;
  stop(): void;
  close(): void;
  ref(): void;
  unref(): void;
}

/** A signed integer argument in C's int range, or a RangeError: koffi wraps silently. */
export function int(value: number, what: string): number {
  if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0xffff_ffff) {
    throw new RangeError(`${what} must be a 32-bit integer, not ${value}`);
  }
  return value | 0;
}

/** Returns a call's result, or throws what errno says when it is negative. */
export function check(result: number, syscall: string, action: string, hint?: string): number {
  if (result >= 0) return result;
  throw new SystemError({ errno: lastErrno(), syscall, action, ...(hint === undefined ? {} : { hint }) });
}

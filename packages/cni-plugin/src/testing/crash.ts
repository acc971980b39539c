import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/**
 * Loaded with `node --import` before the plugin: the process dies, as by SIGKILL, right before its n-th system call that
 * changes anything, where n is CRASH_AT. What only looks leaves no other state behind than the call before it. Without
 * CRASH_AT it prints how many such calls there were, with their names, to the file CRASH_LOG.
 */
const at = Number(process.env.CRASH_AT);
const log = process.env.CRASH_LOG;
const calls: string[] = [];

function count(name: string): void {
  calls.push(name);
  if (calls.length === at) process.kill(process.pid, "SIGKILL");
}

/** Of the C library's functions, those that change something; the bytes of a message or attribute tell which do. */
const changing: Record<string, (...args: unknown[]) => string | undefined> = {
  send: (_fd, message) => {
    // struct nlmsghdr: requests with NLM_F_DUMP (0x300) only ask; RTM_GET* and generic netlink's families are not used.
    const view = new DataView(bytesAt(message, 8));
    const [type, flags] = [view.getUint16(4, true), view.getUint16(6, true)];
    // rtnetlink's types come in fours: NEW, DEL, GET, SET (include/uapi/linux/rtnetlink.h).
    return (type & 3) === 2 || (flags & 0x300) === 0x300 ? undefined : `netlink ${type}`;
  },
  syscall: (_number, command) => {
    // enum bpf_cmd: MAP_UPDATE_ELEM, MAP_DELETE_ELEM, OBJ_PIN, PROG_ATTACH, PROG_DETACH, the batches, LINK_CREATE,
    // LINK_UPDATE, LINK_DETACH. A map or program that was only made is gone with its maker.
    return [2, 3, 6, 8, 9, 26, 27, 28, 29, 34].includes(Number(command)) ? `bpf ${command}` : undefined;
  },
  mount: () => "mount",
  umount2: () => "umount2",
};

interface Koffi {
  load: (path: string) => { func: (name: string, ...rest: unknown[]) => unknown };
  view: (address: bigint, length: number) => ArrayBuffer;
}
let koffi: Koffi;

/** The first bytes of what a call is given, by reference or by address. */
function bytesAt(argument: unknown, length: number): ArrayBuffer {
  if (argument instanceof Uint8Array) return new Uint8Array(argument).buffer;
  return koffi.view(BigInt(argument as number), length);
}

// The addon through which all system calls go is loaded by this, whoever does it.
const { dlopen } = process;
process.dlopen = (module: object, path: string, ...rest: unknown[]) => {
  Reflect.apply(dlopen, process, [module, path, ...rest]);
  if (!path.endsWith("koffi.node")) return;
  koffi = (module as { exports: Koffi }).exports;
  const { load } = koffi;
  koffi.load = (file) => {
    const library = load(file);
    return {
      ...library,
      func(name, ...more) {
        const call = library.func(name, ...more) as (...args: unknown[]) => unknown;
        const describe = changing[name];
        if (!describe) return call;
        return (...args: unknown[]) => {
          const change = describe(...args);
          if (change !== undefined) count(change);
          return call(...args);
        };
      },
    };
  };
};

for (const name of [
  "mkdirSync",
  "writeFileSync",
  "renameSync",
  "rmSync",
  "rmdirSync",
  "unlinkSync",
  "writeSync",
] as const) {
  const call = fs[name] as (...args: unknown[]) => unknown;
  Reflect.set(fs, name, (...args: unknown[]) => {
    count(`${name} ${String(args[0])}`);
    return call(...args);
  });
}
syncBuiltinESMExports();

if (log) process.on("exit", () => fs.appendFileSync(log, `${calls.join("\n")}\n`));

import { readlinkSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { BpfCommand, cString, errno, type Fd, isBpffs, SystemError, tryBpf } from "@weir/syscall";
import { infoByFd, objectPath } from "./attributes.js";
import { bpfError, openBpf } from "./call.js";
import type { Fields, Layout } from "./layout.js";

/** What a BPF descriptor can be, as /proc names it. */
export type ObjectKind = "map" | "prog" | "link";

/** BPF_OBJ_PIN. Throws SystemError, which says what a bpffs is if the path is not on one. */
export function pinObject(fd: Fd, path: string): void {
  const result = tryBpf(BpfCommand.OBJ_PIN, objectPath.build({ pathname: cString(path), bpfFd: fd.number }));
  if (result < 0)
    throw bpfError(
      BpfCommand.OBJ_PIN,
      -result,
      `pin the ${fd.name} at ${path}`,
      ["CAP_BPF"],
      pinHint(path, -result),
    );
}

/** BPF_OBJ_GET; refuses a pin of another kind. `flags` are BPF_F_RDONLY or BPF_F_WRONLY. Throws SystemError. */
export function openPin(path: string, kind: ObjectKind, flags = 0): Fd {
  const name = `${kind === "prog" ? "program" : kind} pinned at ${path}`;
  const fd = openBpf(
    BpfCommand.OBJ_GET,
    objectPath.build({ pathname: cString(path), fileFlags: flags }),
    name,
    `open the ${name}`,
  );
  // BPF_OBJ_GET opens whatever is pinned there; taking a program for a map would misread everything about it.
  const found = objectKind(fd);
  if (found === kind) return fd;
  fd.close();
  throw new SystemError({
    errno: errno.EINVAL!,
    syscall: "bpf(BPF_OBJ_GET)",
    action: `open the ${name}`,
    hint: `What is pinned there is a ${found}.`,
  });
}

/** Whether something is there already. */
export function pinExists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** BPF_OBJ_GET_INFO_BY_FD: the info struct as the kernel fills it in. */
export function objectInfo<F extends Fields>(
  fd: Fd,
  layout: Layout<F>,
  struct = layout.build({}),
): ReturnType<Layout<F>["read"]> {
  const attr = infoByFd.build({ bpfFd: fd.number, infoLen: layout.size, info: struct });
  const result = tryBpf(BpfCommand.OBJ_GET_INFO_BY_FD, attr);
  if (result < 0) throw bpfError(BpfCommand.OBJ_GET_INFO_BY_FD, -result, `read about the ${fd.name}`);
  return layout.read(struct) as ReturnType<Layout<F>["read"]>;
}

const REFUSED = /[^A-Za-z0-9_.]/;

/** A name as the kernel takes it: at most 15 of [A-Za-z0-9_.] (bpf_obj_name_cpy, kernel/bpf/syscall.c). */
export function kernelName(name: string): string {
  return (REFUSED.test(name) ? name.replaceAll(/[^A-Za-z0-9_.]/g, "_") : name).slice(0, 15);
}

function objectKind(fd: Fd): string {
  // "anon_inode:bpf-map", "anon_inode:bpf-prog", "anon_inode:bpf_link"
  return /bpf[-_](\w+)/.exec(readlinkSync(`/proc/self/fd/${fd.number}`))?.[1] ?? "something else";
}

function pinHint(path: string, number: number): string | undefined {
  if (number === errno.EEXIST!)
    return "Something is pinned there already; open it, or remove the file first.";
  const folder = dirname(path);
  if (number === errno.ENOENT!) return `The folder ${folder} does not exist; make it.`;
  if (isBpffs(folder)) return undefined;
  return `${folder} is not on a BPF filesystem; mount one, as with "mount -t bpf bpf /sys/fs/bpf".`;
}

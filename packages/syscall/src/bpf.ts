import { SystemError } from "./errors.js";
import { lastErrno, rawBpf } from "./libc.js";
import type { Struct } from "./struct.js";

/** The commands of bpf(2): `enum bpf_cmd` of include/uapi/linux/bpf.h, without its BPF_ prefix. */
export const BpfCommand = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_DELETE_ELEM: 3,
  MAP_GET_NEXT_KEY: 4,
  PROG_LOAD: 5,
  OBJ_PIN: 6,
  OBJ_GET: 7,
  PROG_ATTACH: 8,
  PROG_DETACH: 9,
  PROG_TEST_RUN: 10,
  PROG_GET_NEXT_ID: 11,
  MAP_GET_NEXT_ID: 12,
  PROG_GET_FD_BY_ID: 13,
  MAP_GET_FD_BY_ID: 14,
  OBJ_GET_INFO_BY_FD: 15,
  PROG_QUERY: 16,
  RAW_TRACEPOINT_OPEN: 17,
  BTF_LOAD: 18,
  BTF_GET_FD_BY_ID: 19,
  TASK_FD_QUERY: 20,
  MAP_LOOKUP_AND_DELETE_ELEM: 21,
  MAP_FREEZE: 22,
  BTF_GET_NEXT_ID: 23,
  MAP_LOOKUP_BATCH: 24,
  MAP_LOOKUP_AND_DELETE_BATCH: 25,
  MAP_UPDATE_BATCH: 26,
  MAP_DELETE_BATCH: 27,
  LINK_CREATE: 28,
  LINK_UPDATE: 29,
  LINK_GET_FD_BY_ID: 30,
  LINK_GET_NEXT_ID: 31,
  ENABLE_STATS: 32,
  ITER_CREATE: 33,
  LINK_DETACH: 34,
  PROG_BIND_MAP: 35,
  TOKEN_CREATE: 36,
} as const;

const names = new Map<number, string>(
  Object.entries(BpfCommand).map(([name, number]) => [number, `BPF_${name}`]),
);

/** Holds the attribute of the call under way: the kernel gets its address, which by itself holds nothing. */
const underWay: { attr: Struct | undefined } = { attr: undefined };

function call(command: number, attr: Struct): number {
  underWay.attr = attr;
  const result = rawBpf(command, attr.address, attr.bytes.length);
  underWay.attr = undefined;
  return result;
}

/**
 * bpf(2).
 * @param command one of {@link BpfCommand}
 * @param attr the command's part of `union bpf_attr`; its size is passed as it is, so make it no longer than needed
 * @param action what is being done, as it reads after "could not"
 * @param hint what to try when it fails
 * @returns the result: a descriptor, or 0
 * @throws SystemError whose syscall names the command
 */
export function bpf(command: number, attr: Struct, action: string, hint?: string): number {
  const result = call(command, attr);
  if (result >= 0) return result;
  const number = lastErrno();
  throw new SystemError({
    errno: number,
    syscall: `bpf(${names.get(command) ?? command})`,
    action,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** bpf(2) for hot paths and probes: the result, or a negative error number; a refusal never throws. */
export function tryBpf(command: number, attr: Struct): number {
  const result = call(command, attr);
  return result >= 0 ? result : -lastErrno();
}

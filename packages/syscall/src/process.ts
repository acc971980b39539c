import { readFileSync } from "node:fs";
import { libc } from "./libc.js";
import { Struct } from "./struct.js";

/** Bit numbers of include/uapi/linux/capability.h. */
const capabilities: Record<string, number> = {
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
};

const RLIMIT_MEMLOCK = 8;

/**
 * Whether the calling thread holds a capability in its effective set. CAP_BPF and CAP_PERFMON, which Linux 5.8 split
 * off, also hold where CAP_SYS_ADMIN does.
 * @param name "CAP_BPF", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_PERFMON", "CAP_SYS_ADMIN" or "CAP_SYS_RESOURCE"
 */
export function hasCapability(name: string): boolean {
  const bit = capabilities[name];
  if (bit === undefined) throw new RangeError(`unknown capability "${name}"`);
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/thread-self/status", "latin1"));
  const set = BigInt(`0x${line?.[1] ?? "0"}`);
  const has = (number: number) => ((set >> BigInt(number)) & 1n) === 1n;
  return has(bit) || ((name === "CAP_BPF" || name === "CAP_PERFMON") && has(capabilities.CAP_SYS_ADMIN!));
}

/**
 * Lifts the limit on locked memory, against which kernels before 5.11 count BPF maps and programs.
 * @returns false where the process may not (CAP_SYS_RESOURCE)
 */
export function raiseMemlockLimit(): boolean {
  const infinity = 0xffff_ffff_ffff_ffffn;
  return libc.setrlimit(RLIMIT_MEMLOCK, new Struct(16).u64(0, infinity).u64(8, infinity).bytes) === 0;
}

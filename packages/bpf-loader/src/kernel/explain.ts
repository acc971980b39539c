import { NotSupportedError } from "@weir/syscall";
import { features } from "../features/probe.js";
import type { MapType, ProgramType } from "../names/tables.js";

// Linux versions that brought what a kernel since 5.4 may lack.
const programTypesSince: Partial<Record<ProgramType, string>> = {
  tracing: "5.5",
  struct_ops: "5.6",
  ext: "5.6",
  lsm: "5.7",
  sk_lookup: "5.9",
  syscall: "5.14",
  netfilter: "6.4",
};
const mapTypesSince: Partial<Record<MapType, string>> = {
  devmap_hash: "5.4",
  struct_ops: "5.6",
  ringbuf: "5.8",
  inode_storage: "5.10",
  task_storage: "5.11",
  bloom_filter: "5.16",
  user_ringbuf: "6.1",
  cgrp_storage: "6.2",
  arena: "6.9",
};
const helpersSince: Readonly<Record<number, readonly [name: string, since: string]>> = {
  160: ["bpf_ktime_get_coarse_ns", "5.11"],
  162: ["bpf_sock_from_file", "5.11"],
  163: ["bpf_check_mtu", "5.12"],
  164: ["bpf_for_each_map_elem", "5.13"],
  165: ["bpf_snprintf", "5.13"],
  166: ["bpf_sys_bpf", "5.14"],
  169: ["bpf_timer_init", "5.15"],
  181: ["bpf_loop", "5.17"],
  182: ["bpf_strncmp", "5.17"],
  192: ["bpf_skb_set_tstamp", "5.18"],
  195: ["bpf_map_lookup_percpu_elem", "5.19"],
  208: ["bpf_ktime_get_tai_ns", "6.1"],
};

/** The missing feature that explains why a program does not load; undefined if none is known to be missing. */
export function missingForProgram(
  type: ProgramType,
  code: Uint8Array,
  log: string,
): NotSupportedError | undefined {
  if (log === "" && features.programType(type) === false) {
    const since = programTypesSince[type];
    return new NotSupportedError({ feature: `programs of type ${type}`, ...(since && { since }) });
  }
  const helper = /invalid func unknown#(\d+)/.exec(log)?.[1];
  if (helper !== undefined) {
    const known = helpersSince[Number(helper)];
    return new NotSupportedError({
      feature: known ? `helper ${known[0]} (${helper})` : `helper ${helper}`,
      ...(known && { since: known[1] }),
    });
  }
  if (usesAtomics(code) && !features.atomics()) {
    return new NotSupportedError({
      feature: "atomic BPF instructions beyond a plain add",
      since: "5.12",
      hint: "The program uses fetch, exchange or compare-and-exchange; load a variant without them.",
    });
  }
  return undefined;
}

/** The missing feature that explains why a map is not created; undefined if none is known to be missing. */
export function missingForMap(type: MapType): NotSupportedError | undefined {
  if (features.mapType(type) !== false) return undefined;
  const since = mapTypesSince[type];
  return new NotSupportedError({ feature: `maps of type ${type}`, ...(since && { since }) });
}

/** Whether code has an atomic instruction (BPF_STX | BPF_ATOMIC, 4 or 8 bytes) other than BPF_ADD without fetch. */
function usesAtomics(code: Uint8Array): boolean {
  for (let at = 0; at + 8 <= code.length; at += 8) {
    const opcode = code[at];
    if (opcode === 0x18) at += 8;
    else if ((opcode === 0xc3 || opcode === 0xdb) && code.subarray(at + 4, at + 8).some((byte) => byte !== 0))
      return true;
  }
  return false;
}

import type { AttachType, MapType, ProgramType } from "../names/tables.js";

// Linux versions that brought what a kernel since 5.4 may lack.
const programTypes: Partial<Record<ProgramType, string>> = {
  tracing: "5.5",
  struct_ops: "5.6",
  ext: "5.6",
  lsm: "5.7",
  sk_lookup: "5.9",
  syscall: "5.14",
  netfilter: "6.4",
};
const mapTypes: Partial<Record<MapType, string>> = {
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
const attachTypes: readonly (readonly [string, readonly AttachType[]])[] = [
  [
    "5.8",
    [
      "trace_iter",
      "cgroup_inet4_getpeername",
      "cgroup_inet6_getpeername",
      "cgroup_inet4_getsockname",
      "cgroup_inet6_getsockname",
      "xdp_devmap",
    ],
  ],
  ["5.9", ["cgroup_inet_sock_release", "xdp_cpumap", "sk_lookup", "xdp"]],
  ["5.13", ["sk_skb_verdict"]],
  ["5.14", ["sk_reuseport_select", "sk_reuseport_select_or_migrate"]],
  ["5.15", ["perf_event"]],
  ["5.18", ["trace_kprobe_multi"]],
  ["6.0", ["lsm_cgroup"]],
  ["6.4", ["struct_ops", "netfilter"]],
  ["6.6", ["tcx_ingress", "tcx_egress", "trace_uprobe_multi"]],
  [
    "6.7",
    [
      "cgroup_unix_connect",
      "cgroup_unix_sendmsg",
      "cgroup_unix_recvmsg",
      "cgroup_unix_getpeername",
      "cgroup_unix_getsockname",
      "netkit_primary",
      "netkit_peer",
    ],
  ],
  ["6.10", ["trace_kprobe_session"]],
  ["6.13", ["trace_uprobe_session"]],
];
/** The last helper that each version had: helpers are numbered in the order in which they came. */
const lastHelpers: readonly (readonly [number, string])[] = [
  [110, "5.4"],
  [115, "5.5"],
  [118, "5.6"],
  [124, "5.7"],
  [135, "5.8"],
  [141, "5.9"],
  [155, "5.10"],
  [162, "5.11"],
  [163, "5.12"],
  [165, "5.13"],
  [168, "5.14"],
  [175, "5.15"],
  [179, "5.16"],
  [185, "5.17"],
  [193, "5.18"],
  [203, "5.19"],
  [207, "6.0"],
  [209, "6.1"],
  [211, "6.2"],
];

/** The Linux version that brought a program type; undefined for types that every kernel since 5.4 has. */
export function programTypeSince(type: ProgramType): string | undefined {
  return programTypes[type];
}

/** The Linux version that brought an attach type; undefined for those that every kernel since 5.7 has. */
export function attachTypeSince(type: AttachType): string | undefined {
  return attachTypes.find(([, types]) => types.includes(type))?.[0];
}

/** The Linux version that brought a map type; undefined for types that every kernel since 5.4 has. */
export function mapTypeSince(type: MapType): string | undefined {
  return mapTypes[type];
}

/** The Linux version that brought a helper, which a type of program may have been given later; undefined up to 5.4. */
export function helperSince(number: number): string | undefined {
  if (number <= lastHelpers[0]![0]) return undefined;
  return lastHelpers.find(([last]) => number <= last)?.[1];
}

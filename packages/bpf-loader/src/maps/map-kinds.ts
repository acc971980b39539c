import type { MapType } from "../names/tables.js";

// What sets map types apart for a program that reads and writes them; the kernel decides it type by type.

/** Whether each CPU has values of its own. */
export function isPerCpu(type: MapType | undefined): boolean {
  switch (type) {
    case "percpu_hash":
    case "percpu_array":
    case "lru_percpu_hash":
    case "percpu_cgroup_storage":
      return true;
    default:
      return false;
  }
}

/** Whether the keys are the numbers below max_entries. */
export function isIndexed(type: MapType | undefined): boolean {
  switch (type) {
    case "array":
    case "percpu_array":
    case "prog_array":
    case "perf_event_array":
    case "cgroup_array":
    case "array_of_maps":
    case "devmap":
    case "cpumap":
    case "xskmap":
    case "sockmap":
    case "reuseport_sockarray":
      return true;
    default:
      return false;
  }
}

/** Whether values are written as descriptors, and read, where the kernel lets them be read, as ids or cookies. */
export function holdsDescriptors(type: MapType | undefined): boolean {
  switch (type) {
    case "prog_array":
    case "perf_event_array":
    case "cgroup_array":
    case "array_of_maps":
    case "hash_of_maps":
    case "xskmap":
    case "sockmap":
    case "sockhash":
    case "reuseport_sockarray":
      return true;
    default:
      return false;
  }
}

/** Whether keys are descriptors: of a socket, an inode, a task (pidfd) or a cgroup. */
export function hasDescriptorKeys(type: MapType | undefined): boolean {
  switch (type) {
    case "sk_storage":
    case "inode_storage":
    case "task_storage":
    case "cgrp_storage":
      return true;
    default:
      return false;
  }
}

/** Whether values begin with a 32-bit number: of a device (devmap), or how many packets may wait (cpumap). */
export function isRedirect(type: MapType | undefined): boolean {
  return type === "devmap" || type === "devmap_hash" || type === "cpumap";
}

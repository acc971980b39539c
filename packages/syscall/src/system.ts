import { readFileSync } from "node:fs";
import { release } from "node:os";

/** A kernel version, as `uname -r` gives it. */
export interface KernelVersion {
  major: number;
  minor: number;
  patch: number;
  /** The whole text: "6.1.0-40-amd64". */
  release: string;
}

/** The version of the running kernel. Distributions backport features: probe for a feature rather than compare. */
export function kernelVersion(): KernelVersion {
  const text = release();
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return {
    major: Number(match?.[1] ?? 0),
    minor: Number(match?.[2] ?? 0),
    patch: Number(match?.[3] ?? 0),
    release: text,
  };
}

let cpus: number | undefined;

/** The number of CPUs that the kernel may ever bring up, by which it sizes the values of per-CPU maps. */
export function possibleCpus(): number {
  cpus ??= countCpus(readFileSync("/sys/devices/system/cpu/possible", "latin1"));
  return cpus;
}

/** Counts the CPUs in the kernel's list format, "0-3,8": five. A hole in the list has no slot in a per-CPU value. */
export function countCpus(list: string): number {
  let count = 0;
  for (const range of list.trim().split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (!match) throw new Error(`"${list.trim()}" is no list of CPUs`);
    count += Number(match[2] ?? match[1]) - Number(match[1]) + 1;
  }
  return count;
}

/** CLOCK_MONOTONIC in nanoseconds: the clock of bpf_ktime_get_ns and of the fq qdisc. */
export function monotonicNow(): bigint {
  return process.hrtime.bigint();
}

import { readFileSync } from "node:fs";
import { release } from "node:os";
import { libc } from "./libc.js";

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

/** The numbers of the CPUs that run now. */
export function onlineCpus(): number[] {
  return listCpus(readFileSync("/sys/devices/system/cpu/online", "latin1"));
}

/** Counts the CPUs in the kernel's list format, "0-3,8": five. A hole in the list has no slot in a per-CPU value. */
export function countCpus(list: string): number {
  return listCpus(list).length;
}

/** The CPUs in the kernel's list format. */
function listCpus(list: string): number[] {
  return list
    .trim()
    .split(",")
    .flatMap((range) => {
      const match = /^(\d+)(?:-(\d+))?$/.exec(range);
      if (!match) throw new Error(`"${list.trim()}" is no list of CPUs`);
      const first = Number(match[1]);
      return Array.from({ length: Number(match[2] ?? first) - first + 1 }, (_, i) => first + i);
    });
}

let page: number | undefined;

/** Bytes of a page of memory. */
export function pageSize(): number {
  page ??= libc.getpagesize();
  return page;
}

/** CLOCK_MONOTONIC in nanoseconds: the clock of bpf_ktime_get_ns and of the fq qdisc. */
export function monotonicNow(): bigint {
  return process.hrtime.bigint();
}

import { readdirSync, readlinkSync } from "node:fs";

/** What BPF descriptors this process has open, as /proc names them. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd")
    .flatMap((number) => {
      try {
        return [readlinkSync(`/proc/self/fd/${number}`)];
      } catch {
        return []; // the descriptor that lists the folder
      }
    })
    .filter((target) => /bpf|btf/.test(target))
    .sort();
}

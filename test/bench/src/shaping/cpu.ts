import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** How much a tick of /proc/stat is: USER_HZ, which is 100 on every architecture that Node runs on. */
const TICK_NS = 1e9 / 100;

/**
 * The CPU time that the machine has used since some moment, in nanoseconds, over all CPUs: what was not idle. Idle time
 * is measured where the tick stops in it (kernel/time/tick-sched.c); what the busy time went into is only sampled.
 */
export function busyNs(): number {
  const [cpu] = readFileSync("/proc/stat", "latin1").split("\n");
  // cpu user nice system idle iowait ...: Documentation/filesystems/proc.rst
  const fields = cpu!.trim().split(/\s+/).map(Number);
  return Number(process.hrtime.bigint()) * cpus().length - (fields[4]! + fields[5]!) * TICK_NS;
}

import { setTimeout as sleep } from "node:timers/promises";
import { guardLimit } from "../guard/guard.js";
import type { Limit } from "../limits.js";
import type { GuardLab, LabPod } from "./guard-lab.js";

const SECONDS = 4;

/** What arrived at the far host, and what a guard may let through in that time. */
export interface Arrival {
  bytes: number;
  allowed: number;
  bitsPerSecond: number;
}

/**
 * What arrives while a pod sends past its qdiscs.
 * @param source the address that it claims to be
 * @param destination where to, by IP; the far host gets it in any case
 */
export function bypass(
  lab: GuardLab,
  pod: LabPod,
  limit: Limit,
  source: string,
  device?: string,
  destination?: string,
): Promise<Arrival> {
  const work = async () => {
    // The credit is spent by then, so that what is printed is the steady rate; what is asserted holds at any time.
    await sleep(1500);
    return await measure(lab, limit);
  };
  return lab.sendPast(pod, source, work, device, destination);
}

/** A rate in words. */
export const mbit = (bitsPerSecond: number) => `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;

async function measure(lab: GuardLab, limit: Limit): Promise<Arrival> {
  const first = lab.arrived();
  await sleep(SECONDS * 1000);
  const last = lab.arrived();
  const seconds = Number(last.ns - first.ns) / 1e9;
  const { bitsPerSecond, burstNs } = guardLimit(limit);
  const bytes = Number(last.bytes - first.bytes);
  const allowed = (Number(bitsPerSecond) / 8) * (seconds + Number(burstNs) / 1e9) + 3000;
  return { bytes, allowed, bitsPerSecond: (bytes * 8) / seconds };
}

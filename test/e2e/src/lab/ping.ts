import { inPod } from "./iperf.js";
import type { Pod } from "./lab.js";

/** How long echoes took, in milliseconds; absent where none came back. */
export interface PingResult {
  p50: number;
  p99: number;
}

/** How long echoes took, in milliseconds and ascending order, and how many were asked for. */
export interface Echoes {
  times: number[];
  sent: number;
}

/** Pings ten times a second. */
export async function ping(options: {
  from: Pod;
  to: Pod;
  seconds: number;
}): Promise<PingResult | undefined> {
  const { times } = await echoes({ ...options, intervalMs: 100 });
  if (times.length === 0) return undefined;
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** Pings at an interval. */
export async function echoes(options: {
  from: Pod;
  to: Pod;
  seconds: number;
  intervalMs: number;
}): Promise<Echoes> {
  const { from, to, seconds, intervalMs } = options;
  const interval = String(intervalMs / 1000);
  const output = await inPod(from, ["ping", "-n", "-i", interval, "-w", String(seconds), to.address]);
  const times = [...output.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]));
  const sent = Number(/(\d+) packets transmitted/.exec(output)?.[1] ?? 0);
  return { times: times.sort((a, b) => a - b), sent };
}

/** A quantile of numbers in ascending order: the least that at least that share of them does not exceed. */
export function quantile(sorted: number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

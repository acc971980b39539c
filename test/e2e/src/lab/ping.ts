import { inPod } from "./iperf.js";
import type { Pod } from "./lab.js";

/** How long echoes took, in milliseconds; absent where none came back. */
export interface PingResult {
  p50: number;
  p99: number;
}

/** Pings ten times a second. */
export async function ping(options: {
  from: Pod;
  to: Pod;
  seconds: number;
}): Promise<PingResult | undefined> {
  const { from, to, seconds } = options;
  const output = await inPod(from, ["ping", "-n", "-i", "0.1", "-w", String(seconds), to.address]);
  const times = [...output.matchAll(/ time=([\d.]+) ms/g)]
    .map((match) => Number(match[1]))
    .sort((a, b) => a - b);
  if (times.length === 0) return undefined;
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** A quantile of numbers in ascending order: the least that at least that share of them does not exceed. */
export function quantile(sorted: number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

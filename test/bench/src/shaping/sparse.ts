import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { echoes, inPod, type Pod, quantile } from "@weir/test-e2e/lab";
import type { SparseResult } from "./report.js";

const PORT = 7070;

/** Compiles flows.c. Takes gcc. */
export function compileFlows(program: string): void {
  const source = fileURLToPath(new URL("../../src/shaping/flows.c", import.meta.url));
  execFileSync("gcc", ["-D_GNU_SOURCE", "-O2", "-Wall", "-Werror", "-o", program, source], {
    stdio: "inherit",
  });
}

/** A service in a pod that answers requests over TCP. */
export class Service implements Disposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @param program what {@link compileFlows} made */
  static async start(pod: Pod, program: string): Promise<Service> {
    const child = spawn("nsenter", [`--net=${pod.netns}`, program, "serve", String(PORT)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    return new Service(child);
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

/** What a sparse flow is measured with. */
export interface SparseOptions {
  from: Pod;
  to: Pod;
  seconds: number;
  intervalMs: number;
}

/** Pings. */
export async function pings(options: SparseOptions): Promise<SparseResult> {
  const { times, sent } = await echoes(options);
  return summary(times, sent);
}

/** Asks the service in a pod. */
export async function requests(options: SparseOptions, program: string): Promise<SparseResult> {
  const { from, to, seconds, intervalMs } = options;
  const args = ["ask", to.address, String(PORT), String(intervalMs * 1000), String(seconds)];
  const output = await inPod(from, [program, ...args]);
  const times = output
    .split("\n")
    .filter(Boolean)
    .map((line) => Number(line) / 1000)
    .sort((a, b) => a - b);
  return summary(times, times.length);
}

function summary(times: number[], sent: number): SparseResult {
  const of = (share: number) => (times.length > 0 ? quantile(times, share) : null);
  return { sent, answered: times.length, p50: of(0.5), p99: of(0.99) };
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { burstNs, horizonNs, passNs } from "../limit-entry.js";
import type { Limit } from "../limits.js";

/** TCP flows between two namespaces, in several processes that each send some of them. */
export interface Flows {
  from: string;
  to: string;
  /** Where the receivers listen. */
  address: string;
  processes: number;
  flowsEach: number;
  seconds: number;
  /** Further arguments of iperf3's clients. */
  args?: readonly string[];
}

/** Sends, and calls `look` a few times in each second until all is over. Throws where a sender fails. */
export async function sendFlows(flows: Flows, look: () => void): Promise<void> {
  const { from, to, address, processes, flowsEach, seconds, args = [] } = flows;
  const servers: ChildProcess[] = [];
  const clients: ChildProcess[] = [];
  const timer = setInterval(look, 200);
  const run = (netns: string, ...rest: string[]) =>
    spawn("nsenter", [`--net=${netns}`, "iperf3", ...rest], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    for (let number = 0; number < processes; number++) {
      const port = ["-p", String(5201 + number)];
      const server = run(to, "-s", "-1", "--forceflush", ...port);
      servers.push(server);
      await once(server.stdout!, "data");
      server.stdout!.resume();
      const what = ["-P", String(flowsEach), "-t", String(seconds), "-A", String(number)];
      const client = run(from, "-c", address, ...port, ...what, ...args);
      client.stdout!.resume();
      clients.push(client);
    }
    const statuses = await Promise.all(clients.map(async (client) => (await once(client, "exit"))[0]));
    look();
    if (statuses.some((status) => status !== 0)) throw new Error(`iperf3 ended with ${statuses.join(", ")}`);
  } finally {
    clearInterval(timer);
    for (const child of [...clients, ...servers]) child.kill("SIGKILL");
  }
}

/** What has arrived at one moment. */
export interface Look {
  seconds: number;
  bytes: number;
}

/**
 * What a limit lets arrive early, in bytes: its credit, what passes in front of others, and the two horizons by which a
 * packet may leave before those that were there before it.
 */
export function creditOf(limit: Limit): number {
  const ahead = burstNs(limit) + passNs(limit) + 2n * horizonNs(limit);
  return Number((ahead * limit.bitsPerSecond) / 8_000_000_000n);
}

/**
 * How much more than a limit had arrived at any of several looks, in bytes: no more than {@link creditOf}.
 * @param looks beginning with one before anything was sent
 */
export function excess(looks: readonly Look[], bitsPerSecond: bigint): number {
  const [first] = looks as [Look];
  const over = looks.map(
    ({ seconds, bytes }) => bytes - first.bytes - ((seconds - first.seconds) * Number(bitsPerSecond)) / 8,
  );
  return Math.max(...over);
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Pod } from "./lab.js";

/** What takes part: a namespace with an address. */
export type Endpoint = Pick<Pod, "name" | "netns" | "address">;

/** The socket buffers of UDP tests: more than any queue that weir allows. */
const WINDOW_BYTES = 4_000_000;

/**
 * How many datagrams are sent at a time, as iperf3 does for TCP. Where it asks for the time and for room before each
 * one, an emulated machine offers less than three times the limit, and at times less than the limit.
 */
const BURST = 10;

/** Lets sockets have the buffers that UDP tests ask for; the setting is the whole machine's, so it is for the VM. */
export function allowLargeBuffers(): void {
  for (const name of ["rmem_max", "wmem_max"])
    writeFileSync(`/proc/sys/net/core/${name}`, String(WINDOW_BYTES));
}

/** What one iperf3 test saw. */
export interface IperfResult {
  /** Payload bits per second at the receiver. */
  goodputBitsPerSecond: number;
  /** The same of each stream. */
  streams: number[];
  /** TCP segments that were sent again; absent for UDP. */
  retransmits?: number;
  /** Datagrams that got lost, from 0 to 1; absent for TCP. */
  lost?: number;
}

/** An iperf3 server in a pod. */
export class IperfServer implements Disposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(pod: Endpoint): Promise<IperfServer> {
    const child = spawn("nsenter", [`--net=${pod.netns}`, "iperf3", "-s", "--forceflush"], {
      // A server that is stopped complains about it.
      stdio: ["ignore", "pipe", "ignore"],
    });
    const started = once(child.stdout, "data");
    const ended = once(child, "exit").then(() => {
      throw new Error(`the iperf3 server in ${pod.name} ended at once: is its port in use?`);
    });
    ended.catch(() => {});
    await Promise.race([started, ended]);
    return new IperfServer(child);
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

/**
 * Runs iperf3 from one pod to another's server.
 * @param options.bitsPerSecond what UDP offers, all streams together; TCP sends what it can
 * @param options.patienceSeconds how much longer than the test it may take before it is given up; default 60
 */
export async function iperf(options: {
  from: Endpoint;
  to: Endpoint;
  protocol: "tcp" | "udp";
  seconds: number;
  bitsPerSecond?: number;
  streams?: number;
  patienceSeconds?: number;
}): Promise<IperfResult> {
  const { from, to, protocol, seconds, bitsPerSecond, streams = 1, patienceSeconds = 60 } = options;
  // With the default socket buffer a sender of datagrams waits for the shaper instead of offering what it is told to.
  // Where it shares a CPU with the receiver, which the scheduler lets them do for up to a second, each packet costs two
  // changes between them, and less than the limit is offered.
  const udp =
    protocol === "udp"
      ? [
          "--udp",
          "--bitrate",
          `${Math.round((bitsPerSecond ?? 0) / streams)}/${BURST}`,
          "--window",
          String(WINDOW_BYTES),
          ...["--affinity", `0,${Math.min(1, availableParallelism() - 1)}`],
        ]
      : [];
  const args = [
    "timeout",
    String(seconds + patienceSeconds),
    "iperf3",
    "--client",
    to.address,
    "--time",
    String(seconds),
    "--parallel",
    String(streams),
    "--json",
    ...udp,
  ];
  const output = await inPod(from, args);
  const report = JSON.parse(output || "{}") as {
    error?: string;
    end?: {
      streams?: { receiver?: { bits_per_second: number }; udp?: { bits_per_second: number } }[];
      sum_sent?: { retransmits?: number };
      sum_received?: { bits_per_second: number; lost_percent?: number };
    };
  };
  const received = report.end?.sum_received;
  if (!received)
    throw new Error(
      `iperf3 from ${from.name} to ${to.name} failed: ${report.error ?? (output || "it was given up")}`,
    );
  const each = report.end?.streams ?? [];
  const seen = {
    goodputBitsPerSecond: received.bits_per_second,
    streams: each.map(({ receiver, udp }) => (receiver ?? udp)?.bits_per_second ?? 0),
  };
  return protocol === "tcp"
    ? { ...seen, retransmits: report.end?.sum_sent?.retransmits ?? 0 }
    : { ...seen, lost: (received.lost_percent ?? 0) / 100 };
}

/** Runs a program in a pod and gives what it prints, whatever its exit status. */
export async function inPod(pod: Endpoint, command: string[]): Promise<string> {
  const child = spawn("nsenter", [`--net=${pod.netns}`, ...command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  await once(child, "close");
  return output;
}

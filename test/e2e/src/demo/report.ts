import type { IpvlanMode } from "../lab/lab.js";
import type { PingResult } from "../lab/ping.js";

/** One test of the demo. */
export interface Run {
  name: string;
  protocol: "tcp" | "udp";
  /** Which way the limited pod's traffic went. */
  direction: "egress" | "ingress";
  /** Between two nodes, or between two pods on one master. */
  path: "remote" | "local";
  limited: boolean;
  /** Bits per second on the wire, all headers included, in each second; the first is the first. */
  wireBitsPerSecond: number[];
  /** Payload bits per second over the whole test. */
  goodputBitsPerSecond: number;
  /** TCP segments that were sent again. */
  retransmits: number;
  /** Echoes between the same two pods during the test. */
  pingMs: PingResult | { p50: null; p99: null };
}

/** What the demo measured: demo/report.json. */
export interface Report {
  kernel: string;
  mode: IpvlanMode;
  limitBitsPerSecond: number;
  runs: Run[];
}

/** The report as a table for the terminal. */
export function table({ kernel, mode, limitBitsPerSecond, runs }: Report): string {
  const heading = [
    "test",
    "limit",
    "goodput",
    "wire",
    "first second",
    "worst second",
    "retransmits",
    "ping p50 / p99",
  ];
  const rows = runs.map((run) => {
    const { wireBitsPerSecond: wire, limited, pingMs, retransmits, protocol } = run;
    const mean = wire.reduce((sum, rate) => sum + rate, 0) / wire.length;
    const farthest = limited ? worst(wire, limitBitsPerSecond) : Math.min(...wire);
    return [
      run.name,
      limited ? megabits(limitBitsPerSecond) : "none",
      megabits(run.goodputBitsPerSecond),
      megabits(mean),
      megabits(wire[0]),
      megabits(farthest),
      protocol === "udp" ? "-" : String(retransmits),
      pingMs.p50 === null ? "no answer" : `${pingMs.p50.toFixed(1)} / ${pingMs.p99.toFixed(1)} ms`,
    ];
  });
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const title = `Linux ${kernel}, ipvlan ${mode.toUpperCase()}, limit ${megabits(limitBitsPerSecond)} (Mbit/s; wire: with all headers)`;
  return [title, "", line(heading), rule, ...rows.map(line)].join("\n");
}

/** The second that is farthest from the limit. */
export function worst(wire: number[], limit: number): number {
  return wire.reduce((far, rate) => (Math.abs(rate - limit) > Math.abs(far - limit) ? rate : far), limit);
}

function megabits(bitsPerSecond: number | undefined): string {
  return bitsPerSecond === undefined || !Number.isFinite(bitsPerSecond)
    ? "-"
    : (bitsPerSecond / 1e6).toFixed(1);
}

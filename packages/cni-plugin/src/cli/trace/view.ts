import type { Direction } from "@weir/shaper";
import { formatCount, formatNs, formatRate, formatShortRate } from "../../units.js";
import type { Rates } from "../rates.js";
import type { Terminal } from "../terminal.js";
import type { Bucket, Histogram } from "./histogram.js";

/** What was seen of one direction. */
export interface DirectionTrace {
  readonly direction: Direction;
  readonly limitBitsPerSecond: bigint;
  readonly waits: Histogram;
  /** What the counters say of the time that the trace took. */
  readonly passed: { readonly packets: bigint; readonly dropped: bigint; readonly marked: bigint };
  readonly rates?: Rates;
}

/** What was seen. */
export interface TraceReport {
  readonly name: string;
  readonly device: string;
  readonly seconds: number;
  readonly sampleEvery: number;
  readonly lost: bigint;
  readonly unstamped: bigint;
  readonly directions: readonly DirectionTrace[];
}

const WIDEST_BAR = 60;

/** The lines of a report: for each direction a histogram of waits, and what else happened to its packets. */
export function renderTrace(
  report: TraceReport,
  { columns, style }: Pick<Terminal, "columns" | "style">,
): string[] {
  const { name, device, seconds, sampleEvery, lost, unstamped } = report;
  const every = sampleEvery === 1 ? "every packet" : `one packet in ${sampleEvery}`;
  const lines = [`${style.bold(name)} ${device}: ${seconds.toFixed(1)} s, ${every}`];
  for (const one of report.directions) lines.push("", ...renderDirection(one, { columns, style }));
  if (unstamped > 0n) lines.push("", `${unstamped} packets were of traffic that the limit is not for.`);
  if (lost > 0n) lines.push("", style.yellow(`${lost} samples were lost: sample fewer, with --sample.`));
  return lines;
}

function renderDirection(
  { direction, limitBitsPerSecond, waits, passed, rates }: DirectionTrace,
  { columns, style }: Pick<Terminal, "columns" | "style">,
): string[] {
  const now = rates ? `, ${formatRate(BigInt(Math.round(rates.bitsPerSecond)))} passed` : "";
  const title = `${style.bold(direction)}  limit ${formatRate(limitBitsPerSecond)}${now}`;
  const all = passed.packets + passed.dropped;
  const share = (count: bigint) => (all === 0n ? "" : ` (${percent(Number(count) / Number(all))})`);
  const drops = `${passed.dropped} dropped${share(passed.dropped)}`;
  const fate = `  ${passed.packets} packets let through, ${passed.dropped > 0n ? style.yellow(drops) : drops}, ${passed.marked} marked${share(passed.marked)}`;
  if (waits.count === 0) return [title, "  no packet came by", fate];
  const { buckets } = waits;
  const most = Math.max(...buckets.map(({ count }) => count));
  const rows = buckets.map((bucket) => {
    const texts = [label(bucket).padStart(16), formatCount(BigInt(bucket.count)).padStart(6)] as const;
    const room = Math.max(Math.min(columns - 28, WIDEST_BAR), 10);
    return `  ${texts[0]} ${texts[1]}  ${bar(bucket.count / most, room)}`.trimEnd();
  });
  const times = [
    ["p50", waits.quantileNs(0.5)],
    ["p90", waits.quantileNs(0.9)],
    ["p99", waits.quantileNs(0.99)],
    ["longest", waits.longestNs],
  ] as const;
  const figures = times.map(([name, ns]) => `${name} ${time(ns)}`).join("  ");
  return [
    title,
    style.dim(`  ${"wait".padStart(16)} ${"packets".padStart(6)}`),
    ...rows,
    `  ${waits.count} packets  ${figures}`,
    fate,
  ];
}

/** "128 - 256 µs". */
function label({ fromNs, toNs }: Bucket): string {
  if (fromNs === 0) return "none";
  const [from, to] = [round(fromNs), round(toNs)];
  const unit = to.split(" ")[1]!;
  return `${from.endsWith(` ${unit}`) ? from.split(" ")[0] : from} - ${to}`;
}

/** Powers of two of a microsecond, as people say them: 1 ms is 1024 µs. */
function round(ns: number): string {
  const us = ns / 1000;
  if (us < 1000) return `${us} µs`;
  if (us < 1_000_000) return `${Math.floor(us / 1000)} ms`;
  return `${Math.floor(us / 1_000_000)} s`;
}

function time(ns: number): string {
  return ns < 1000 ? "0" : formatNs(BigInt(Math.round(ns)));
}

function percent(fraction: number): string {
  const value = fraction * 100;
  if (value === 0) return "0%";
  return value < 0.1 ? "<0.1%" : `${value.toFixed(value < 10 ? 1 : 0)}%`;
}

/** A bar of eighths of a character; what is there at all is seen. */
function bar(fraction: number, room: number): string {
  const eighths = Math.max(Math.round(fraction * room * 8), fraction > 0 ? 1 : 0);
  const rest = " ▏▎▍▌▋▊▉"[eighths % 8]!;
  return `${"█".repeat(Math.floor(eighths / 8))}${rest.trim()}`;
}

/** A short line of a trace that is under way. */
export function progress(directions: readonly DirectionTrace[], leftSeconds: number): string {
  const parts = directions.map(
    ({ direction, waits, rates }) =>
      `${direction} ${formatShortRate(rates?.bitsPerSecond ?? 0)}bit/s p50 ${time(waits.quantileNs(0.5))} p99 ${time(waits.quantileNs(0.99))}`,
  );
  return `${parts.join(", ")}, ${Math.ceil(leftSeconds)} s left; Ctrl-C ends it`;
}

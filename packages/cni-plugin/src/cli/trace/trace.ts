import { type AttachmentRecord, type Direction, directions, Shaper, Trace } from "@weir/shaper";
import type { Printable } from "../../json.js";
import { findAttachment, podName } from "../attachments.js";
import type { Context } from "../commands.js";
import { CommandError, type ExitCode, exitCode } from "../errors.js";
import { existingNamespace, namespacePath } from "../namespace.js";
import { difference } from "../rates.js";
import { cutLine } from "../table.js";
import { untilSignalled, wait } from "../wait.js";
import { Histogram } from "./histogram.js";
import { type DirectionTrace, progress, renderTrace, type TraceReport } from "./view.js";

/** What `weir trace` is asked for. */
export interface TraceCommandOptions {
  /** The pod's name, or an id. */
  readonly pod?: string;
  readonly netns?: string;
  readonly device?: string;
  readonly seconds: number;
  /** One packet in so many; by default as many as a trace keeps up with. */
  readonly sample?: number;
}

/** The ring has room for 10,000 samples. */
const READ_MS = 50;
const PROGRESS_MS = 500;
/** What a trace keeps up with without effort, in packets of 1500 bytes a second. */
const PACKETS_PER_SECOND = 20_000;
/** How much longer than asked for the program looks on at most. */
const GRACE_MS = 5000;

/** `weir trace`. */
export async function trace(
  given: TraceCommandOptions,
  { terminal, options, json }: Context,
): Promise<ExitCode> {
  using shaper = Shaper.open(options);
  const record = target(shaper, given);
  const sampleEvery = given.sample ?? sampleRate(record);
  const ms = given.seconds * 1000;
  const waits = { egress: new Histogram(), ingress: new Histogram() };
  const before = shaper.counters(record.id);
  using signalled = untilSignalled();
  const live = !json && process.stderr.isTTY === true;
  let lastProgress = 0;
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  const seen = (): DirectionTrace[] => {
    const now = shaper.counters(record.id);
    return directions.flatMap((direction) =>
      directionTrace(direction, record, waits, before, now, elapsed()),
    );
  };
  let report: TraceReport;
  {
    using traced = Trace.open(record.id, { ...options, sampleEvery, lifetimeMs: ms + GRACE_MS });
    const read = () => traced.read(({ direction, waitNs }) => waits[direction].add(waitNs));
    try {
      while (elapsed() < ms && !signalled.signal.aborted) {
        await wait(Math.min(READ_MS, ms - elapsed()), signalled.signal);
        read();
        if (!live || elapsed() - lastProgress < PROGRESS_MS) continue;
        lastProgress = elapsed();
        const line = progress(seen(), (ms - elapsed()) / 1000);
        process.stderr.write(`\r${cutLine(line, (process.stderr.columns || 80) - 1)}\u001b[K`);
      }
    } finally {
      if (live) process.stderr.write("\r\u001b[K");
    }
    read();
    const { lost, unstamped } = traced.counts;
    report = {
      name: podName(record),
      device: record.device,
      seconds: elapsed() / 1000,
      sampleEvery,
      lost,
      unstamped,
      directions: seen(),
    };
  }
  if (json) terminal.printJson(reportJson(record, report));
  else terminal.print(renderTrace(report, terminal).join("\n"));
  return exitCode.OK;
}

function target(shaper: Shaper, { pod, netns, device }: TraceCommandOptions): AttachmentRecord {
  if (pod !== undefined) return findAttachment(shaper, pod);
  const path = existingNamespace(netns!);
  const inside = shaper.list().filter((record) => namespacePath(record.netns) === path);
  const found = inside.filter((record) => device === undefined || record.device === device);
  if (found.length === 1) return found[0]!;
  const names = inside.map((record) => record.device).join(", ");
  throw found.length === 0
    ? new CommandError(
        `${device ?? "nothing"} in ${path} is ${device === undefined ? "" : "not "}shaped`,
        names === "" ? "`weir status` lists what is." : `There ${names} is.`,
      )
    : new CommandError(`several devices in ${path} are shaped`, `Name one with --device: ${names}.`);
}

/** So that a pod at its limit gives as many samples as a trace keeps up with. */
function sampleRate({ limits }: AttachmentRecord): number {
  const rates = [limits.egress, limits.ingress].map((limit) => Number(limit?.bitsPerSecond ?? 0n));
  return Math.max(Math.ceil(Math.max(...rates) / (PACKETS_PER_SECOND * 1500 * 8)), 1);
}

function directionTrace(
  direction: Direction,
  { limits }: AttachmentRecord,
  waits: { [direction in Direction]: Histogram },
  before: ReturnType<Shaper["counters"]>,
  now: ReturnType<Shaper["counters"]>,
  intervalMs: number,
): DirectionTrace[] {
  const limit = limits[direction];
  const [first, last] = [before[direction], now[direction]];
  if (!limit || !first || !last) return [];
  const rates = difference(first, last, intervalMs);
  const passed = {
    packets: last.packets - first.packets,
    dropped: last.dropped - first.dropped,
    marked: last.marked - first.marked,
  };
  return [
    {
      direction,
      limitBitsPerSecond: limit.bitsPerSecond,
      waits: waits[direction],
      passed,
      ...(rates ? { rates } : {}),
    },
  ];
}

function reportJson({ id, netns, device, pod }: AttachmentRecord, report: TraceReport): Printable {
  const { seconds, sampleEvery, lost, unstamped, directions } = report;
  const parts = directions.map(({ direction, limitBitsPerSecond, waits, passed, rates }) => [
    direction,
    {
      limitBitsPerSecond,
      ...passed,
      ...(rates ? { bitsPerSecond: rates.bitsPerSecond } : {}),
      samples: waits.count,
      meanNs: waits.meanNs,
      p50Ns: waits.quantileNs(0.5),
      p90Ns: waits.quantileNs(0.9),
      p99Ns: waits.quantileNs(0.99),
      longestNs: waits.longestNs,
      buckets: waits.buckets,
    },
  ]);
  return {
    id,
    pod,
    netns,
    device,
    seconds,
    sampleEvery,
    lost,
    unstamped,
    ...Object.fromEntries(parts),
  } as unknown as Printable;
}

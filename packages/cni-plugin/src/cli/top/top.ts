import { type AttachmentRecord, directions, Shaper } from "@weir/shaper";
import type { Context } from "../commands.js";
import { CommandError, type ExitCode, exitCode } from "../errors.js";
import { RateMeter } from "../rates.js";
import { inspectRecord, type Known, statusJson, statusRows } from "../status.js";
import { untilSignalled, wait } from "../wait.js";
import { Screen } from "./screen.js";
import { firstView, pageOf, press, render, type View } from "./view.js";

/** How many attachments' health is looked at each time: it takes longer than the counters, and changes seldom. */
const HEALTH_AT_ONCE = 50;

/** `weir top`. */
export async function top(
  { intervalMs, count = Number.POSITIVE_INFINITY }: { intervalMs: number; count?: number },
  context: Context,
): Promise<ExitCode> {
  const { terminal, json } = context;
  if (json) return printLines(intervalMs, count, context);
  if (!process.stdout.isTTY || !process.stdin.isTTY) {
    throw new CommandError("weir top needs a terminal", "Use `weir top --json`, or `weir status`.");
  }
  using signalled = untilSignalled();
  const ended = new AbortController();
  signalled.signal.addEventListener("abort", () => ended.abort());
  let view: View = firstView;
  let lines = () => [] as string[];
  const redraw = () => screen.draw(lines());
  const watch = new Watch(context);
  using screen = new Screen((key) => {
    const next = press(view, key, pageOf(screen.size.rows));
    if (next === "quit") return ended.abort();
    view = next;
    redraw();
  }, redraw);
  for (let looks = 0; looks < count && !ended.signal.aborted; looks++) {
    const { all, meter } = watch.look();
    const rows = statusRows(all, meter);
    const clock = new Date().toTimeString().slice(0, 8);
    lines = () => render(view, all, rows, { ...screen.size, clock, style: terminal.style });
    redraw();
    // Rates take a second look, for which nobody waits long.
    await wait(looks === 0 ? Math.min(intervalMs, 250) : intervalMs, ended.signal);
  }
  return exitCode.OK;
}

async function printLines(intervalMs: number, count: number, context: Context): Promise<ExitCode> {
  using signalled = untilSignalled();
  const watch = new Watch(context);
  watch.look();
  for (let looks = 0; looks < count; looks++) {
    await wait(intervalMs, signalled.signal);
    if (signalled.signal.aborted) break;
    const { all, meter } = watch.look();
    context.terminal.printLine({
      time: new Date().toISOString(),
      attachments: all.map((one) => statusJson(one, meter)),
    });
  }
  return exitCode.OK;
}

/** Looks at all attachments again and again: at the counters each time, at the health in turns. */
class Watch {
  readonly #context: Context;
  readonly #meter = new RateMeter();
  #known = new Map<string, Known>();
  #next = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  look(): { all: Known[]; meter: RateMeter } {
    // A new one each time: what is pinned may be another version's by now.
    using shaper = Shaper.open(this.#context.options);
    const records = shaper.list();
    this.#meter.sample(
      shaper,
      records.map(({ id }) => id),
    );
    const due = new Set<string>();
    for (let count = 0; count < Math.min(HEALTH_AT_ONCE, records.length); count++) {
      due.add(records[this.#next++ % records.length]!.id);
    }
    const known = new Map<string, Known>();
    for (const record of records) {
      const before = this.#known.get(record.id);
      known.set(
        record.id,
        due.has(record.id) || !before ? inspectRecord(shaper, record) : refreshed(shaper, record, before),
      );
    }
    this.#known = known;
    return { all: [...known.values()], meter: this.#meter };
  }
}

/** What was known, with the counters and limits of now. */
function refreshed(shaper: Shaper, record: AttachmentRecord, before: Known): Known {
  const next: Known = { ...before, record };
  let counters: ReturnType<Shaper["counters"]>;
  try {
    counters = shaper.counters(record.id);
  } catch {
    return next;
  }
  for (const direction of directions) {
    const [state, counted] = [before[direction], counters[direction]];
    if (!state || !counted) continue;
    const limit = record.limits[direction];
    next[direction] = { ...state, ...counted, ...(limit ? { bitsPerSecond: limit.bitsPerSecond } : {}) };
  }
  return next;
}

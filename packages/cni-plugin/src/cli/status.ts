import {
  type AttachmentRecord,
  type Direction,
  type DirectionState,
  directions,
  type GsoState,
  type GuardState,
  type Inspection,
  type Limit,
  type Problem,
  type Shaper,
} from "@weir/shaper";
import { joinRemedy } from "../cni/explain.js";
import type { Printable } from "../json.js";
import { formatBytes, formatCount, formatNs, formatShortRate } from "../units.js";
import { interfaceName, podName } from "./attachments.js";
import type { RateMeter, Rates } from "./rates.js";
import { type CellLike, type Column, formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

/** What is known of one attachment: always its record, and its state where the kernel could be asked. */
export interface Known {
  record: Pick<AttachmentRecord, "id" | "netns" | "device" | "limits" | "aggregate" | "uplink" | "pod">;
  healthy: boolean;
  problems: readonly Problem[];
  egress?: DirectionState;
  ingress?: DirectionState;
  gso?: GsoState;
  guard?: GuardState;
}

/** Asks for the state of every record; what cannot be asked becomes a problem of that attachment alone. */
export function inspectAll(shaper: Shaper): Known[] {
  return shaper.list().map((record) => inspectRecord(shaper, record));
}

/** Asks for the state of a record; where it cannot be asked, that is its problem. */
export function inspectRecord(shaper: Shaper, record: AttachmentRecord): Known {
  try {
    return known(shaper.inspect(record.id));
  } catch (error) {
    const { message, remedy } = error as Error & { remedy?: string };
    return { record, healthy: false, problems: [{ code: "UNREADABLE", message, remedy: remedy ?? "" }] };
  }
}

/** An inspection in the form that is printed. */
export function known({ attachment, limits, ...state }: Inspection): Known {
  return { record: { ...attachment, limits }, ...state };
}

/** The JSON form of an attachment's state. @param meter adds what passes now */
export function statusJson(
  { record, healthy, problems, gso, guard, ...states }: Known,
  meter?: RateMeter,
): Printable {
  const { id, netns, device, pod, aggregate, uplink, limits } = record;
  const direction = (name: Direction) => {
    const now = meter?.rates(id, name);
    return states[name] && { ...states[name], ...(now ? { now } : {}) };
  };
  const state = { healthy, problems, egress: direction("egress"), ingress: direction("ingress"), gso, guard };
  return { id, pod, netns, device, aggregate, uplink, limits, ...state } as unknown as Printable;
}

/** Prints the table of `weir status` and, below it, what is wrong and what to do. */
export function printStatus(all: readonly Known[], terminal: Terminal, meter: RateMeter): void {
  terminal.print(statusTable(statusRows(all, meter), terminal));
  if (all.some(({ record }) => record.aggregate !== undefined)) {
    terminal.print(
      terminal.style.dim("* one limit for all interfaces of its aggregate, and what they count together"),
    );
  }
  printProblems(all, terminal);
}

/** Prints what is wrong with each attachment and what to do about it. */
export function printProblems(all: readonly Known[], terminal: Terminal): void {
  for (const { record, problems } of all) {
    for (const { message, remedy } of problems) {
      terminal.print(`${terminal.style.yellow(interfaceName(record))}: ${joinRemedy(message, remedy)}`);
    }
  }
}

/** One direction of an attachment, as a row of a table. */
export interface StatusRow {
  readonly known: Known;
  readonly direction: Direction;
  readonly limit?: Pick<Limit, "bitsPerSecond">;
  readonly state?: DirectionState;
  readonly rates?: Rates;
}

/** A row for each direction that is limited. */
export function statusRows(all: readonly Known[], meter: RateMeter): StatusRow[] {
  return all.flatMap((one) =>
    directions.flatMap((direction): StatusRow[] => {
      const state = one[direction];
      const limit = state ?? one.record.limits[direction];
      if (!limit) return [];
      const rates = meter.rates(one.record.id, direction);
      return [{ known: one, direction, limit, ...(state ? { state } : {}), ...(rates ? { rates } : {}) }];
    }),
  );
}

/** A column of the table of `weir status` and `weir top`. */
export interface StatusColumn extends Column {
  /** The key that sorts by it in `weir top`. */
  readonly key: string;
  readonly cell: (row: StatusRow, style: Terminal["style"]) => CellLike;
  /** What rows are sorted by. */
  readonly order: (row: StatusRow) => number | string;
}

/** The columns, of which those that are optional are for wide terminals. */
export const statusColumns: readonly StatusColumn[] = [
  {
    title: "POD",
    key: "p",
    shorten: { from: "middle", to: 26 },
    cell: ({ known: { record } }, style) => ({ text: podName(record), style: style.bold }),
    order: ({ known: { record } }) => podName(record),
  },
  {
    title: "IFACE",
    key: "i",
    cell: ({ known: { record } }) => record.device,
    order: ({ known: { record } }) => record.device,
  },
  { title: "DIR", key: "e", cell: ({ direction }) => direction, order: ({ direction }) => direction },
  {
    title: "LIMIT",
    key: "l",
    right: true,
    cell: ({ limit, known: { record } }) =>
      `${limit ? formatShortRate(limit.bitsPerSecond) : "-"}${record.aggregate === undefined ? "" : "*"}`,
    order: ({ limit }) => Number(limit?.bitsPerSecond ?? 0n),
  },
  {
    title: "NOW",
    key: "n",
    right: true,
    cell: ({ rates }) => (rates ? formatShortRate(rates.bitsPerSecond) : "-"),
    order: ({ rates }) => rates?.bitsPerSecond ?? -1,
  },
  {
    title: "WAIT",
    key: "w",
    right: true,
    optional: 1,
    cell: ({ rates }) =>
      rates?.meanDelayNs === undefined ? "-" : formatNs(BigInt(Math.round(rates.meanDelayNs))),
    order: ({ rates }) => rates?.meanDelayNs ?? -1,
  },
  {
    title: "DROPS",
    key: "d",
    right: true,
    cell: ({ state, rates }, style) => ({
      text: state ? formatCount(state.dropped) : "-",
      ...(rates && rates.droppedPerSecond > 0 ? { style: style.yellow } : {}),
    }),
    order: ({ state }) => Number(state?.dropped ?? -1n),
  },
  {
    title: "MARKS",
    key: "m",
    right: true,
    cell: ({ state }) => (state ? formatCount(state.marked) : "-"),
    order: ({ state }) => Number(state?.marked ?? -1n),
  },
  {
    title: "PACKETS",
    key: "k",
    right: true,
    optional: 2,
    cell: ({ state }) => (state ? formatCount(state.packets) : "-"),
    order: ({ state }) => Number(state?.packets ?? -1n),
  },
  {
    title: "BYTES",
    key: "b",
    right: true,
    optional: 3,
    cell: ({ state }) => (state ? formatBytes(state.bytes) : "-"),
    order: ({ state }) => Number(state?.bytes ?? -1n),
  },
  {
    title: "HEALTH",
    key: "h",
    cell: ({ known: { healthy } }, style) =>
      healthy ? { text: "ok", style: style.green } : { text: "DAMAGED", style: style.red },
    order: ({ known: { healthy } }) => (healthy ? 1 : 0),
  },
  {
    title: "ID",
    key: "I",
    optional: 4,
    shorten: { from: "middle", to: 16 },
    cell: ({ known: { record } }, style) => ({ text: record.pod ? record.id : "", style: style.dim }),
    order: ({ known: { record } }) => record.id,
  },
];

/** The table, as wide as the terminal. @param titleStyles of some columns */
export function statusTable(
  rows: readonly StatusRow[],
  { columns: width, style }: Pick<Terminal, "columns" | "style">,
  titleStyles: ReadonlyMap<string, (text: string) => string> = new Map(),
): string {
  // The id says nothing where the pod's name is it.
  const shown = statusColumns.filter(
    ({ title }) => title !== "ID" || rows.some(({ known: { record } }) => record.pod),
  );
  const columns = shown.map((column) => {
    const titleStyle = titleStyles.get(column.title);
    return titleStyle ? { ...column, style: titleStyle } : column;
  });
  const cells = rows.map((row) => shown.map(({ cell }) => cell(row, style)));
  return formatTable(columns, cells, width);
}

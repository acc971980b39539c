import type {
  AttachmentRecord,
  Direction,
  DirectionState,
  GsoState,
  GuardState,
  Inspection,
  Limit,
  Problem,
  Shaper,
} from "@weir/shaper";
import { joinRemedy } from "../cni/explain.js";
import type { Printable } from "../json.js";
import { formatBytes, formatMeanNs, formatRate } from "../units.js";
import { type Cell, formatTable, type Terminal } from "./terminal.js";

/** What is known of one attachment: always its record, and its state where the kernel could be asked. */
export interface Known {
  record: Pick<AttachmentRecord, "id" | "netns" | "device" | "limits" | "aggregate" | "uplink">;
  healthy: boolean;
  problems: readonly Problem[];
  egress?: DirectionState;
  ingress?: DirectionState;
  gso?: GsoState;
  guard?: GuardState;
}

/** Asks for the state of every record; what cannot be asked becomes a problem of that attachment alone. */
export function inspectAll(shaper: Shaper): Known[] {
  return shaper.list().map((record) => {
    try {
      return known(shaper.inspect(record.id));
    } catch (error) {
      const { message, remedy } = error as Error & { remedy?: string };
      return {
        record,
        healthy: false,
        problems: [{ code: "UNREADABLE", message, remedy: remedy ?? "" }],
      };
    }
  });
}

/** An inspection in the form that is printed. */
export function known({ attachment, limits, ...state }: Inspection): Known {
  return { record: { ...attachment, limits }, ...state };
}

/** The JSON form of an attachment's state. */
export function statusJson({ record, healthy, problems, egress, ingress, gso, guard }: Known): Printable {
  const { id, netns, device, aggregate, uplink, limits } = record;
  const state = { healthy, problems, egress, ingress, gso, guard };
  return { id, netns, device, aggregate, uplink, limits, ...state } as unknown as Printable;
}

/** Prints the table of `weir status` and, below it, what is wrong and what to do. */
export function printStatus(all: readonly Known[], terminal: Terminal): void {
  const headings = [
    "ID",
    "DEVICE",
    "DIRECTION",
    " LIMIT",
    " PACKETS",
    " BYTES",
    " DROPS",
    " MEAN DELAY",
    "HEALTH",
  ];
  const rows = all.flatMap((one) =>
    (["egress", "ingress"] as const)
      .filter((direction) => one.record.limits[direction] ?? one[direction])
      .map((direction) => row(one, direction, terminal)),
  );
  terminal.print(formatTable(headings, rows));
  printProblems(all, terminal);
}

/** Prints what is wrong with each attachment and what to do about it. */
export function printProblems(all: readonly Known[], terminal: Terminal): void {
  for (const { record, problems } of all) {
    for (const { message, remedy } of problems) {
      terminal.print(`${terminal.style.yellow(record.id)}: ${joinRemedy(message, remedy)}`);
    }
  }
}

function row(one: Known, direction: Direction, { style }: Terminal): (string | Cell)[] {
  const { record, healthy } = one;
  const state = one[direction];
  const limit: Pick<Limit, "bitsPerSecond"> | undefined = state ?? record.limits[direction];
  return [
    { text: record.id, style: style.bold },
    record.device,
    direction,
    limit ? formatRate(limit.bitsPerSecond) : "-",
    state ? state.packets.toString() : "-",
    state ? formatBytes(state.bytes) : "-",
    state ? state.dropped.toString() : "-",
    state ? formatMeanNs(state.delayNs, state.packets) : "-",
    healthy ? { text: "ok", style: style.green } : { text: "damaged", style: style.red },
  ];
}

import { setImmediate } from "node:timers/promises";
import { decodeMessage, encodeMessage, type MonitorGroup, type RtnetlinkEvent } from "../index.js";
import { describe, describeBriefly } from "./decode.js";
import { CommandError, type ExitCode, exitCode, UsageError } from "./errors.js";
import { toJson } from "./json.js";
import {
  addressLine,
  classLine,
  filterLine,
  type LineContext,
  linkLine,
  mdbLine,
  neighbourLine,
  nexthopLine,
  qdiscLine,
  routeLine,
  ruleLine,
} from "./lines.js";
import { DeviceNames } from "./names.js";
import { openRtnetlink } from "./netns.js";
import type { Terminal } from "./terminal.js";
import { formatTree } from "./values.js";

/** Options of `weir-nl monitor`. */
export interface MonitorCommandOptions {
  readonly json?: boolean;
  readonly netns?: string;
  readonly details?: boolean;
  readonly dev?: string;
  readonly initial?: boolean;
  readonly allNetns?: boolean;
  readonly timestamp?: boolean;
  readonly count?: number;
  readonly buffer?: number;
}

/** What can be monitored, by the words that operators know. */
export const monitorWords: Readonly<Record<string, MonitorGroup>> = {
  link: "link",
  addr: "address",
  address: "address",
  route: "route",
  rule: "rule",
  neigh: "neighbour",
  neighbour: "neighbour",
  nexthop: "nexthop",
  mdb: "mdb",
  nsid: "namespaceId",
  tc: "tc",
};

/** How many events are printed before signals are looked at. */
const BURST = 256;

/** `weir-nl monitor`: one line an event until SIGINT, SIGTERM, or the events that were asked for. */
export async function monitor(
  words: readonly string[],
  options: MonitorCommandOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const groups = groupsOf(words);
  using rt = openRtnetlink(options.netns);
  const { buffer, initial = false, allNetns = false, count = Number.POSITIVE_INFINITY } = options;
  using events = rt.monitor(groups, {
    initial,
    allNamespaces: allNetns,
    ...(buffer === undefined ? {} : { receiveBufferBytes: buffer }),
  });
  const context: LineContext = {
    devices: new DeviceNames(rt.links.dump({ skipStats: true })),
    style: terminal.style,
  };
  if (options.dev !== undefined && !rt.links.find(options.dev) && !groups.includes("link"))
    throw new CommandError(
      `there is no device "${options.dev}": \`weir-nl dump link\` shows those that are there, and \`monitor link\` waits for one`,
    );
  let stopped = false;
  const stop = () => {
    stopped = true;
    events.close();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    let printed = 0;
    let sinceBreath = 0;
    for await (const event of events) {
      learn(event, context.devices);
      if (stopped) break;
      if (concerns(event, options.dev, context.devices)) {
        print(event, options, context, terminal);
        if (event.type !== "resync" && event.type !== "synced" && ++printed >= count) break;
      }
      // Nothing but promises runs between two events: a storm would keep signals waiting.
      if (++sinceBreath % BURST === 0) await setImmediate();
    }
    return exitCode.OK;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

function groupsOf(words: readonly string[]): MonitorGroup[] {
  if (words.length === 0) return [...new Set(Object.values(monitorWords))];
  return words.map((word) => {
    const group = Object.hasOwn(monitorWords, word) ? monitorWords[word] : undefined;
    if (group === undefined)
      throw new UsageError(
        `"${word}" cannot be monitored: give some of ${Object.keys(monitorWords).join(", ")}`,
      );
    return group;
  });
}

function print(
  event: RtnetlinkEvent,
  options: MonitorCommandOptions,
  context: LineContext,
  terminal: Terminal,
): void {
  if (options.json) {
    const device = deviceOf(event);
    terminal.print(
      toJson(
        {
          ...(options.timestamp ? { time: new Date().toISOString() } : {}),
          ...event,
          ...(device === undefined ? {} : { device: context.devices.find(device) }),
        },
        0,
      ),
    );
  } else {
    const time = options.timestamp ? `${terminal.style.dim(new Date().toISOString())} ` : "";
    terminal.print(`${time}${netnsOf(event)}${lineOf(event, context)}`);
    if (options.details)
      for (const line of detailsOf(event, context)) terminal.print(terminal.style.dim(line));
  }
  terminal.flush();
}

function netnsOf({ netnsId }: RtnetlinkEvent): string {
  return netnsId === undefined ? "" : `[netnsid ${netnsId}] `;
}

function lineOf(event: RtnetlinkEvent, context: LineContext): string {
  const { style } = context;
  switch (event.type) {
    case "resync":
      return style.yellow("resync: what is there is read anew, since notifications may be missing");
    case "synced":
      return style.yellow("synced: all that is there has been told");
    case "other":
      return `${style.bold("other")} ${describeBriefly(decodedOther(event), context.devices)}`;
    // Lines about traffic control begin with the kind of object already.
    case "qdisc":
    case "class":
    case "filter":
      return `${changeWord(event.change, style)} ${objectLine(event, context)}`;
    default:
      return `${changeWord(event.change, style)} ${event.type} ${objectLine(event, context)}`;
  }
}

type ObjectEvent = Exclude<RtnetlinkEvent, { readonly type: "resync" | "synced" | "other" }>;

function objectLine(event: ObjectEvent, context: LineContext): string {
  switch (event.type) {
    case "link":
      return linkLine(event.link, context);
    case "address":
      return addressLine(event.address, context);
    case "route":
      return routeLine(event.route, context);
    case "rule":
      return ruleLine(event.rule, context);
    case "neighbour":
      return neighbourLine(event.neighbour, context);
    case "nexthop":
      return nexthopLine(event.nexthop, context);
    case "qdisc":
      return qdiscLine(event.qdisc, context);
    case "class":
      return classLine(event.class, context);
    case "filter":
      return filterLine(event.filter, context);
    case "mdb":
      return event.entries.map((entry) => mdbLine(entry, context)).join("; ");
    case "namespaceId":
      return String(event.id);
  }
}

function changeWord(change: ObjectEvent["change"], style: Terminal["style"]): string {
  if (change === "new") return style.green("new");
  return change === "removed" ? style.red("removed") : style.dim("present");
}

function detailsOf(event: RtnetlinkEvent, { devices, style }: LineContext): string[] {
  if (event.type === "other") return describe(decodedOther(event), { style }, devices).split("\n").slice(1);
  if (!("change" in event) || event.type === "namespaceId") return [];
  const object = Object.values(event).find((value) => typeof value === "object" && value !== null) as object;
  const { attributes = object } = object as { readonly attributes?: object };
  return formatTree(attributes, { devices, tc: ["qdisc", "class", "filter"].includes(event.type) });
}

/** A message that has no event of its own reads like any other message. */
function decodedOther({ messageType, bytes }: Extract<RtnetlinkEvent, { type: "other" }>) {
  const message = { type: messageType, bytes };
  try {
    return decodeMessage(encodeMessage(message));
  } catch {
    // Malformed bytes are shown as they are.
    return { ...message, name: `#${messageType}`, flags: 0, flagNames: [], sequence: 0, port: 0 };
  }
}

function learn(event: RtnetlinkEvent, devices: DeviceNames): void {
  if (event.type === "link" && event.netnsId === undefined) devices.set(event.link.index, event.link.name);
}

function concerns(event: RtnetlinkEvent, dev: string | undefined, devices: DeviceNames): boolean {
  if (dev === undefined || event.type === "resync" || event.type === "synced") return true;
  if (event.type === "link" && (event.link.name === dev || event.link.altNames.includes(dev))) return true;
  const index = deviceOf(event);
  return index !== undefined && (devices.find(index) === dev || String(index) === dev);
}

function deviceOf(event: RtnetlinkEvent): number | undefined {
  switch (event.type) {
    case "link":
      return event.link.index;
    case "address":
      return event.address.index;
    case "route":
      return event.route.index;
    case "neighbour":
      return event.neighbour.index;
    case "nexthop":
      return event.nexthop.index;
    case "mdb":
      return event.entries[0]?.index;
    case "qdisc":
      return event.qdisc.index;
    case "class":
      return event.class.index;
    case "filter":
      return event.filter.index;
    default:
      return undefined;
  }
}

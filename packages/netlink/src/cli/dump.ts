import {
  type Family,
  type Filter,
  type FilterParent,
  formatHandle,
  GenericNetlink,
  type InterfaceAddress,
  type Link,
  type MdbEntry,
  type Neighbour,
  type NeighbourFilter,
  type NexthopObject,
  parseHandle,
  type Qdisc,
  type Route,
  type Rtnetlink,
  type Rule,
  type TrafficClass,
} from "../index.js";
import { CommandError, type ExitCode, exitCode, UsageError } from "./errors.js";
import { toJson } from "./json.js";
import {
  addressLine,
  classLine,
  filterHandle,
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
import { DeviceNames, routeTables } from "./names.js";
import { inNamespace, openRtnetlink } from "./netns.js";
import type { Terminal } from "./terminal.js";
import { formatTree } from "./values.js";

/** What can be dumped. */
export const dumpKinds = [
  "link",
  "addr",
  "route",
  "rule",
  "neigh",
  "nexthop",
  "mdb",
  "qdisc",
  "class",
  "filter",
  "family",
] as const;
/** What can be dumped. */
export type DumpKind = (typeof dumpKinds)[number];

/** Options of `weir-nl dump`. */
export interface DumpCommandOptions {
  readonly json?: boolean;
  readonly netns?: string;
  readonly details?: boolean;
  readonly dev?: string;
  readonly table?: string;
  readonly family?: string;
  readonly kind?: string;
  readonly master?: string;
  readonly parent?: string;
}

/** Which options narrow which kind of dump. */
const filters: Readonly<Record<DumpKind, readonly (keyof DumpCommandOptions)[]>> = {
  link: ["dev", "kind", "master"],
  addr: ["dev", "family"],
  route: ["dev", "family", "table"],
  rule: ["family", "table"],
  neigh: ["dev", "family", "master"],
  nexthop: ["dev", "family", "master"],
  mdb: ["dev"],
  qdisc: ["dev", "kind", "parent"],
  class: ["dev", "kind"],
  filter: ["dev", "kind", "parent"],
  family: [],
};

/** `weir-nl dump`: what the kernel has of one kind of object. */
export function dump(kind: DumpKind, options: DumpCommandOptions, terminal: Terminal): ExitCode {
  for (const name of ["dev", "family", "kind", "master", "parent", "table"] as const)
    if (options[name] !== undefined && !filters[kind].includes(name))
      throw new UsageError(
        `--${name} does not narrow \`dump ${kind}\`; ${filters[kind].length === 0 ? "nothing does" : `${filters[kind].map((one) => `--${one}`).join(", ")} would`}`,
      );
  if (kind === "family") {
    using generic = inNamespace(options.netns, (where) => GenericNetlink.open(where));
    printAll(generic.families.dump(), options, terminal, (family) => ({
      line: () => familyLine(family, terminal),
      details: family,
    }));
    return exitCode.OK;
  }
  using rt = openRtnetlink(options.netns);
  rows[kind](rt, options, terminal);
  return exitCode.OK;
}

type Rows = (rt: Rtnetlink, options: DumpCommandOptions, terminal: Terminal) => void;

const rows: Readonly<Record<Exclude<DumpKind, "family">, Rows>> = {
  link: (rt, options, terminal) => {
    const { dev, kind } = options;
    const vfs = options.details === true || options.json === true;
    const master = options.master === undefined ? undefined : deviceIndex(rt, options.master);
    const all = [...rt.links.dump({ vfs, kind, master })];
    const index = dev === undefined ? undefined : deviceIndex(rt, dev);
    const context = contextOf(master === undefined && kind === undefined ? all : namesOf(rt), terminal);
    printAll(
      all.filter((link) => index === undefined || link.index === index),
      options,
      terminal,
      (link) => ({
        line: () => linkLine(link, context),
        details: link.attributes,
        meanings: { devices: context.devices },
      }),
    );
  },
  addr: (rt, options, terminal) => {
    const family = ipFamily(options);
    withDevices(
      rt,
      options,
      terminal,
      rt.addresses.dump({ index: deviceOf(rt, options), family }),
      addressLine,
    );
  },
  route: (rt, options, terminal) => {
    const family = ipFamily(options);
    const filter = { family, index: deviceOf(rt, options), table: tableOf(options) };
    withDevices(rt, options, terminal, rt.routes.dump(filter), routeLine);
  },
  rule: (rt, options, terminal) => {
    const filter = { family: ipFamily(options), table: tableOf(options) };
    withDevices(rt, options, terminal, rt.rules.dump(filter), ruleLine);
  },
  neigh: (rt, options, terminal) => {
    const index = deviceOf(rt, options);
    const master = options.master === undefined ? undefined : deviceIndex(rt, options.master);
    const family = options.family === undefined ? undefined : families[options.family];
    const all =
      family === "bridge"
        ? rt.fdb.dump({ index, master })
        : neighboursOf(rt, { index, master, family: ipFamily(options) });
    withDevices(rt, options, terminal, all, neighbourLine);
  },
  nexthop: (rt, options, terminal) => {
    const master = options.master === undefined ? undefined : deviceIndex(rt, options.master);
    const filter = { index: deviceOf(rt, options), family: ipFamily(options), master };
    withDevices(rt, options, terminal, rt.nexthops.dump(filter), nexthopLine);
  },
  mdb: (rt, options, terminal) => {
    withDevices(rt, options, terminal, rt.mdb.dump({ index: deviceOf(rt, options) }), mdbLine);
  },
  qdisc: (rt, options, terminal) => {
    const { parent, kind } = options;
    const place =
      parent === "root" || parent === "clsact" || parent === "ingress" ? parent : handleOf(parent);
    const all = rt.qdiscs.dump({ index: deviceOf(rt, options), kind, parent: place });
    withDevices(rt, options, terminal, all, qdiscLine);
  },
  class: (rt, options, terminal) => {
    const one = deviceOf(rt, options);
    const devices = one === undefined ? new Set([...rt.qdiscs.dump()].map(({ index }) => index)) : [one];
    withDevices(rt, options, terminal, classes(rt, devices, options.kind), classLine);
  },
  filter: (rt, options, terminal) => {
    withDevices(rt, options, terminal, filtersAt(rt, options), filterLine);
  },
};

/** Neighbours, and those that are answered for. */
function* neighboursOf(rt: Rtnetlink, filter: NeighbourFilter): Iterable<Neighbour> {
  yield* rt.neighbours.dump(filter);
  yield* rt.neighbours.dump({ ...filter, proxy: true });
}

function* classes(
  rt: Rtnetlink,
  devices: Iterable<number>,
  kind: string | undefined,
): Iterable<TrafficClass> {
  for (const index of devices)
    for (const one of rt.classes.dump({ index })) if (kind === undefined || one.kind === kind) yield one;
}

/** The kernel gives the filters of one place: all places where filters usually are, or the one that was named. */
function* filtersAt(rt: Rtnetlink, options: DumpCommandOptions): Iterable<Filter> {
  const { parent, kind } = options;
  const index = deviceOf(rt, options);
  const side = parent === "root" || parent === "ingress" || parent === "egress" ? parent : handleOf(parent);
  const places = new Map<string, readonly [index: number, parent: FilterParent]>();
  for (const qdisc of rt.qdiscs.dump({ index })) {
    const hooks: readonly FilterParent[] =
      side !== undefined ? [side] : qdisc.kind === "clsact" ? ["ingress", "egress"] : [qdisc.handle];
    for (const hook of hooks) if (hook !== 0) places.set(`${qdisc.index} ${hook}`, [qdisc.index, hook]);
  }
  // The filters of a block stand at each of the devices that share it.
  const blocks = new Set<number>();
  for (const [device, place] of places.values()) {
    let shared: number | undefined;
    for (const filter of rt.filters.dump({ index: device, parent: place, kind })) {
      if (filter.block !== undefined && blocks.has(filter.block)) break;
      shared = filter.block;
      yield filter;
    }
    if (shared !== undefined) blocks.add(shared);
  }
}

/** Prints objects that refer to devices by their index. */
function withDevices<T extends Row>(
  rt: Rtnetlink,
  options: DumpCommandOptions,
  terminal: Terminal,
  all: Iterable<T>,
  line: (one: T, context: LineContext) => string,
): void {
  const context = contextOf(namesOf(rt), terminal);
  printAll(all, options, terminal, (one) => ({
    line: () => line(one, context),
    details: detailsOf(one),
    meanings: { devices: context.devices, tc: isTc(one) },
    device: one.index === undefined ? undefined : context.devices.find(one.index),
    tc: isTc(one),
  }));
}

/** Objects of traffic control alone have a handle and a place. */
function isTc(one: object): boolean {
  return "handle" in one && "parent" in one;
}

type Row = (
  | InterfaceAddress
  | Route
  | Rule
  | Neighbour
  | NexthopObject
  | MdbEntry
  | Qdisc
  | TrafficClass
  | Filter
) & {
  readonly index?: number | undefined;
};

/** What the indented lines tell: the kernel's own attributes, or what the line does not hold. */
function detailsOf(one: Row): object {
  if ("attributes" in one) return one.attributes;
  const { index: _index, handle: _handle, parent: _parent, kind: _kind, ...rest } = one as Qdisc;
  return rest.options instanceof Uint8Array
    ? { ...rest, options: undefined }
    : { ...rest, rawOptions: undefined };
}

interface Printed {
  readonly line: () => string;
  readonly details: object;
  readonly meanings?: { readonly devices: DeviceNames; readonly tc?: boolean };
  readonly device?: string | undefined;
  readonly tc?: boolean;
}

function printAll<T extends object>(
  all: Iterable<T>,
  options: DumpCommandOptions,
  terminal: Terminal,
  printed: (one: T) => Printed,
): void {
  if (options.json) {
    // One after the other: a table of a million routes need not fit the memory.
    let waiting: string | undefined;
    terminal.print("[");
    for (const one of all) {
      if (waiting !== undefined) terminal.print(`${waiting},`);
      waiting = jsonWithNames(one, printed(one));
    }
    if (waiting !== undefined) terminal.print(waiting);
    terminal.print("]");
    return;
  }
  for (const one of all) {
    const { line, details, meanings = { devices: new DeviceNames() } } = printed(one);
    terminal.print(line());
    if (!options.details) continue;
    for (const detail of formatTree(details, meanings)) terminal.print(terminal.style.dim(detail));
  }
}

/** What the library gives, with names before the numbers that people look for. */
function jsonWithNames(one: object, { device, tc }: Printed): string {
  const { table, handle, parent } = one as Readonly<Record<string, unknown>>;
  const names: Record<string, string | undefined> = {};
  if (device !== undefined) names.device = device;
  if (tc && typeof handle === "number")
    names.handleText = "protocol" in one ? filterHandle(one as Filter) : formatHandle(handle);
  if (tc && typeof parent === "number") names.parentText = formatHandle(parent);
  if (typeof table === "number") names.tableName = routeTables.name(table) ?? String(table);
  const object = toJson(one);
  if (Object.keys(names).length === 0) return object;
  // Texts are joined, since copying each of a million routes takes longer than reading it.
  return `${toJson(names).slice(0, -"\n}".length)},${object.slice("{".length)}`;
}

function familyLine(family: Family, { style }: Terminal): string {
  const groups = family.groups.map(({ name, id }) => `${name}=${id}`).join(",");
  return [
    `${style.cyan(family.name)} id ${family.id} version ${family.version}`,
    family.headerSize > 0 ? `header ${family.headerSize}b` : "",
    `attributes ${family.maxAttribute} commands ${family.operations.length}`,
    groups === "" ? "" : `groups ${groups}`,
  ]
    .filter((part) => part !== "")
    .join(" ");
}

function contextOf(links: Iterable<Pick<Link, "index" | "name">>, { style }: Terminal): LineContext {
  return { devices: new DeviceNames(links), style };
}

function namesOf(rt: Rtnetlink): Iterable<Link> {
  return rt.links.dump({ skipStats: true });
}

function deviceOf(rt: Rtnetlink, { dev }: DumpCommandOptions): number | undefined {
  return dev === undefined ? undefined : deviceIndex(rt, dev);
}

/** A device by its name, alternative name, or index. */
function deviceIndex(rt: Rtnetlink, text: string): number {
  const link = rt.links.find(text) ?? (/^[0-9]{1,9}$/.test(text) ? rt.links.find(Number(text)) : undefined);
  if (!link)
    throw new CommandError(`there is no device "${text}": \`weir-nl dump link\` shows those that are there`);
  return link.index;
}

/** Address families as ip(8) and this package name them. */
const families: Readonly<Record<string, "ipv4" | "ipv6" | "bridge">> = {
  "4": "ipv4",
  "6": "ipv6",
  bridge: "bridge",
  inet: "ipv4",
  inet6: "ipv6",
  ipv4: "ipv4",
  ipv6: "ipv6",
};

function ipFamily({ family }: DumpCommandOptions): "ipv4" | "ipv6" | undefined {
  if (family === undefined) return undefined;
  const known = Object.hasOwn(families, family) ? families[family] : undefined;
  if (known === undefined || known === "bridge")
    throw new UsageError(
      `--family ${family} is not known here: give inet or inet6, or bridge with \`dump neigh\``,
    );
  return known;
}

function tableOf({ table }: DumpCommandOptions): number | undefined {
  if (table === undefined || table === "all") return undefined;
  const number = /^(0x[0-9a-f]+|[0-9]+)$/i.test(table) ? Number(table) : routeTables.number(table);
  if (number === undefined || number > 0xffff_ffff)
    throw new UsageError(
      `--table ${table} is no routing table: give main, local, a name of rt_tables, a number, or all`,
    );
  return number;
}

function handleOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseHandle(text as `${string}:${string}`);
  } catch {
    throw new UsageError(
      `--parent ${text} is no place: give root, ingress, egress, clsact, or a handle such as 1: or 1:10`,
    );
  }
}

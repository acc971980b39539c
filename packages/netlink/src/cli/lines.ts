import {
  type Filter,
  formatHandle,
  type InterfaceAddress,
  type Link,
  type MdbEntry,
  type Neighbour,
  type NexthopObject,
  type Qdisc,
  type Route,
  RouteTable,
  type Rule,
  type TrafficClass,
} from "../index.js";
import { filterOptions } from "./filter-line.js";
import {
  addressProtocol,
  type DeviceNames,
  deviceGroups,
  dsFields,
  hardwareType,
  ipProtocol,
  routeProtocols,
  routeRealms,
  routeScopes,
  routeTables,
} from "./names.js";
import type { Terminal } from "./terminal.js";
import { formatInline } from "./values.js";

/** What the lines about objects need beside the objects. */
export interface LineContext {
  readonly devices: DeviceNames;
  readonly style: Terminal["style"];
}

/** A device as `ip -o link` has it. */
export function linkLine(link: Link, { devices, style }: LineContext): string {
  const { linkNetnsId } = link;
  const below =
    link.link === undefined ? "" : `@${linkNetnsId === undefined ? devices.of(link.link) : `if${link.link}`}`;
  return words(
    `${link.index}: ${style.cyan(link.name)}${below}:`,
    `<${flagWords(link)}>`,
    `mtu ${link.mtu}`,
    link.qdisc && `qdisc ${link.qdisc}`,
    link.master && `master ${devices.of(link.master)}`,
    link.operState !== undefined && `state ${stateWord(link.operState, style)}`,
    !!link.group && `group ${groupWord(link.group)}`,
    link.kind && `kind ${link.kind}`,
    link.data !== undefined && !(link.data instanceof Uint8Array) && modeOf(link.data),
    link.portKind && `port ${link.portKind}`,
    hardwareType(link.type),
    link.address && style.yellow(link.address),
    link.xdp?.programId && `xdp id ${link.xdp.programId}`,
    linkNetnsId !== undefined && `link-netnsid ${linkNetnsId}`,
    link.altNames.map((name) => `altname ${name}`).join(" "),
    link.alias && `alias ${JSON.stringify(link.alias)}`,
  );
}

/** An address as `ip -o addr` has it. */
export function addressLine(address: InterfaceAddress, { devices, style }: LineContext): string {
  const { peer, prefixLength } = address;
  const own =
    peer === undefined
      ? `${address.address}/${prefixLength}`
      : `${address.address} peer ${peer}/${prefixLength}`;
  return words(
    `${address.index}: ${style.cyan(devices.of(address.index))}`,
    familyWord(address.family),
    style.yellow(own),
    address.broadcast && `brd ${address.broadcast}`,
    `scope ${scopeWord(address.scope)}`,
    address.flags.map(snake).join(" "),
    address.protocol !== 0 && `proto ${addressProtocol(address.protocol)}`,
    address.label && address.label !== devices.find(address.index) && `label ${address.label}`,
    `valid_lft ${lifetime(address.validSeconds)} preferred_lft ${lifetime(address.preferredSeconds)}`,
  );
}

/** A route as `ip route show table all` has it. */
export function routeLine(route: Route, { devices, style }: LineContext): string {
  const ways = route.multipath?.map((way) =>
    words(
      "nexthop",
      way.gateway && `via ${way.gateway}`,
      way.index !== undefined && `dev ${devices.of(way.index)}`,
      `weight ${way.weight}`,
      way.onlink && "onlink",
    ),
  );
  return words(
    route.type !== "unicast" && String(route.type),
    style.yellow(
      route.destination === "default" && route.family === "ipv6" ? "default (inet6)" : route.destination,
    ),
    route.source && `from ${route.source}`,
    route.tos !== 0 && `tos ${tosWord(route.tos)}`,
    route.nexthopId !== undefined && `nhid ${route.nexthopId}`,
    route.encapType !== undefined && `encap ${route.encapType}`,
    route.gateway && `via ${route.gateway}`,
    route.index !== undefined && `dev ${style.cyan(devices.of(route.index))}`,
    route.table !== RouteTable.main && `table ${tableWord(route.table)}`,
    `proto ${protocolWord(route.protocol)}`,
    route.scope !== "global" && `scope ${scopeWord(route.scope)}`,
    route.preferredSource && `src ${route.preferredSource}`,
    route.priority !== 0 && `metric ${route.priority}`,
    route.attributes.flow !== undefined && `realm ${realmWords(route.attributes.flow)}`,
    route.flags.map(routeFlagWord).join(" "),
    route.metrics && formatInline(route.metrics, { devices }),
    route.preference !== undefined && `pref ${route.preference}`,
    ways?.join(" "),
  );
}

/** A rule as `ip rule` has it. */
export function ruleLine(rule: Rule, { style }: LineContext): string {
  const range = (name: string, value: { start: number; end: number } | undefined) =>
    value && `${name} ${value.start}${value.end === value.start ? "" : `-${value.end}`}`;
  return words(
    `${rule.priority}:`,
    rule.family === "ipv6" && "(inet6)",
    rule.invert && "not",
    `from ${style.yellow(rule.source ?? "all")}`,
    rule.destination && `to ${rule.destination}`,
    rule.tos !== 0 && `tos ${tosWord(rule.tos)}`,
    rule.mark !== undefined &&
      `fwmark 0x${rule.mark.toString(16)}${rule.markMask === 0xffff_ffff || rule.markMask === undefined ? "" : `/0x${rule.markMask.toString(16)}`}`,
    rule.inputInterface && `iif ${rule.inputInterface}`,
    rule.outputInterface && `oif ${rule.outputInterface}`,
    range("uidrange", rule.uidRange),
    rule.ipProtocol !== undefined && `ipproto ${ipProtocol(rule.ipProtocol)}`,
    range("sport", rule.sourcePorts),
    range("dport", rule.destinationPorts),
    rule.l3mdev ? "lookup [l3mdev-table]" : rule.action === "table" && `lookup ${tableWord(rule.table)}`,
    rule.suppressPrefixLength !== undefined && `suppress_prefixlength ${rule.suppressPrefixLength}`,
    rule.suppressGroup !== undefined && `suppress_ifgroup ${groupWord(rule.suppressGroup)}`,
    rule.attributes.flow !== undefined && `realms ${realmWords(rule.attributes.flow)}`,
    rule.action !== "table" && String(rule.action),
    rule.goto !== undefined && String(rule.goto),
    rule.protocol !== undefined && rule.protocol !== "unspec" && `proto ${protocolWord(rule.protocol)}`,
  );
}

/** A neighbour as `ip neigh` has it, and an entry of a forwarding database as `bridge fdb` has it. */
export function neighbourLine(neighbour: Neighbour, { devices, style }: LineContext): string {
  const { destination, address, family } = neighbour;
  const bridge = family === "bridge";
  return words(
    style.yellow((bridge ? address : destination) ?? "none"),
    `dev ${style.cyan(devices.of(neighbour.index))}`,
    bridge ? destination && `dst ${destination}` : address && `lladdr ${address}`,
    neighbour.vlan !== undefined && `vlan ${neighbour.vlan}`,
    neighbour.vni !== undefined && `vni ${neighbour.vni}`,
    neighbour.port !== undefined && `port ${neighbour.port}`,
    neighbour.nexthopId !== undefined && `nhid ${neighbour.nexthopId}`,
    neighbour.master !== undefined && `master ${devices.of(neighbour.master)}`,
    neighbour.flags.map(snake).join(" "),
    neighbour.state.map((state) => upperSnake(state).replaceAll("_", "")).join(","),
    neighbour.protocol !== undefined && `proto ${protocolWord(neighbour.protocol)}`,
  );
}

/** An entry of a multicast database as `bridge mdb` has it. */
export function mdbLine(entry: MdbEntry, { devices, style }: LineContext): string {
  return words(
    `dev ${style.cyan(devices.of(entry.index))}`,
    `port ${devices.of(entry.port)}`,
    `grp ${style.yellow(entry.group)}`,
    entry.source && `src ${entry.source}`,
    entry.permanent ? "permanent" : "temp",
    entry.filterMode !== undefined && `filter_mode ${entry.filterMode}`,
    entry.sources.length > 0 && `source_list ${entry.sources.join(",")}`,
    entry.protocol !== undefined && `proto ${protocolWord(entry.protocol)}`,
    entry.flags.map(snake).join(" "),
    entry.vlan !== 0 && `vid ${entry.vlan}`,
    entry.destination && `dst ${entry.destination}`,
    entry.destinationPort !== undefined && `dst_port ${entry.destinationPort}`,
    entry.vni !== undefined && `vni ${entry.vni}`,
    entry.sourceVni !== undefined && `src_vni ${entry.sourceVni}`,
    entry.via !== undefined && `via ${devices.of(entry.via)}`,
    entry.timer ? `timer ${entry.timer / 100}s` : "",
  );
}

/** A qdisc as `tc qdisc` has it. */
export function qdiscLine(qdisc: Qdisc, context: LineContext): string {
  const { devices, style } = context;
  const blocks = [
    qdisc.ingressBlock !== undefined && `ingress_block ${qdisc.ingressBlock}`,
    qdisc.egressBlock !== undefined && `egress_block ${qdisc.egressBlock}`,
  ];
  return words(
    `qdisc ${style.yellow(qdisc.kind)} ${majorOf(qdisc.handle)}`,
    `dev ${style.cyan(devices.of(qdisc.index))}`,
    parentWord(qdisc.parent),
    qdisc.references > 1 && `refcnt ${qdisc.references}`,
    ...blocks,
    optionWords(qdisc.options, context),
    qdisc.sizeTable && `stab { ${formatInline(qdisc.sizeTable, { devices })} }`,
  );
}

/** A class as `tc class` has it. */
export function classLine(one: TrafficClass, context: LineContext): string {
  const { devices, style } = context;
  return words(
    `class ${style.yellow(one.kind)} ${formatHandle(one.handle)}`,
    `dev ${style.cyan(devices.of(one.index))}`,
    parentWord(one.parent),
    one.leaf !== 0 && `leaf ${majorOf(one.leaf)}`,
    optionWords(one.options, context),
  );
}

/** A filter as `tc filter` has it, with the device and the place that tc leaves out. */
export function filterLine(filter: Filter, context: LineContext): string {
  const { devices, style } = context;
  return words(
    filter.block === undefined ? `filter dev ${style.cyan(devices.of(filter.index))}` : "filter",
    filter.block === undefined ? filterPlace(filter.parent) : `block ${filter.block}`,
    `protocol ${typeof filter.protocol === "number" ? `0x${filter.protocol.toString(16)}` : filter.protocol}`,
    `pref ${filter.priority}`,
    style.yellow(filter.kind),
    `chain ${filter.chain}`,
    filter.kind === "u32" ? `fh ${filterHandle(filter)}` : `handle ${filterHandle(filter)}`,
    filterOptions(filter, context),
  );
}

/** A nexthop object as `ip nexthop` has it. */
export function nexthopLine(nexthop: NexthopObject, { devices, style }: LineContext): string {
  const members = nexthop.group?.map(({ id, weight }) => (weight === 1 ? id : `${id},${weight}`));
  return words(
    `id ${style.yellow(String(nexthop.id))}`,
    members && `group ${members.join("/")}`,
    nexthop.groupType !== undefined && `type ${nexthop.groupType}`,
    nexthop.encapType !== undefined && `encap ${nexthop.encapType}`,
    nexthop.gateway && `via ${nexthop.gateway}`,
    nexthop.index !== undefined && `dev ${style.cyan(devices.of(nexthop.index))}`,
    nexthop.blackhole && "blackhole",
    nexthop.fdb && "fdb",
    nexthop.protocol !== "unspec" && `proto ${protocolWord(nexthop.protocol)}`,
    nexthop.flags.map(snake).join(" "),
  );
}

/** A filter's handle as tc(8) has it: of u32 the table, its bucket where that is not the first, and the filter. */
export function filterHandle({ kind, handle }: Pick<Filter, "kind" | "handle">): string {
  if (kind !== "u32") return `0x${handle.toString(16)}`;
  const bucket = (handle >>> 12) & 0xff;
  const node = handle & 0xfff;
  const table = `${(handle >>> 20).toString(16)}:`;
  return node === 0 && bucket === 0
    ? table
    : `${table}${bucket === 0 ? "" : bucket.toString(16)}:${node.toString(16)}`;
}

/** Where a filter hangs: "ingress", "egress" or "parent 1:". */
export function filterPlace(parent: number): string {
  if (parent === 0xffff_fff2) return "ingress";
  return parent === 0xffff_fff3 ? "egress" : parentWord(parent);
}

/** Where a qdisc or class hangs: "root", "clsact" or "parent 1:10". */
function parentWord(parent: number): string {
  const text = formatHandle(parent);
  return text === "root" || text === "clsact" ? text : `parent ${text}`;
}

/** A qdisc's handle: "0:" stands for a default qdisc, as tc writes it. */
function majorOf(handle: number): string {
  return `${(handle >>> 16).toString(16)}:`;
}

function optionWords(options: unknown, { devices }: LineContext): string {
  if (options === undefined || options === null) return "";
  if (options instanceof Uint8Array)
    return options.length === 0 ? "" : `options ${Buffer.from(options).toString("hex")}`;
  return typeof options === "object" ? formatInline(options, { devices, tc: true }) : String(options);
}

function tableWord(table: number): string {
  return routeTables.name(table) ?? String(table);
}

/** ip(8) writes "linkdown". */
function routeFlagWord(flag: string): string {
  return flag === "linkDown" ? "linkdown" : snake(flag);
}

function scopeWord(scope: string | number): string {
  return typeof scope === "string" ? scope : (routeScopes.name(scope) ?? String(scope));
}

function groupWord(group: number): string {
  return deviceGroups.name(group) ?? String(group);
}

function tosWord(tos: number): string {
  return dsFields.name(tos) ?? `0x${tos.toString(16)}`;
}

/** The realm that packets come from, where there is one, and the one that they go to. */
function realmWords(flow: number): string {
  const one = (realm: number) => routeRealms.name(realm) ?? String(realm);
  const from = flow >>> 16;
  return from === 0 ? one(flow) : `${one(from)}/${one(flow & 0xffff)}`;
}

function protocolWord(protocol: string | number): string {
  return typeof protocol === "string" ? protocol : (routeProtocols.name(protocol) ?? String(protocol));
}

function familyWord(family: string | number): string {
  return family === "ipv4" ? "inet" : family === "ipv6" ? "inet6" : `family ${family}`;
}

function lifetime(seconds: number): string {
  return seconds === 0xffff_ffff ? "forever" : `${seconds}sec`;
}

function stateWord(state: string | number, style: LineContext["style"]): string {
  const word = typeof state === "string" ? upperSnake(state).replaceAll("_", "") : String(state);
  return state === "up" ? style.green(word) : state === "down" ? style.red(word) : word;
}

/** Words of ip(8) that differ from the kernel's constants in underscores or length. */
const linkFlagWords: Readonly<Record<string, string>> = {
  allMulticast: "ALLMULTI",
  noArp: "NOARP",
  noTrailers: "NOTRAILERS",
  pointToPoint: "POINTOPOINT",
  portSelect: "PORTSEL",
  autoMedia: "AUTOMEDIA",
  promiscuous: "PROMISC",
};

/** A device that is switched on without a carrier is marked first, although no flag says so. */
function flagWords({ flags, up }: Link): string {
  const all = flags.map((flag) => linkFlagWords[flag] ?? upperSnake(flag));
  return (up && !flags.includes("running") ? ["NO-CARRIER", ...all] : all).join(",");
}

/** Most kinds have one parameter that tells more than the others. */
function modeOf(data: object): string | undefined {
  const { mode, id, table } = data as Readonly<Record<string, unknown>>;
  if (typeof mode === "string") return `mode ${mode}`;
  if (typeof id === "number") return `id ${id}`;
  return typeof table === "number" ? `table ${tableWord(table)}` : undefined;
}

function upperSnake(name: string): string {
  return snake(name).toUpperCase();
}

function snake(name: string): string {
  return name.startsWith("0x") ? name : name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function words(...parts: readonly (string | false | 0 | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "" && part !== false && part !== 0).join(" ");
}

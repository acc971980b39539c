// Captures what a kernel says of the objects in scenarios.ts, for captured-objects.test.ts. From the checkout's root:
//   npm run vm -- --kernel 6.12 --timeout 500 --share OUT -- node packages/netlink/dist/testing/capture.js OUT
// (or with the names of some tables behind OUT) and then, by hand, OUT/captured-objects.ts goes beside this file and through `biome check --write`.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NetworkNamespace } from "@weir/syscall";
import { decodeMessageBody } from "../decoded-message.js";
import { controllerAttributes } from "../generic/controller.js";
import { ethtool } from "../generic/ethtool.js";
import type { FamilyDeclaration } from "../generic/family.js";
import { GenericNetlink } from "../generic/generic-netlink.js";
import { netdev } from "../generic/netdev.js";
import { wireguard, wireguardDevice } from "../generic/wireguard.js";
import { rtnetlinkMessages } from "../rtnetlink/message-types.js";
import { RtmType } from "../rtnetlink/messages.js";
import { binary, encode, Output } from "../schema/index.js";
import { NetlinkProtocol, NetlinkSocket } from "../socket.js";
import { actionMessage } from "../tc/action-message.js";
import { type Scenario, scenarios, type Table } from "./scenarios.js";

/** What a table has, and what iproute2 shows of it. */
interface State {
  readonly rows: Row[];
  readonly shown: unknown[];
}

interface Row {
  readonly type: string;
  readonly body: Uint8Array;
  readonly shown?: unknown;
}

const AF_INET = 2;
const AF_BRIDGE = 7;
const AF_INET6 = 10;
const AF_MPLS = 28;

/** How a table of rtnetlink is read: the type to ask with, the body, and the command that shows the same. */
const tables: Partial<Record<Table, readonly [object: string, body: number[], show?: string]>> = {
  address: ["ADDR", header(8), "ip addr show"],
  route4: ["ROUTE", header(12, AF_INET), "ip -4 route show table all"],
  route6: ["ROUTE", header(12, AF_INET6), "ip -6 route show table all"],
  routeMpls: ["ROUTE", header(12, AF_MPLS), "ip -f mpls route show"],
  rule4: ["RULE", header(12, AF_INET), "ip -4 rule show"],
  rule6: ["RULE", header(12, AF_INET6), "ip -6 rule show"],
  neighbour: ["NEIGH", header(12), "ip neigh show nud all"],
  // NTF_PROXY in ndm_flags.
  proxy: ["NEIGH", [...header(10), 8, 0], "ip neigh show proxy"],
  fdb: ["NEIGH", header(12, AF_BRIDGE), "bridge -d -j fdb show"],
  nexthop: ["NEXTHOP", header(8), "ip nexthop show"],
  bucket: ["NEXTHOPBUCKET", header(8), "ip nexthop bucket show"],
  // BRIDGE_VLANDB_DUMP_FLAGS: BRIDGE_VLANDB_DUMPF_STATS.
  bridgeVlan: ["VLAN", [...header(8, AF_BRIDGE), 8, 0, 1, 0, 1, 0, 0, 0]],
  neighbourTable: ["NEIGHTBL", header(4)],
  netconf4: ["NETCONF", header(4, AF_INET)],
  netconf6: ["NETCONF", header(4, AF_INET6)],
  netconfMpls: ["NETCONF", header(4, AF_MPLS)],
  namespaceId: ["NSID", header(4), "ip netns list-id"],
  // IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS; of bridges RTEXT_FILTER_BRVLAN.
  mdb: ["MDB", header(8, AF_BRIDGE)],
  // TCM_IFINDEX_MAGIC_BLOCK in tcm_ifindex, and the block's number in tcm_parent.
  blockFilter: ["TFILTER", [...header(4), 255, 255, 255, 255, ...header(4), 22, ...header(3), ...header(4)]],
  qdisc: ["QDISC", header(20)],
  link: ["LINK", [...header(16), 8, 0, 29, 0, 8, 0, 0, 0], "ip link show"],
  bridgeLink: ["LINK", [...header(16, AF_BRIDGE), 8, 0, 29, 0, 2, 0, 0, 0]],
  inet6Link: ["LINK", header(16, AF_INET6)],
};

function header(length: number, family = 0): number[] {
  return [family, ...new Array<number>(length - 1).fill(0)];
}

/** How many messages of a type one command may lead to. */
const MOST = 6;

const out: string[] = [];
const [, , , ...only] = process.argv;
for (const scenario of scenarios) {
  if (only.length > 0 && !only.includes(scenario.table)) continue;
  for (const commands of scenario.table === "link"
    ? scenario.commands.map((one) => [one])
    : [scenario.commands]) {
    using namespace = NetworkNamespace.createAnonymous();
    const inside = (script: string) => namespace.run(() => run(script));
    const ready = inside(scenario.setup ?? "true");
    if (ready.status !== 0) throw new Error(`${scenario.setup}: ${ready.stderr}`);
    let before: State =
      scenario.all || scenario.table === "link" ? { rows: [], shown: [] } : read(scenario, namespace);
    for (const command of commands) {
      if (scenario.table === "wireguard") configureWireguard(namespace);
      const { status, stderr } = scenario.table === "wireguard" ? inside("true") : inside(command);
      if (status !== 0) {
        console.error(`FAILED ${command}: ${stderr.trim()}`);
        continue;
      }
      const after = read(scenario, namespace);
      const found = fresh(before, after, scenario.table);
      before = after;
      if (found.length === 0) console.error(`NOTHING NEW after ${command}`);
      for (const { type, body, shown } of sampled(found)) {
        const hex = Buffer.from(body).toString("hex");
        const json = shown === undefined ? {} : { json: JSON.stringify(shown) };
        out.push(JSON.stringify({ type, command, hex, ...json }));
      }
    }
  }
}
writeFileSync(
  join(process.argv[2] as string, "captured-objects.ts"),
  `/** Bodies of messages as Linux 6.12 sent them after commands of iproute2 6.1.0, and what \`ip -d -j\` made of them: see capture.ts. */
export const capturedObjects: readonly {
  readonly type: string;
  readonly command: string;
  readonly hex: string;
  readonly json?: string;
}[] = [${out.join(",\n")}];
`,
);
console.log(`${out.length} messages`);

/** Some of each type, where a table has very many. */
function sampled(rows: Row[]): Row[] {
  return [...new Set(rows.map(({ type }) => type))].flatMap((type) => {
    const all = rows.filter((row) => row.type === type);
    return all.filter((_, i) => i % Math.ceil(all.length / MOST) === 0);
  });
}

function run(script: string) {
  const [program = "", ...args] = /[;|&]/.test(script) ? ["sh", "-ec", script] : script.split(" ");
  return spawnSync(program, args, { encoding: "utf8" });
}

/** What is new, each with what iproute2 shows that is new, where that is as much. */
function fresh(before: State, after: State, table: Table): Row[] {
  const known = new Set(before.rows.map(keyOf));
  const shownBefore = new Set(before.shown.map((one) => JSON.stringify(one)));
  let rows = after.rows.filter((row) => !known.has(keyOf(row)));
  const shown = after.shown.filter((one) => !shownBefore.has(JSON.stringify(one)));
  if (table === "link") {
    // One device of those that a command changes: bodies are long.
    const name = (row: Row) => (decoded(row).attributes as { name?: string }).name;
    const of = rows.some((row) => name(row) === "x0") ? "x0" : "v0";
    rows = rows.filter((row) => name(row) === of);
    return rows.map((row) => ({
      ...row,
      shown: shown.find((one) => (one as { ifname: string }).ifname === of),
    }));
  }
  return rows.map((row, i) => (shown.length === rows.length ? { ...row, shown: shown[i] } : row));
}

function decoded({ type, body }: Row) {
  const number = RtmType[type as keyof typeof RtmType];
  return decodeMessageBody(body, number && rtnetlinkMessages.schemaOf(number, body));
}

/** A message without what changes by itself. */
function keyOf(row: Row): string {
  const drop = (key: string, value: unknown) =>
    key === "cacheInfo" ? undefined : typeof value === "bigint" ? String(value) : value;
  return JSON.stringify([row.type, decoded(row)], drop);
}

function read({ table }: Scenario, netns: NetworkNamespace): State {
  if (table === "action") return { rows: [...actions(netns)], shown: [] };
  const found = tables[table];
  if (!found) return { rows: [...generic(table, netns)], shown: [] };
  const [object, body, show] = found;
  using socket = NetlinkSocket.open(NetlinkProtocol.ROUTE, { netns });
  const type = RtmType[`RTM_GET${object}` as keyof typeof RtmType];
  const request = { operation: `RTM_GET${object}`, action: "capture", type, body: Uint8Array.from(body) };
  const bodies = [...socket.dump(request, binary)];
  const { stdout } = show ? netns.run(() => run(show.replace(/^ip /, "ip -d -j "))) : { stdout: "" };
  const rows = bodies.map((one) => ({ type: `RTM_NEW${object}`, body: one.slice() }));
  if (table !== "address") return { rows, shown: stdout.trim() ? JSON.parse(stdout) : [] };
  // ip has addresses by device, as the kernel has them by family.
  const devices = JSON.parse(stdout) as { addr_info: { family: string }[] }[];
  const infos = devices.flatMap(({ addr_info }) => addr_info);
  return {
    rows,
    shown: ["inet", "inet6"].flatMap((family) => infos.filter((info) => info.family === family)),
  };
}

/** The actions of every kind. */
function* actions(netns: NetworkNamespace): Generator<Row> {
  using socket = NetlinkSocket.open(NetlinkProtocol.ROUTE, { netns });
  for (const kind of ["gact", "mirred", "police", "skbedit", "vlan", "pedit"]) {
    const body = encode(actionMessage(), { attributes: { actions: [{ kind }] } });
    const request = { operation: "RTM_GETACTION", action: "capture", type: RtmType.RTM_GETACTION, body };
    // Kinds without an action have an empty answer.
    for (const one of socket.dump(request, binary))
      if (one.length > header(8).length) yield { type: "RTM_NEWACTION", body: one.slice() };
  }
}

/** What wg(8) would be asked for, where a machine has that. */
function configureWireguard(netns: NetworkNamespace): void {
  using genl = GenericNetlink.open({ netns });
  const key = (byte: number) => Buffer.alloc(32, byte).toString("base64");
  genl.use(wireguard).acknowledge("setDevice", {
    name: "x0",
    privateKey: key(8),
    listenPort: 5182,
    mark: 7,
    peers: [
      {
        publicKey: key(3),
        presharedKey: key(9),
        endpoint: { address: "192.0.2.1", port: 51_820 },
        persistentKeepaliveSeconds: 25,
        allowedIps: [
          { family: "ipv4", address: "10.0.0.0", prefixLength: 8 },
          { family: "ipv6", address: "fd00::", prefixLength: 64 },
        ],
      },
      { publicKey: key(4), endpoint: { address: "fe80::1", port: 51_821, scopeId: 1 } },
    ],
  });
}

/** The answers to the commands of generic netlink; their types are the constants. */
function* generic(table: Table, netns: NetworkNamespace): Generator<Row> {
  using genl = GenericNetlink.open({ netns });
  using socket = NetlinkSocket.open(NetlinkProtocol.GENERIC, { netns });
  const ask = function* (type: number, command: number, constant: string, attributes: Uint8Array) {
    const body = Uint8Array.of(command, 1, 0, 0, ...attributes);
    try {
      for (const one of socket.dump({ operation: constant, action: "capture", type, body }, binary))
        yield { type: constant, body: one.slice() };
    } catch (error) {
      console.error(`${constant}: ${String(error)}`);
    }
  };
  if (table === "family") yield* ask(16, 3, "CTRL_CMD_NEWFAMILY", new Uint8Array(0));
  if (table === "policy") {
    for (const family of ["nlctrl", "ethtool", "netdev"]) {
      const output = new Output();
      controllerAttributes.encode(output, { name: family }, undefined);
      yield* ask(16, 10, "CTRL_CMD_GETPOLICY", output.finish());
    }
  }
  const declaration: FamilyDeclaration | undefined =
    table === "ethtool"
      ? ethtool
      : table === "netdev"
        ? netdev
        : table === "wireguard"
          ? wireguard
          : undefined;
  if (!declaration) return;
  const { id } = genl.families.get(declaration.name);
  const attributes =
    table === "ethtool"
      ? Uint8Array.of(4, 0, 1, 0x80)
      : table === "wireguard"
        ? encode(wireguardDevice, { name: "x0" })
        : new Uint8Array(0);
  for (const [command, one] of Object.entries(declaration.commands))
    if (!command.startsWith("set")) yield* ask(id, one.id, one.replyConstant ?? one.constant, attributes);
}

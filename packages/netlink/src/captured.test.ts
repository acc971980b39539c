import { test } from "uvu";
import * as assert from "uvu/assert";
import { addressMessage, addressOf } from "./rtnetlink/address.js";
import { linkReply } from "./rtnetlink/link-reply.js";
import { linkMessage } from "./rtnetlink/link-schema.js";
import { routeReply } from "./rtnetlink/route-reply.js";
import { routeMessage } from "./rtnetlink/route-schema.js";
import { type Codec, decode, encode, Input } from "./schema/index.js";
import { classOf } from "./tc/classes.js";
import { filterReply } from "./tc/filter.js";
import { filterMessage } from "./tc/filter-schema.js";
import { qdiscReply } from "./tc/qdisc.js";
import { qdiscMessage } from "./tc/tc-schema.js";
import { captured } from "./testing/captured.js";

const schemas = {
  link: linkMessage,
  address: addressMessage,
  route: routeMessage,
  qdisc: qdiscMessage,
  class: qdiscMessage,
  filter: filterMessage,
} as const;

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

/** The bytes after a command: all of the messages that it led to, or those of one kernel. */
function after(command: string, kernel?: string): Uint8Array[] {
  const found = captured.filter(
    (one) => one.command.includes(command) && (kernel === undefined || one.kernel === kernel),
  );
  assert.ok(found.length > 0, `nothing captured after ${command}`);
  return found.map(({ hex }) => bytesOf(hex));
}

const links = (command: string) => after(command).map((bytes) => decode(linkReply, bytes));
const qdiscs = (command: string) =>
  after(command).map((bytes) => qdiscReply.decode(new Input(bytes), 0, bytes.length));
const filters = (command: string) =>
  after(command).map((bytes) => filterReply.decode(new Input(bytes), 0, bytes.length));
const routes = (command: string) => after(command).map((bytes) => decode(routeReply, bytes));

for (const { type, kernel, command, hex } of captured)
  test(`on ${kernel}, the ${type} after "${command}" (${hex.length / 2} bytes) decodes, knows every attribute and encodes to the same bytes`, () => {
    const value = decode<unknown>(schemas[type], bytesOf(hex));
    assert.is(Buffer.from(encode(schemas[type] as Codec<unknown, unknown>, value)).toString("hex"), hex);
    assert.not.ok(JSON.stringify(value, plain).includes('"unknown":['), "unknown attributes");
  });

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

test("an ipvlan link has its mode, its flags and its master, on every kernel", () => {
  for (const link of links("type ipvlan mode l3s private")) {
    assert.is(link.name, "i0");
    assert.is(link.kind, "ipvlan");
    assert.is((link.data as { mode?: string }).mode, "l3s");
    assert.equal((link.data as { flags?: string[] }).flags, ["private"]);
    assert.type(link.link, "number");
    assert.is(link.up, false);
    assert.is(link.mtu, 1500);
  }
});

test("a link that is up has its alias, its flags and its counters", () => {
  for (const link of links("up alias uplink")) {
    assert.is(link.alias, "uplink");
    assert.is(link.up, true);
    assert.ok(link.flags.includes("multicast"));
    assert.ok(typeof link.stats?.rxBytes === "bigint");
    assert.is(link.gsoMaxSize, 65536);
    assert.is(link.addrGenMode, "eui64");
  }
});

test("a bridge and a macvlan have their data", () => {
  for (const { data } of links("type bridge ageing_time 1000"))
    assert.is((data as { ageingTime?: number }).ageingTime, 1000);
  for (const { data } of links("type macvlan mode bridge"))
    assert.is((data as { mode?: string }).mode, "bridge");
});

test("virtual functions have what was set on them", () => {
  for (const { numVfs, vfs } of links("vf 1 mac")) {
    assert.is(numVfs, 2);
    const common = {
      vlanProtocol: "802.1q",
      minimumMegabitsPerSecond: 0,
      spoofCheck: true,
      rssQuery: undefined,
      linkState: "auto",
    };
    const untouched = { index: 0, address: "00:00:00:00:00:00", vlan: 0, vlanPriority: 0, trust: false };
    const changed = { index: 1, address: "02:00:00:00:0a:01", vlan: 7, vlanPriority: 3, trust: true };
    assert.equal(
      vfs.map(({ attributes: _, ...vf }) => vf),
      [
        { ...common, ...untouched, maximumMegabitsPerSecond: 0 },
        { ...common, ...changed, maximumMegabitsPerSecond: 100 },
      ],
    );
  }
});

test("addresses have their peer, label and broadcast", () => {
  const all = after("addr add").map((bytes) => addressOf(decode(addressMessage, bytes)));
  const first = all.find(({ address }) => address === "192.0.2.1");
  assert.is(first?.prefixLength, 24);
  assert.is(first?.peer, undefined);
  assert.is(first?.label, "v0");
  const peer = all.find(({ address }) => address === "198.51.100.1");
  assert.is(peer?.peer, "198.51.100.2");
  assert.is(peer?.label, "v1:x");
  const mortal = all.find(({ address }) => address === "2001:db8::1");
  assert.is(mortal?.family, "ipv6");
  assert.ok(mortal && mortal.validSeconds <= 3600 && mortal.preferredSeconds <= 1800);
});

test("routes have their gateways, metrics, weights and tables", () => {
  const everything = routes("default via").find(({ destination }) => destination === "default");
  assert.is(everything?.gateway, "192.0.2.254");
  assert.is(everything?.priority, 7);
  assert.equal(everything?.metrics, { mtu: 1400, advertisedMss: 1300 });
  const [many] = routes("10.0.0.0/8");
  assert.is(many?.destination, "10.0.0.0/8");
  assert.equal(
    many?.multipath?.map(({ gateway, weight }) => [gateway, weight]),
    [
      ["192.0.2.2", 3],
      ["192.0.2.3", 1],
    ],
  );
  const [black] = routes("blackhole");
  assert.is(black?.type, "blackhole");
  assert.is(black?.table, 1000);
  assert.ok(
    routes("2001:db8:1::/48").some(
      ({ destination, gateway }) => destination === "2001:db8:1::/48" && gateway === "2001:db8::2",
    ),
  );
});

test("fq has its parameters in their units, and its counters, on kernels from 5.10 to 6.12", () => {
  const all = qdiscs("root handle 3: fq");
  assert.is(all.length, 3);
  for (const qdisc of all) {
    const options = qdisc?.options as Record<string, unknown>;
    assert.is(qdisc?.kind, "fq");
    assert.is(qdisc?.handle, 0x30000);
    assert.is(options.limit, 5000);
    assert.is(options.flowLimit, 50);
    assert.is(options.maxRateBitsPerSecond, 80_000_000n);
    assert.is(options.horizonUs, 2_000_000);
    assert.is(options.horizonDrop, false);
    assert.is(options.ceThresholdUs, 5000);
    assert.is(options.pacing, true);
    assert.is(options.lowRateThresholdBitsPerSecond, 550_000n);
    assert.is(options.timerSlackNs, 10_000);
    const xstats = qdisc?.xstats as Record<string, unknown>;
    assert.is(xstats.horizonDrops, 0n);
    assert.type(xstats.flows, "number");
    assert.is(qdisc?.stats?.drops, 0);
  }
});

test("tbf and htb have their rates and bursts, also above 4 GB/s", () => {
  for (const qdisc of qdiscs("tbf rate 100mbit burst 32000"))
    assert.equal(qdisc?.options, {
      rateBitsPerSecond: 100_000_000n,
      burstBytes: 32_000,
      limitBytes: 344_500,
      peakRateBitsPerSecond: undefined,
      peakBurstBytes: undefined,
      overheadBytes: 0,
      mpuBytes: 0,
      linkLayer: "ethernet",
    });
  for (const qdisc of qdiscs("tbf rate 50gbit"))
    assert.is((qdisc!.options as { rateBitsPerSecond: bigint }).rateBitsPerSecond, 50_000_000_000n);
  for (const bytes of after("htb rate 10mbit ceil 50gbit")) {
    const { options, handle, parent } = classOf(decode(qdiscMessage, bytes));
    assert.is(handle, 0x20010);
    assert.is(parent, 0xffff_ffff);
    assert.is(options?.rateBitsPerSecond, 10_000_000n);
    assert.is(options?.ceilBitsPerSecond, 50_000_000_000n);
    assert.is(options?.burstBytes, 20_000);
    assert.is(options?.priority, 2);
  }
});

test("an unknown kind of qdisc keeps its parameters as bytes", () => {
  const bytes = encode(qdiscMessage, { attributes: { kind: "unheard_of", options: Uint8Array.of(1, 2, 3) } });
  const qdisc = qdiscReply.decode(new Input(bytes), 0, bytes.length);
  assert.is(qdisc?.kind, "unheard_of");
  assert.instance(qdisc?.options, Uint8Array);
  assert.equal(qdisc?.rawOptions, qdisc?.options);
});

test("filters have their place, their program and their actions", () => {
  for (const filter of filters("bpf da pinned")) {
    assert.is(filter?.parent, 0xffff_fff3);
    assert.is(filter?.priority, 7);
    assert.is(filter?.protocol, "all");
    const options = filter!.options as unknown as Record<string, unknown>;
    assert.is(options.directAction, true);
    assert.is(options.classid, 0x10002);
    assert.is(options.name, "pass");
    assert.match(options.tag as string, /^[0-9a-f]{16}$/);
  }
  for (const filter of filters("matchall")) {
    const { actions, classid } = filter!.options as { actions: { kind?: string }[]; classid?: number };
    assert.is(filter?.protocol, "ip");
    assert.is(classid, 0x10007);
    assert.equal(
      actions.map(({ kind }) => kind),
      ["mirred", "gact"],
    );
  }
  for (const filter of filters("u32 match u32 0 0")) {
    const { actions, selector } = filter!.options as unknown as {
      actions: { options?: { parms?: { mode?: string; action?: string } } }[];
      selector: { keys: unknown };
    };
    assert.equal(selector.keys, [{ mask: 0, value: 0, offset: 0, offsetMask: 0 }]);
    assert.is(actions[0]?.options?.parms?.mode, "egressRedirect");
    assert.is(actions[0]?.options?.parms?.action, "stolen");
  }
});

test.run();

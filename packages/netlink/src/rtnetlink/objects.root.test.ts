import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { kernelVersion } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NetlinkError } from "../netlink-error.js";
import { decode, encode } from "../schema/index.js";
import { inNamespace, needs } from "../testing/needs.js";
import type { MplsLabel } from "./encap.js";
import { isLinkKind, isPortKind } from "./link.js";
import { rtnetlinkMessages } from "./message-types.js";
import { RtmType } from "./messages.js";
import { mplsRouteMessage } from "./mpls-route.js";
import { Rtnetlink } from "./rtnetlink.js";

const root = needs("root", "veth");
const since = (major: number, minor: number) => {
  const kernel = kernelVersion();
  return kernel.major > major || (kernel.major === major && kernel.minor >= minor);
};

/** A veth pair that is up, with an address: a network to have routes and neighbours in. */
function network(rt: Rtnetlink): number {
  rt.links.set("lo", { up: true });
  rt.links.add({ name: "v0", kind: "veth", up: true, data: { peer: { name: "v1" } } });
  rt.links.set("v1", { up: true });
  const { index } = rt.links.get("v0");
  rt.addresses.add({ index, address: "192.0.2.1/24" });
  rt.addresses.add({ index, address: "2001:db8::1/64", flags: ["noDad"] });
  return index;
}

function refusal(work: () => void): NetlinkError {
  try {
    work();
  } catch (error) {
    assert.instance(error, NetlinkError);
    return error as NetlinkError;
  }
  throw new Error("nothing was refused");
}

/** Reads a whole dump's raw bodies and compares them with what encoding their decoded form gives. */
function dumpsSurviveARoundTrip(rt: Rtnetlink, type: number, family: number): number {
  let count = 0;
  const asked = rtnetlinkMessages.schemaOf(type, Uint8Array.of(family));
  const body = encode(asked as never, { header: { family } } as never);
  const request = { operation: "dump", action: "test", type, body };
  const raw = {
    decode: (input: { bytes: Uint8Array }, start: number, end: number) => input.bytes.slice(start, end),
    encode: () => {},
  };
  for (const bytes of rt.socket.dump(request, raw)) {
    const schema = rtnetlinkMessages.schemaOf(type, bytes);
    assert.ok(schema);
    const value = decode(schema!, bytes) as { attributes: { unknown?: unknown } };
    const again = encode(schema as never, value as never);
    assert.is(Buffer.from(again).toString("hex"), Buffer.from(bytes).toString("hex"));
    assert.is(value.attributes.unknown, undefined, "unknown attributes");
    count++;
  }
  return count;
}

root("rules are made with every selector, read back, and removed", () => {
  inNamespace((rt) => {
    const before = [...rt.rules.dump({ family: "ipv4" })].length;
    rt.rules.add({
      priority: 100,
      source: "10.0.0.0/8",
      destination: "192.0.2.0/24",
      table: 1000,
      mark: 7,
      markMask: 0xff,
      inputInterface: "lo",
      ipProtocol: 6,
      sourcePorts: { start: 1000, end: 2000 },
      destinationPorts: { start: 80, end: 80 },
      uidRange: { start: 0, end: 1000 },
      invert: true,
      suppressPrefixLength: 0,
      protocol: "bgp",
    });
    rt.rules.add({ priority: 200, l3mdev: true });
    rt.rules.add({ priority: 300, goto: 400 });
    rt.rules.add({ priority: 400, action: "unreachable", family: "ipv6", source: "2001:db8::/32" });
    const rule = rt.rules.find({ priority: 100 });
    assert.ok(rule);
    const { source, destination, table, mark, markMask, inputInterface, ipProtocol } = rule!;
    assert.equal(
      { source, destination, table, mark, markMask, inputInterface, ipProtocol },
      {
        source: "10.0.0.0/8",
        destination: "192.0.2.0/24",
        table: 1000,
        mark: 7,
        markMask: 0xff,
        inputInterface: "lo",
        ipProtocol: 6,
      },
    );
    assert.equal(rule?.sourcePorts, { start: 1000, end: 2000 });
    assert.equal(rule?.destinationPorts, { start: 80, end: 80 });
    assert.equal(rule?.uidRange, { start: 0, end: 1000 });
    assert.is(rule?.invert, true);
    assert.is(rule?.suppressPrefixLength, 0);
    assert.is(rule?.protocol, "bgp");
    assert.is(rt.rules.find({ priority: 200 })?.l3mdev, true);
    assert.is(rt.rules.find({ priority: 300 })?.goto, 400);
    assert.is(rt.rules.find({ priority: 400, family: "ipv6" })?.action, "unreachable");
    assert.is(refusal(() => rt.rules.add({ priority: 200, l3mdev: true })).code, "EEXIST");
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETRULE, 0) >= 6);
    for (const priority of [100, 200, 300]) rt.rules.remove({ priority });
    assert.is([...rt.rules.dump({ family: "ipv4" })].length, before);
    assert.is(refusal(() => rt.rules.remove({ priority: 100 })).code, "ENOENT");
    if (since(6, 12)) {
      rt.rules.add({ priority: 500, dscp: 10 });
      assert.is(rt.rules.find({ priority: 500 })?.attributes.dscp, 10);
    }
  });
});

root("neighbours are added, replaced, changed, found and removed, proxies too", () => {
  inNamespace((rt) => {
    const index = network(rt);
    rt.neighbours.add({ index, destination: "192.0.2.9", address: "02:00:00:00:00:09" });
    rt.neighbours.add({ index, destination: "2001:db8::9", address: "02:00:00:00:00:09", router: true });
    rt.neighbours.add({ index, destination: "192.0.2.77", proxy: true });
    assert.is(
      refusal(() => rt.neighbours.add({ index, destination: "192.0.2.9", address: "02:00:00:00:00:09" }))
        .code,
      "EEXIST",
    );
    const found = rt.neighbours.get(index, "192.0.2.9");
    assert.is(found.address, "02:00:00:00:00:09");
    assert.equal(found.state, ["permanent"]);
    rt.neighbours.replace({
      index,
      destination: "192.0.2.9",
      address: "02:00:00:00:00:0a",
      state: "reachable",
    });
    assert.equal(rt.neighbours.get(index, "192.0.2.9").state, ["reachable"]);
    rt.neighbours.change({ index, destination: "192.0.2.9", address: "02:00:00:00:00:0b", state: "noArp" });
    assert.is(rt.neighbours.find(index, "192.0.2.9")?.address, "02:00:00:00:00:0b");
    assert.ok(rt.neighbours.get(index, "2001:db8::9").flags.includes("router"));
    assert.equal(
      [...rt.neighbours.dump({ family: "ipv4", index })].map(({ destination }) => destination),
      ["192.0.2.9"],
    );
    const [proxy] = [...rt.neighbours.dump({ family: "ipv4", proxy: true })];
    assert.is(proxy?.destination, "192.0.2.77");
    assert.is(proxy?.proxy, true);
    assert.is(rt.neighbours.find(index, "192.0.2.10"), undefined);
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETNEIGH, 0) >= 2);
    rt.neighbours.remove({ index, destination: "192.0.2.9" });
    rt.neighbours.remove({ index, destination: "192.0.2.77", proxy: true });
    assert.is(rt.neighbours.find(index, "192.0.2.9"), undefined);
    if (since(5, 16)) {
      rt.neighbours.add({ index, destination: "192.0.2.50", use: true, managed: true, externLearned: true });
      const managed = rt.neighbours.get(index, "192.0.2.50");
      assert.equal(managed.attributes.extendedFlags, ["managed"]);
      assert.ok(managed.flags.includes("externLearned"));
    }
  });
});

root("neighbour tables are read, and their limits and a device's times are set", () => {
  inNamespace((rt) => {
    const index = network(rt);
    const tables = [...rt.neighbourTables.dump({ family: "ipv4" })];
    assert.ok(tables.some(({ name, threshold3 }) => name === "arp_cache" && threshold3 !== undefined));
    assert.ok(tables[0]?.stats && typeof tables[0].stats.lookups === "bigint");
    rt.neighbourTables.set({
      name: "arp_cache",
      family: "ipv4",
      parameters: { index, baseReachableTimeMs: 12_000n, unicastProbes: 7 },
    });
    const mine = [...rt.neighbourTables.dump({ family: "ipv4" })].find(
      ({ parameters }) => parameters?.index === index,
    );
    assert.is(mine?.parameters?.baseReachableTimeMs, 12_000n);
    assert.is(mine?.parameters?.unicastProbes, 7);
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETNEIGHTBL, 0) > 1);
  });
});

needs("bridge", "vxlan")("forwarding entries of a bridge and of a VXLAN device", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "br0", kind: "bridge", up: true });
    const bridge = rt.links.get("br0").index;
    rt.links.add({ name: "p0", kind: "veth", up: true, master: bridge, data: { peer: { name: "p1" } } });
    const port = rt.links.get("p0").index;
    rt.links.add({ name: "vx0", kind: "vxlan", data: { id: 7, port: 4789, learning: false } });
    const vxlan = rt.links.get("vx0").index;
    rt.fdb.add({ index: port, address: "02:00:00:00:00:01", master: true, state: "noArp" });
    rt.fdb.replace({ index: port, address: "02:00:00:00:00:01", master: true, sticky: true, state: "noArp" });
    const entry = rt.fdb.get("02:00:00:00:00:01", { master: bridge });
    assert.is(entry.index, port);
    assert.is(entry.master, bridge);
    assert.ok(entry.flags.includes("sticky") && entry.state.includes("noArp"));
    rt.fdb.add({ index: vxlan, address: "02:00:00:00:00:02", destination: "192.0.2.7", port: 4790, vni: 9 });
    rt.fdb.append({ index: vxlan, address: "00:00:00:00:00:00", destination: "192.0.2.8" });
    rt.fdb.append({
      index: vxlan,
      address: "00:00:00:00:00:00",
      destination: "192.0.2.9",
    });
    const entries = [...rt.fdb.dump({ index: vxlan })];
    const one = entries.find(({ address }) => address === "02:00:00:00:00:02");
    assert.equal([one?.destination, one?.port, one?.vni], ["192.0.2.7", 4790, 9]);
    assert.equal(
      entries
        .filter(({ address }) => address === "00:00:00:00:00:00")
        .map(({ destination }) => destination)
        .sort(),
      ["192.0.2.8", "192.0.2.9"],
    );
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETNEIGH, 7) > 3);
    rt.fdb.remove({ index: port, address: "02:00:00:00:00:01", master: true });
    assert.is(rt.fdb.find("02:00:00:00:00:01", { master: bridge }), undefined);
    if (since(6, 7)) {
      rt.fdb.flush({ index: vxlan });
      assert.equal([...rt.fdb.dump({ index: vxlan })], []);
    }
  });
});

root("nexthops and groups of them are made, used by routes, replaced and removed", () => {
  inNamespace((rt) => {
    const index = network(rt);
    rt.nexthops.add({ id: 1, index, gateway: "192.0.2.2" });
    rt.nexthops.add({ id: 2, index, gateway: "192.0.2.3" });
    rt.nexthops.add({ id: 3, blackhole: true });
    rt.nexthops.add({ id: 6, index, gateway: "fe80::6" });
    rt.nexthops.add({ id: 10, group: [{ id: 1, weight: 3 }, 2] });
    assert.is(refusal(() => rt.nexthops.add({ id: 1, index, gateway: "192.0.2.2" })).code, "EEXIST");
    const group = rt.nexthops.get(10);
    assert.equal(group.group, [
      { id: 1, weight: 3 },
      { id: 2, weight: 1 },
    ]);
    assert.is(group.groupType, "multipath");
    assert.is(rt.nexthops.get(1).gateway, "192.0.2.2");
    assert.is(rt.nexthops.get(3).blackhole, true);
    assert.is(rt.nexthops.get(6).family, "ipv6");
    assert.equal(
      [...rt.nexthops.dump({ groups: true })].map(({ id }) => id),
      [10],
    );
    rt.routes.add({ destination: "10.0.0.0/8", nexthopId: 10 });
    const route = [...rt.routes.dump({ table: 254, family: "ipv4" })].find(
      ({ nexthopId }) => nexthopId === 10,
    );
    assert.is(route?.destination, "10.0.0.0/8");
    assert.is(route?.multipath?.length, 2);
    rt.nexthops.replace({ id: 1, index, gateway: "192.0.2.4" });
    assert.is(rt.nexthops.find(1)?.gateway, "192.0.2.4");
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETNEXTHOP, 0) >= 5);
    if (since(5, 13)) {
      rt.nexthops.add({ id: 20, group: [1, 2], groupType: "resilient", resilientGroup: { buckets: 8 } });
      const buckets = [...rt.nexthops.buckets({ id: 20 })];
      assert.is(buckets.length, 8);
      assert.ok(buckets.every(({ nexthopId }) => nexthopId === 1 || nexthopId === 2));
    }
    rt.nexthops.remove(10);
    assert.is(rt.nexthops.find(10), undefined);
    assert.not.ok(
      [...rt.routes.dump({ table: 254 })].some(({ destination }) => destination === "10.0.0.0/8"),
    );
  });
});

root("routes are appended, changed and found by a packet, with metrics and preferences", () => {
  inNamespace((rt) => {
    const index = network(rt);
    rt.routes.add({
      destination: "10.0.0.0/8",
      gateway: "192.0.2.2",
      metrics: { hopLimit: 9, initialCongestionWindow: 20, congestionControl: "cubic" },
      mtu: 1400,
    });
    rt.routes.append({ destination: "10.0.0.0/8", gateway: "192.0.2.3", tos: 8 });
    rt.routes.change({ destination: "10.0.0.0/8", gateway: "192.0.2.4", mtu: 1300 });
    const all = [...rt.routes.dump({ family: "ipv4", table: 254 })].filter(
      ({ destination }) => destination === "10.0.0.0/8",
    );
    assert.is(all.length, 2);
    const plain = all.find(({ tos }) => tos === 0);
    assert.is(plain?.gateway, "192.0.2.4");
    assert.is(plain?.metrics?.mtu, 1300);
    rt.routes.add({
      destination: "2001:db8:7::/48",
      gateway: "2001:db8::7",
      preference: "high",
      expiresSeconds: 1000,
    });
    const six = [...rt.routes.dump({ family: "ipv6", table: 254 })].find(
      ({ destination }) => destination === "2001:db8:7::/48",
    );
    assert.is(six?.preference, "high");
    assert.ok((six?.attributes.cacheInfo?.expires ?? 0) > 0);
    assert.is(rt.routes.get("10.1.2.3").gateway, "192.0.2.4");
    assert.is(rt.routes.get("10.1.2.3", { match: true }).destination, "10.0.0.0/8");
    assert.is(rt.routes.get("10.1.2.3", { source: "192.0.2.1", mark: 5, uid: 0, index }).index, index);
    rt.routes.add({
      destination: "10.9.0.0/16",
      multipath: [
        { gateway: "192.0.2.2", weight: 2 },
        { gateway: "203.0.113.1", index, onlink: true },
      ],
    });
    const many = [...rt.routes.dump({ family: "ipv4" })].find(
      ({ destination }) => destination === "10.9.0.0/16",
    );
    assert.equal(
      many?.multipath?.map(({ gateway, weight, onlink }) => [gateway, weight, onlink]),
      [
        ["192.0.2.2", 2, undefined],
        ["203.0.113.1", 1, true],
      ],
    );
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETROUTE, 0) > 5);
  });
});

root("a route wraps its packets for a tunnel", () => {
  inNamespace((rt) => {
    const index = network(rt);
    rt.routes.add({
      destination: "10.5.0.0/16",
      index,
      encapType: "ip",
      encap: { id: 42n, destination: "192.0.2.7", ttl: 9 },
    });
    const route = [...rt.routes.dump({ family: "ipv4" })].find(
      ({ destination }) => destination === "10.5.0.0/16",
    );
    assert.is(route?.encapType, "ip");
    const { id, destination, ttl } = (route?.encap ?? {}) as Record<string, unknown>;
    assert.equal([id, destination, ttl], [42n, "192.0.2.7", 9]);
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETROUTE, 2) > 2);
  });
});

needs("mpls")("labels are pushed by a route, and routes of labels are read and encode to their bytes", () => {
  inNamespace((rt, namespace) => {
    const index = network(rt);
    rt.routes.add({
      destination: "10.7.0.0/16",
      gateway: "192.0.2.2",
      encapType: "mpls",
      encap: { labels: [100, 200], ttl: 9 },
    });
    const route = [...rt.routes.dump({ family: "ipv4" })].find(({ encapType }) => encapType === "mpls");
    const { labels, ttl } = (route?.encap ?? {}) as { labels?: MplsLabel[]; ttl?: number };
    assert.equal(
      labels?.map(({ label, bottomOfStack }) => [label, bottomOfStack]),
      [
        [100, false],
        [200, true],
      ],
    );
    assert.is(ttl, 9);
    namespace.run(() => writeFileSync("/proc/sys/net/mpls/platform_labels", "1000"));
    rt.socket.acknowledge({
      operation: "RTM_NEWROUTE",
      action: "make a route of a label",
      type: RtmType.RTM_NEWROUTE,
      flags: 0x400,
      schema: mplsRouteMessage(),
      body: encode(mplsRouteMessage(), {
        header: { family: 28, destinationLength: 20, table: 254, protocol: "static", type: "unicast" },
        attributes: { destination: [300], newDestination: [400], via: "192.0.2.2", index },
      }),
    });
    assert.is(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETROUTE, 28), 1);
  });
});

needs("bridge")("a port's settings are changed and read with the kind of its master", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "br0", kind: "bridge" });
    const bridge = rt.links.get("br0").index;
    rt.links.add({ name: "p0", kind: "veth", master: bridge, data: { peer: { name: "p1" } } });
    rt.links.set("p0", { portKind: "bridge", portData: { hairpin: true, cost: 77, isolated: true } });
    const port = rt.links.get("p0");
    assert.ok(isPortKind(port, "bridge"));
    if (isPortKind(port, "bridge")) {
      assert.is(port.portData?.hairpin, true);
      assert.is(port.portData?.cost, 77);
      assert.is(port.portData?.isolated, true);
    }
    rt.links.set("br0", { kind: "bridge", data: { ageingTime: 4242 } });
    const link = rt.links.get("br0");
    if (isLinkKind(link, "bridge")) assert.is(link.data?.ageingTime, 4242);
    assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETLINK, 7) >= 1);
  });
});

needs("bridge_vlan")("VLANs of a port are allowed in ranges, and taken away", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "br0", kind: "bridge", data: { vlanFiltering: true, vlanDefaultPvid: 0 } });
    const bridge = rt.links.get("br0").index;
    rt.links.add({ name: "p0", kind: "veth", master: bridge, data: { peer: { name: "p1" } } });
    const index = rt.links.get("p0").index;
    rt.bridgeVlans.add({ index, vid: 10, pvid: true, untagged: true });
    rt.bridgeVlans.add({ index, vid: 100, vidEnd: 199 });
    rt.bridgeVlans.add({ index: bridge, vid: 10, self: true });
    const brief = () =>
      [...rt.bridgeVlans.dump({ index })].map(({ vid, vidEnd, pvid, untagged }) => [
        vid,
        vidEnd,
        pvid,
        untagged,
      ]);
    assert.equal(brief(), [
      [10, 10, true, true],
      [100, 199, false, false],
    ]);
    assert.ok([...rt.bridgeVlans.dump()].some((one) => one.index === bridge && one.vid === 10));
    rt.bridgeVlans.remove({ index, vid: 150, vidEnd: 199 });
    assert.equal(brief()[1], [100, 149, false, false]);
    if (since(5, 7)) assert.ok(dumpsSurviveARoundTrip(rt, RtmType.RTM_GETVLAN, 7) >= 1);
  });
});

root("other names are given to a link and taken from it, and find it", () => {
  inNamespace((rt) => {
    network(rt);
    const long = `uplink-${"x".repeat(60)}`;
    rt.links.addAltNames("v0", ["up", long]);
    assert.equal(rt.links.get("v0").altNames, ["up", long]);
    assert.is(rt.links.get(long).name, "v0");
    assert.is(rt.links.get("up").name, "v0");
    rt.links.removeAltNames(long, ["up"]);
    assert.equal(rt.links.get("v0").altNames, [long]);
  });
});

root("a link moves to the namespace of a process", async () => {
  // The process says that it is there by repeating what it reads.
  const process = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    process.stdin.write("x");
    await once(process.stdout, "data");
    inNamespace((rt) => {
      rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
      rt.links.set("v0", { netns: process.pid as number, name: "eth0" });
      assert.is(rt.links.find("v0"), undefined);
      using inside = Rtnetlink.open({ netns: `/proc/${process.pid}/ns/net` });
      assert.is(inside.links.get("eth0").kind, "veth");
    });
  } finally {
    process.kill();
  }
});

test.run();

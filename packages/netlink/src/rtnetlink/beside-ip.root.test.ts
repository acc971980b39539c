import { execFileSync } from "node:child_process";
import type { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  addressWords,
  besideLinkData,
  comparable,
  fdbWords,
  linkWords,
  neighbourWords,
  nexthopWords,
  routeWords,
  ruleWords,
  type Words,
} from "../testing/ip-words.js";
import { linkCases } from "../testing/link-cases.js";
import { type Feature, inNamespace, needs } from "../testing/needs.js";
import type { Rtnetlink } from "./rtnetlink.js";

/** The same object made by ip(8) and by us, each in a namespace of its own. */
interface Case {
  readonly needs?: readonly Feature[];
  /** What both namespaces have before; v0 and v1 are there, up and with addresses, where absent. */
  readonly command: string;
  readonly make: (rt: Rtnetlink, v0: number) => void;
}

/** Runs ip(8), or bridge(8) where the first word says so. */
const ip = (namespace: NetworkNamespace, ...args: string[]) => {
  const [program, rest] = args[0] === "bridge" ? ["bridge", args.slice(1)] : ["ip", args];
  return namespace.run(() => execFileSync(program, rest, { encoding: "utf8", stdio: "pipe" }));
};
const showBridge = (namespace: NetworkNamespace, args: string): Words[] =>
  JSON.parse(ip(namespace, "bridge", "-d", "-j", ...args.split(" ")) || "[]");
const show = (namespace: NetworkNamespace, args: string): Words[] => {
  const text = ip(namespace, "-d", "-j", ...args.split(" "));
  return text.trim() ? JSON.parse(text) : [];
};

/** How a kind of object is read by both, one of them chosen by a name that both give. */
interface Kind {
  readonly theirs: (namespace: NetworkNamespace) => Words[];
  readonly ours: (rt: Rtnetlink) => Words[];
  readonly ignored: readonly string[];
  /** Makes what the objects belong to. */
  readonly prepare?: (rt: Rtnetlink) => void;
  readonly needs?: readonly Feature[];
  readonly cases: readonly Case[];
}

/** A bridge that filters by VLANs, with v1 as its port, and a VXLAN device with many networks. */
function bridged(rt: Rtnetlink): void {
  rt.links.add({ name: "br0", kind: "bridge", up: true, data: { vlanFiltering: true } });
  rt.links.set("v1", { master: rt.links.get("br0").index });
  rt.links.add({ name: "vx0", kind: "vxlan", data: { port: 4789, collectMetadata: true, learning: false } });
}
const indexOf = (rt: Rtnetlink, name: string) => rt.links.get(name).index;

/** Link-layer addresses that the cases below make. */
const made = /^(02:00:00|00):00:00/;
const lifetimes = ["valid_life_time", "preferred_life_time"];
const kinds: Readonly<Record<string, Kind>> = {
  addresses: {
    theirs: (namespace) =>
      show(namespace, "addr show dev v0").flatMap(({ addr_info }) => (addr_info ?? []) as Words[]),
    ours: (rt) => [...rt.addresses.dump({ index: rt.links.get("v0").index })].map(addressWords),
    ignored: lifetimes,
    cases: [
      {
        command: "addr add 198.51.100.7/24 broadcast 198.51.100.255 label v0:x dev v0",
        make: (rt, index) =>
          rt.addresses.add({
            index,
            address: "198.51.100.7/24",
            broadcast: "198.51.100.255",
            label: "v0:x",
          }),
      },
      {
        command: "addr add 198.51.100.1 peer 198.51.100.2 metric 77 dev v0",
        make: (rt, index) =>
          rt.addresses.add({
            index,
            address: "198.51.100.1/32",
            peer: "198.51.100.2/32",
            routePriority: 77,
          }),
      },
      {
        command: "addr add 2001:db8:1::1/64 nodad noprefixroute dev v0",
        make: (rt, index) =>
          rt.addresses.add({ index, address: "2001:db8:1::1/64", flags: ["noDad", "noPrefixRoute"] }),
      },
    ],
  },
  routes: {
    // Without those that the kernel makes, at times some moments after the addresses that they are for.
    theirs: (namespace) =>
      ["-4 route show table all", "-6 route show table all"]
        .flatMap((args) => show(namespace, args))
        .filter(({ protocol }) => protocol !== "kernel"),
    ours: (rt) =>
      (["ipv4", "ipv6"] as const)
        .flatMap((family) => [...rt.routes.dump({ family })].map(routeWords))
        .filter(({ protocol }) => protocol !== "kernel"),
    ignored: ["dev", "expires", "nh_info"],
    cases: [
      {
        command:
          "route add 10.0.0.0/8 via 192.0.2.2 metric 7 mtu 1400 advmss 1300 src 192.0.2.1 proto static",
        make: (rt) =>
          rt.routes.add({
            destination: "10.0.0.0/8",
            gateway: "192.0.2.2",
            priority: 7,
            mtu: 1400,
            advertisedMss: 1300,
            preferredSource: "192.0.2.1",
          }),
      },
      {
        command:
          "route add 10.1.0.0/16 proto static nexthop via 192.0.2.2 dev v0 weight 3 nexthop via 192.0.2.3 dev v0 onlink",
        make: (rt, index) =>
          rt.routes.add({
            destination: "10.1.0.0/16",
            multipath: [
              { index, gateway: "192.0.2.2", weight: 3 },
              { index, gateway: "192.0.2.3", onlink: true },
            ],
          }),
      },
      {
        command: "route add blackhole 10.2.0.0/16 table 1000 proto static",
        make: (rt) => rt.routes.add({ destination: "10.2.0.0/16", type: "blackhole", table: 1000 }),
      },
      {
        command: "-6 route add 2001:db8:2::/48 via 2001:db8::2 metric 9 pref low proto static",
        make: (rt) =>
          rt.routes.add({
            destination: "2001:db8:2::/48",
            gateway: "2001:db8::2",
            priority: 9,
            preference: "low",
          }),
      },
    ],
  },
  rules: {
    theirs: (namespace) => [...show(namespace, "-4 rule show"), ...show(namespace, "-6 rule show")],
    ours: (rt) => [
      ...[...rt.rules.dump({ family: "ipv4" })].map(ruleWords),
      ...[...rt.rules.dump({ family: "ipv6" })].map(ruleWords),
    ],
    ignored: ["protocol", "oif_detached", "iif_detached"],
    cases: [
      {
        command: "rule add not from 10.0.0.0/8 to 192.0.2.0/24 fwmark 7/0xff iif lo table 1000 priority 100",
        make: (rt) =>
          rt.rules.add({
            invert: true,
            source: "10.0.0.0/8",
            destination: "192.0.2.0/24",
            mark: 7,
            markMask: 0xff,
            inputInterface: "lo",
            table: 1000,
            priority: 100,
          }),
      },
      {
        command: "rule add ipproto tcp sport 80 dport 1000-2000 uidrange 5-7 table 1001 priority 101",
        make: (rt) =>
          rt.rules.add({
            ipProtocol: 6,
            sourcePorts: { start: 80, end: 80 },
            destinationPorts: { start: 1000, end: 2000 },
            uidRange: { start: 5, end: 7 },
            table: 1001,
            priority: 101,
          }),
      },
      {
        command: "-6 rule add from 2001:db8::/32 unreachable priority 102",
        make: (rt) => rt.rules.add({ source: "2001:db8::/32", action: "unreachable", priority: 102 }),
      },
    ],
  },
  neighbours: {
    // Without those of multicast groups, which come by themselves.
    theirs: (namespace) =>
      [...show(namespace, "neigh show nud all"), ...show(namespace, "neigh show proxy")].filter(({ dst }) =>
        /^(192|2001)/.test(String(dst)),
      ),
    ours: (rt) =>
      [...rt.neighbours.dump(), ...rt.neighbours.dump({ proxy: true })]
        .filter(({ destination = "" }) => /^(192|2001)/.test(destination))
        .map(neighbourWords),
    ignored: ["dev"],
    cases: [
      {
        command: "neigh add 192.0.2.10 lladdr 02:00:00:00:00:10 nud noarp extern_learn protocol zebra dev v0",
        make: (rt, index) =>
          rt.neighbours.add({
            index,
            destination: "192.0.2.10",
            address: "02:00:00:00:00:10",
            state: "noArp",
            externLearned: true,
            protocol: "zebra",
          }),
      },
      {
        command: "neigh replace 2001:db8::10 lladdr 02:00:00:00:00:11 nud permanent router dev v0",
        make: (rt, index) =>
          rt.neighbours.replace({
            index,
            destination: "2001:db8::10",
            address: "02:00:00:00:00:11",
            router: true,
          }),
      },
      {
        command: "neigh add proxy 192.0.2.77 dev v0",
        make: (rt, index) => rt.neighbours.add({ index, destination: "192.0.2.77", proxy: true }),
      },
      {
        command: "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 nud permanent dev v0",
        make: (rt, index) =>
          rt.neighbours.add({ index, destination: "192.0.2.9", address: "02:00:00:00:00:09" }),
      },
      {
        command: "neigh add proxy 2001:db8::77 dev v0",
        make: (rt, index) => rt.neighbours.add({ index, destination: "2001:db8::77", proxy: true }),
      },
    ],
  },
  "forwarding entries": {
    needs: ["bridge_vlan", "vxlan"],
    prepare: bridged,
    // Without those of the devices' own addresses and groups.
    theirs: (namespace) => showBridge(namespace, "fdb show").filter(({ mac }) => made.test(String(mac))),
    ours: (rt) => [...rt.fdb.dump()].map(fdbWords).filter(({ mac }) => made.test(String(mac))),
    ignored: ["ifname", "master", "viaIf"],
    cases: [
      {
        command: "bridge fdb add 02:00:00:00:00:21 dev v1 master static vlan 1",
        make: (rt) =>
          rt.fdb.add({
            index: indexOf(rt, "v1"),
            address: "02:00:00:00:00:21",
            master: true,
            state: "noArp",
            vlan: 1,
          }),
      },
      {
        command: "bridge fdb add 02:00:00:00:00:22 dev v1 master static sticky extern_learn vlan 1",
        make: (rt) =>
          rt.fdb.add({
            index: indexOf(rt, "v1"),
            address: "02:00:00:00:00:22",
            master: true,
            state: "noArp",
            sticky: true,
            externLearned: true,
            vlan: 1,
          }),
      },
      {
        command:
          "bridge fdb append 00:00:00:00:00:00 dev vx0 dst 198.51.100.9 port 4790 vni 8 src_vni 9 self permanent",
        make: (rt) =>
          rt.fdb.append({
            index: indexOf(rt, "vx0"),
            address: "00:00:00:00:00:00",
            destination: "198.51.100.9",
            port: 4790,
            vni: 8,
            sourceVni: 9,
          }),
      },
      {
        command: "bridge fdb add 02:00:00:00:00:23 dev v0 self permanent",
        make: (rt, index) => rt.fdb.add({ index, address: "02:00:00:00:00:23" }),
      },
    ],
  },
  "bridge VLANs": {
    needs: ["bridge_vlan", "vxlan"],
    prepare: bridged,
    theirs: (namespace) =>
      showBridge(namespace, "-c vlan show").flatMap(({ ifname, vlans }) =>
        (vlans as Words[]).map((one) => ({ ifname, flags: [], ...one })),
      ),
    ours: (rt) =>
      [...rt.bridgeVlans.dump()].map(({ index, vid, vidEnd, pvid, untagged }) => ({
        ifname: rt.links.get(index).name,
        vlan: vid,
        vlanEnd: vidEnd === vid ? undefined : vidEnd,
        flags: [...(pvid ? ["PVID"] : []), ...(untagged ? ["Egress Untagged"] : [])],
      })),
    // How a VLAN forwards is in messages of another type.
    ignored: ["state", "mcast_router", "neigh_suppress", "mcast_max_groups", "mcast_n_groups"],
    cases: [
      {
        command: "bridge vlan add dev v1 vid 10-20",
        make: (rt) => rt.bridgeVlans.add({ index: indexOf(rt, "v1"), vid: 10, vidEnd: 20 }),
      },
      {
        command: "bridge vlan add dev v1 vid 30 pvid untagged",
        make: (rt) => rt.bridgeVlans.add({ index: indexOf(rt, "v1"), vid: 30, pvid: true, untagged: true }),
      },
      {
        command: "bridge vlan add dev br0 vid 40 self",
        make: (rt) => rt.bridgeVlans.add({ index: indexOf(rt, "br0"), vid: 40, self: true }),
      },
    ],
  },
  nexthops: {
    theirs: (namespace) => show(namespace, "nexthop show"),
    ours: (rt) => [...rt.nexthops.dump()].map(nexthopWords),
    ignored: ["dev", "scope", "protocol"],
    cases: [
      {
        command: "nexthop add id 7 via 192.0.2.2 dev v0",
        make: (rt, index) => rt.nexthops.add({ id: 7, gateway: "192.0.2.2", index }),
      },
      { command: "nexthop add id 8 blackhole", make: (rt) => rt.nexthops.add({ id: 8, blackhole: true }) },
    ],
  },
};

/** A pair of devices that are up, one of them with addresses; without those that the kernel gives after a while. */
function network(rt: Rtnetlink, namespace: NetworkNamespace): number {
  rt.links.set("lo", { up: true });
  rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
  for (const name of ["v1", "v0"]) {
    ip(namespace, "link", "set", name, "addrgenmode", "none");
    rt.links.set(name, { up: true });
  }
  const { index } = rt.links.get("v0");
  rt.addresses.add({ index, address: "192.0.2.1/24" });
  rt.addresses.add({ index, address: "2001:db8::1/64", flags: ["noDad"] });
  return index;
}

const sorted = (all: readonly Words[], ignored: readonly string[]) =>
  all.map((one) => JSON.stringify(Object.entries(comparable(one, ignored)).sort())).sort();

for (const [name, { theirs, ours, ignored, cases, prepare, needs: features = [] }] of Object.entries(kinds))
  for (const { command, make } of cases)
    needs(
      "root",
      "veth",
      ...features,
    )(`${name}: what "ip ${command}" makes is what we make, and both read the same`, () => {
      const byIp = inNamespace((rt, namespace) => {
        network(rt, namespace);
        prepare?.(rt);
        ip(namespace, ...command.split(" "));
        const said = sorted(theirs(namespace), ignored);
        assert.equal(sorted(ours(rt), ignored), said);
        return said;
      });
      const byUs = inNamespace((rt, namespace) => {
        const index = network(rt, namespace);
        prepare?.(rt);
        make(rt, index);
        const said = sorted(theirs(namespace), ignored);
        assert.equal(sorted(ours(rt), ignored), said);
        return said;
      });
      assert.equal(byUs, byIp);
    });

// What only iproute2 newer than some kernels, or only kernels newer than some iproute2, has.
const unread = [
  ...[
    "flags",
    "linkmode",
    "link",
    "link_pointtopoint",
    "permaddr",
    "link_type",
    "linkinfo",
    "allmulti",
    "tso_max_size",
    "tso_max_segs",
  ],
  ...["gro_max_size", "gso_ipv4_max_size", "gro_ipv4_max_size"],
];

for (const { needs: feature, command, make } of linkCases)
  needs(
    "root",
    "veth",
    feature,
  )(`links: what "ip ${command}" makes is what we make, and both read the same`, () => {
    const read = (rt: Rtnetlink, namespace: NetworkNamespace) => {
      const link = rt.links.get("x0");
      const [said = {}] = show(namespace, "link show dev x0");
      const ignored = said.link_type === "ether" ? unread : [...unread, "address", "broadcast"];
      assert.equal(comparable(linkWords(link), ignored), comparable(said, ignored));
      const { info_kind, info_data = {} } = said.linkinfo as { info_kind: string; info_data?: Words };
      assert.is(link.kind, info_kind);
      const both = besideLinkData(info_kind, info_data, link.data as unknown as Words);
      assert.equal(both.ours, both.theirs);
      return {
        ...comparable(said, [...unread, "ifindex", "address", "link_index"]),
        data: both.theirs,
      };
    };
    const byIp = inNamespace((rt, namespace) => {
      network(rt, namespace);
      ip(namespace, ...command.split(" "));
      return read(rt, namespace);
    });
    const byUs = inNamespace((rt, namespace) => {
      network(rt, namespace);
      make(rt);
      return read(rt, namespace);
    });
    assert.equal(byUs, byIp);
  });

test.run();

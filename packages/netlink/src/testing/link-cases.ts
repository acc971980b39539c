import type { LinkRequest, LinkSettings } from "../rtnetlink/link.js";
import type { Rtnetlink } from "../rtnetlink/rtnetlink.js";
import type { Feature } from "./needs.js";

/** The link x0, above v0 where it is above one, as ip(8) makes it and as we do. */
export interface LinkCase {
  readonly needs: Feature;
  /** What follows "ip". */
  readonly command: string;
  readonly make: (rt: Rtnetlink) => void;
}

/** Makes x0 of a kind. */
function made<const K extends string>(kind: K, data?: LinkRequest<K>["data"], settings: LinkSettings = {}) {
  return (rt: Rtnetlink): void => {
    rt.links.add({ ...settings, name: "x0", kind, data } as LinkRequest<K>);
  };
}

/** Links of every kind that iproute2 makes. */
export const linkCases: readonly LinkCase[] = [
  {
    needs: "vlan",
    command: "link add x0 link v0 type vlan id 42 protocol 802.1ad gvrp on",
    make: (rt) =>
      rt.links.add({
        name: "x0",
        kind: "vlan",
        link: rt.links.get("v0").index,
        data: { id: 42, protocol: "802.1ad", flags: { flags: ["gvrp"], mask: 2 } },
      }),
  },
  {
    needs: "vxlan",
    command: "link add x0 type vxlan id 77 remote 192.0.2.9 local 192.0.2.1 dstport 4789 ttl 5 nolearning",
    make: (rt) =>
      rt.links.add({
        name: "x0",
        kind: "vxlan",
        data: { id: 77, group: "192.0.2.9", local: "192.0.2.1", port: 4789, ttl: 5, learning: false },
      }),
  },
  {
    needs: "macvlan",
    command: "link add x0 link v0 type macvlan mode bridge",
    make: (rt) =>
      rt.links.add({
        name: "x0",
        kind: "macvlan",
        link: rt.links.get("v0").index,
        data: { mode: "bridge" },
      }),
  },
  {
    needs: "ipvlan",
    command: "link add x0 link v0 type ipvlan mode l3s private",
    make: (rt) =>
      rt.links.add({
        name: "x0",
        kind: "ipvlan",
        link: rt.links.get("v0").index,
        data: { mode: "l3s", flags: ["private"] },
      }),
  },
  {
    needs: "bridge",
    command: "link add x0 type bridge ageing_time 1000 forward_delay 400 mcast_querier 1",
    make: (rt) =>
      rt.links.add({
        name: "x0",
        kind: "bridge",
        data: { ageingTime: 1000, forwardDelay: 400, multicastQuerier: true },
      }),
  },
  {
    needs: "bond",
    command: "link add x0 type bond mode active-backup miimon 100",
    make: (rt) =>
      rt.links.add({ name: "x0", kind: "bond", data: { mode: "active-backup", miiMonitorMs: 100 } }),
  },
  { needs: "dummy", command: "link add x0 type dummy", make: made("dummy") },
  {
    needs: "ifb",
    command: "link add x0 mtu 1400 txqueuelen 77 type ifb",
    make: made("ifb", undefined, { mtu: 1400, txQueueLength: 77 }),
  },
  { needs: "wireguard", command: "link add x0 type wireguard", make: made("wireguard") },
  {
    needs: "veth",
    command: "link add x0 type veth peer name y0",
    make: made("veth", { peer: { name: "y0" } }),
  },
  { needs: "vrf", command: "link add x0 type vrf table 10", make: made("vrf", { table: 10 }) },
  {
    needs: "macvlan",
    command: "link add x0 link v0 type macvtap mode bridge",
    make: (rt) =>
      rt.links.add({ name: "x0", kind: "macvtap", link: rt.links.get("v0").index, data: { mode: "bridge" } }),
  },
  {
    needs: "geneve",
    command: "link add x0 type geneve id 5 remote 192.0.2.9 ttl 9 tos 4 dstport 6082 udpcsum",
    make: made("geneve", { id: 5, remote: "192.0.2.9", ttl: 9, tos: 4, port: 6082, udpChecksum: true }),
  },
  ...(["gre", "gretap"] as const).map((kind) => ({
    needs: "gre" as const,
    command: `link add x0 type ${kind} local 192.0.2.1 remote 192.0.2.2 ttl 64 key 5`,
    make: made(kind, {
      local: "192.0.2.1",
      remote: "192.0.2.2",
      ttl: 64,
      pathMtuDiscovery: true,
      inputFlags: ["key"],
      outputFlags: ["key"],
      inputKey: 5,
      outputKey: 5,
    }),
  })),
  {
    needs: "ip6gre",
    command: "link add x0 type ip6gre local 2001:db8::1 remote 2001:db8::2 encaplimit 3 hoplimit 9",
    make: made("ip6gre", { local: "2001:db8::1", remote: "2001:db8::2", encapLimit: 3, ttl: 9 }),
  },
  {
    needs: "ipip",
    command: "link add x0 type ipip local 192.0.2.1 remote 192.0.2.2 ttl 64",
    make: made("ipip", {
      local: "192.0.2.1",
      remote: "192.0.2.2",
      ttl: 64,
      pathMtuDiscovery: true,
      // What ip asks for where no mode is given.
      protocol: "any",
    }),
  },
  {
    needs: "sit",
    command: "link add x0 type sit local 192.0.2.1 remote 192.0.2.2 ttl 64",
    make: made("sit", {
      local: "192.0.2.1",
      remote: "192.0.2.2",
      ttl: 64,
      pathMtuDiscovery: true,
      protocol: "any",
    }),
  },
  {
    needs: "ip6tnl",
    command:
      "link add x0 type ip6tnl local 2001:db8::1 remote 2001:db8::2 mode ip6ip6 encaplimit 3 hoplimit 9",
    make: made("ip6tnl", {
      local: "2001:db8::1",
      remote: "2001:db8::2",
      protocol: "ipv6",
      encapLimit: 3,
      ttl: 9,
    }),
  },
  {
    needs: "vti",
    command: "link add x0 type vti local 192.0.2.1 remote 192.0.2.2 ikey 5 okey 6",
    make: made("vti", { local: "192.0.2.1", remote: "192.0.2.2", inputKey: 5, outputKey: 6 }),
  },
];

import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decode, encode } from "../schema/index.js";
import { type Feature, inNamespace, needs } from "../testing/needs.js";
import { isLinkKind, isPortKind, type LinkRequest } from "./link.js";
import { type LinkKind, linkMessage } from "./link-schema.js";
import type { Rtnetlink } from "./rtnetlink.js";

/** Makes a veth pair and gives the index of one end. */
function veth(rt: Rtnetlink, name = "v0"): number {
  rt.links.add({ name, kind: "veth", data: { peer: { name: `${name}p` } } });
  return rt.links.get(name).index;
}

interface Kind<K extends LinkKind> {
  readonly needs: Feature;
  readonly kind: K;
  /** What is asked for; what must be read back is the same unless `read` says otherwise. */
  readonly data: LinkRequest<K>["data"];
  readonly read?: Readonly<Record<string, unknown>>;
  readonly link?: true;
}
const kind = <const K extends LinkKind>(one: Kind<K>) => one as unknown as Kind<LinkKind>;

const kinds = [
  kind({
    needs: "vlan",
    kind: "vlan",
    link: true,
    data: {
      id: 42,
      protocol: "802.1ad",
      flags: { flags: ["gvrp", "looseBinding"], mask: 7 },
      egressQos: { mappings: [{ from: 1, to: 2 }] },
    },
    read: { id: 42, protocol: "802.1ad", egressQos: { mappings: [{ from: 1, to: 2 }] } },
  }),
  kind({
    needs: "vxlan",
    kind: "vxlan",
    data: {
      id: 77,
      group: "192.0.2.9",
      local: "192.0.2.1",
      port: 4789,
      ttl: 5,
      tos: 1,
      learning: false,
      ageing: 120,
      limit: 1000,
      portRange: { low: 1000, high: 2000 },
      udpChecksum: true,
      dontFragment: "set",
      proxy: true,
      groupPolicy: true,
    },
  }),
  kind({
    needs: "vxlan",
    kind: "vxlan",
    data: {
      id: 78,
      group6: "2001:db8::9",
      local6: "2001:db8::1",
      port: 4790,
      label: 5,
      udpZeroChecksum6Tx: true,
    },
  }),
  kind({
    needs: "geneve",
    kind: "geneve",
    data: {
      id: 5,
      remote: "192.0.2.9",
      ttl: 9,
      tos: 4,
      port: 6082,
      dontFragment: "inherit",
      udpChecksum: true,
    },
  }),
  kind({
    needs: "gre",
    kind: "gretap",
    data: {
      local: "192.0.2.1",
      remote: "192.0.2.2",
      ttl: 64,
      inputFlags: ["key"],
      outputFlags: ["key", "checksum"],
      inputKey: 5,
      outputKey: 6,
      pathMtuDiscovery: true,
      mark: 7,
    },
  }),
  kind({
    needs: "gre",
    kind: "gre",
    data: { local: "192.0.2.1", remote: "192.0.2.2", encapType: "none", pathMtuDiscovery: false, tos: 4 },
  }),
  kind({
    needs: "gre",
    kind: "erspan",
    data: {
      local: "192.0.2.1",
      remote: "192.0.2.2",
      inputFlags: ["key", "sequence"],
      outputFlags: ["key", "sequence"],
      inputKey: 5,
      outputKey: 5,
      erspanVersion: 2,
      erspanDirection: "egress",
      erspanHardwareId: 3,
    },
  }),
  kind({
    needs: "ip6gre",
    kind: "ip6gre",
    data: { local: "2001:db8::1", remote: "2001:db8::2", encapLimit: 3, flags: ["copyDscp"], ttl: 9 },
  }),
  kind({
    needs: "ip6gre",
    kind: "ip6gretap",
    data: { local: "2001:db8::1", remote: "2001:db8::2", inputFlags: ["key"], inputKey: 9 },
  }),
  kind({
    needs: "ipip",
    kind: "ipip",
    data: { local: "192.0.2.1", remote: "192.0.2.2", ttl: 64, pathMtuDiscovery: true, protocol: "ipv4" },
  }),
  kind({
    needs: "sit",
    kind: "sit",
    data: { local: "192.0.2.1", remote: "192.0.2.2", ttl: 64, protocol: "ipv6" },
  }),
  kind({
    needs: "ip6tnl",
    kind: "ip6tnl",
    data: {
      local: "2001:db8::1",
      remote: "2001:db8::2",
      protocol: "ipv6",
      flags: ["ignoreEncapLimit", "copyDscp"],
      mark: 3,
    },
  }),
  kind({
    needs: "vti",
    kind: "vti",
    data: { local: "192.0.2.1", remote: "192.0.2.2", inputKey: 5, outputKey: 6, mark: 9 },
  }),
  kind({ needs: "vrf", kind: "vrf", data: { table: 1000 } }),
  kind({
    needs: "bond",
    kind: "bond",
    data: {
      mode: "802.3ad",
      miiMonitorMs: 100,
      upDelayMs: 200,
      transmitHashPolicy: "layer3+4",
      lacpRate: "fast",
      aggregatorSelect: "bandwidth",
      minLinks: 1,
      actorSystem: "02:00:00:00:00:07",
      userPortKey: 9,
    },
  }),
  kind({
    needs: "bond",
    kind: "bond",
    data: {
      mode: "active-backup",
      arpIntervalMs: 100,
      arpTargets: ["192.0.2.1", "192.0.2.2"],
      arpValidate: "active",
      failOverMac: "active",
      primaryReselect: "better",
    },
  }),
  kind({ needs: "macvlan", kind: "macvlan", link: true, data: { mode: "vepa", flags: ["noPromiscuous"] } }),
  kind({ needs: "macvlan", kind: "macvtap", link: true, data: { mode: "bridge" } }),
  kind({ needs: "ipvlan", kind: "ipvlan", link: true, data: { mode: "l3s", flags: ["vepa"] } }),
  kind({
    needs: "bridge",
    kind: "bridge",
    data: { forwardDelay: 400, ageingTime: 3000, groupForwardMask: 8, priority: 4096 },
  }),
  kind({
    needs: "bridge_vlan",
    kind: "bridge",
    data: {
      vlanFiltering: true,
      vlanProtocol: "802.1ad",
      vlanDefaultPvid: 9,
      multicastSnooping: false,
    },
  }),
];

for (const [place, one] of kinds.entries())
  needs(one.needs)(
    `${one.kind} link ${place} is made with its data, which is read back and encodes to its bytes`,
    () => {
      inNamespace((rt) => {
        const link = one.link ? veth(rt) : undefined;
        rt.links.add({ name: "k0", kind: one.kind, link, data: one.data as never });
        const found = rt.links.get("k0");
        assert.is(found.kind, one.kind);
        assert.not.instance(found.data, Uint8Array);
        const data = found.data as Record<string, unknown>;
        for (const [name, value] of Object.entries(one.read ?? (one.data as object)))
          assert.equal(comparable(data[name], value), comparable(value), `${name} of ${one.kind}`);
        assert.is(data.unknown, undefined, "unknown attributes");
        const again = rt.socket.get(rawRequest(found.index), rawReply);
        assert.is(hex(encode(linkMessage, decode(linkMessage, again))), hex(again));
      });
    },
  );

needs("netkit")("a netkit pair is made with its far end in another namespace", () => {
  inNamespace((rt) => {
    rt.links.add({
      name: "nk0",
      kind: "netkit",
      data: { mode: "l2", policy: "pass", peerPolicy: "drop", peer: { name: "nk1", mtu: 1400 } },
    });
    const { data } = rt.links.get("nk0");
    const { mode, policy, peerPolicy, primary } = data as Record<string, unknown>;
    assert.equal(
      { mode, policy, peerPolicy, primary },
      {
        mode: "l2",
        policy: "pass",
        peerPolicy: "drop",
        primary: true,
      },
    );
    assert.is(rt.links.get("nk1").mtu, 1400);
  });
});

needs("wireguard", "dummy")("kinds without data of their own are made and named", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "wg0", kind: "wireguard" });
    rt.links.add({ name: "d0", kind: "dummy" });
    assert.is(rt.links.get("wg0").kind, "wireguard");
    assert.is(rt.links.get("d0").data, undefined);
  });
});

/** Flags have no order, and the kernel may add some of its own. */
function comparable(value: unknown, wanted: unknown = value): unknown {
  if (!Array.isArray(value) || !value.every((one) => typeof one === "string" && !one.includes(".")))
    return value;
  return value.filter((one) => (wanted as unknown[]).includes(one)).sort();
}

needs("bond", "dummy")("a bond's port tells of its state, and takes a queue", () => {
  inNamespace((rt) => {
    rt.links.add({
      name: "bond0",
      kind: "bond",
      up: true,
      data: { mode: "active-backup", miiMonitorMs: 100 },
    });
    const bond = rt.links.get("bond0").index;
    rt.links.add({ name: "d0", kind: "dummy" });
    rt.links.set("d0", { master: bond });
    rt.links.set("d0", { portKind: "bond", portData: { queueId: 1 } });
    const port = rt.links.get("d0");
    assert.ok(isPortKind(port, "bond"));
    if (isPortKind(port, "bond")) {
      assert.is(port.portData?.queueId, 1);
      assert.type(port.portData?.state, "string");
      assert.type(port.portData?.miiStatus, "string");
    }
    assert.equal(
      [...rt.links.dump({ master: bond })].map(({ name }) => name),
      ["d0"],
    );
  });
});

needs("vrf")("a VRF's port has the table of its master", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "vrf0", kind: "vrf", up: true, data: { table: 77 } });
    rt.links.add({
      name: "p0",
      kind: "veth",
      master: rt.links.get("vrf0").index,
      data: { peer: { name: "p1" } },
    });
    const port = rt.links.get("p0");
    assert.ok(isPortKind(port, "vrf"));
    if (isPortKind(port, "vrf")) assert.is(port.portData?.table, 77);
  });
});

needs("root", "veth")("a tap device that another program made is read", () => {
  inNamespace((rt, namespace) => {
    const command = ["--net=/proc/self/fd/3", "ip", "tuntap", "add", "tap0", "mode", "tap", "multi_queue"];
    const made = spawnSync("nsenter", command, { stdio: ["ignore", "pipe", "pipe", namespace.fd.number] });
    // Without /dev/net/tun there is no such device.
    if (made.status !== 0) return;
    const link = rt.links.get("tap0");
    assert.ok(isLinkKind(link, "tun"));
    if (!isLinkKind(link, "tun")) return;
    const { type, persist, multiQueue, packetInformation } = link.data ?? {};
    assert.equal(
      { type, persist, multiQueue, packetInformation },
      { type: "tap", persist: true, multiQueue: true, packetInformation: false },
    );
  });
});

function rawRequest(index: number) {
  const body = encode(linkMessage, { header: { index } });
  return { operation: "RTM_GETLINK", action: "test", type: 18, body };
}

const rawReply = {
  decode: (input: { bytes: Uint8Array }, start: number, end: number) => input.bytes.slice(start, end),
  encode: () => {},
};

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

test.run();

import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NetlinkError } from "../netlink-error.js";
import { encode, Input } from "../schema/index.js";
import { inNamespace, needs } from "../testing/needs.js";
import { isLinkKind } from "./link.js";
import { linkMessage } from "./link-schema.js";
import { Rtnetlink } from "./rtnetlink.js";

const root = needs("root", "veth");

/** What ip(8) says, run in a namespace. */
function ip(namespace: NetworkNamespace, ...args: string[]): Record<string, unknown>[] {
  const command = ["--net=/proc/self/fd/3", "ip", "-d", "-j", ...args];
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", "pipe", "pipe", namespace.fd.number];
  return JSON.parse(execFileSync("nsenter", command, { encoding: "utf8", stdio }));
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

root("a veth pair is made with its far end in another namespace, in one request", () => {
  using pod = NetworkNamespace.createAnonymous();
  inNamespace((rt) => {
    rt.links.add({
      name: "host0",
      kind: "veth",
      up: true,
      mtu: 1400,
      data: { peer: { name: "eth0", netns: pod, mtu: 1300, address: "02:00:00:00:00:07" } },
    });
    using inside = Rtnetlink.open({ netns: pod });
    const peer = inside.links.get("eth0");
    assert.is(peer.mtu, 1300);
    assert.is(peer.address, "02:00:00:00:00:07");
    assert.is(peer.kind, "veth");
    const link = rt.links.get("host0");
    assert.is(link.up, true);
    assert.is(link.mtu, 1400);
    assert.is(link.link, peer.index);
    assert.is(link.linkNetnsId, rt.namespaceIds.find(pod));
    assert.is(rt.links.find("eth0"), undefined);
  });
});

root("what is set on a link is read back, and is what ip(8) reads", () => {
  inNamespace((rt, namespace) => {
    rt.links.add({ name: "v0", kind: "veth", numTxQueues: 3, data: { peer: { name: "v1" } } });
    const { index } = rt.links.get("v0");
    rt.links.set("v0", {
      name: "uplink",
      mtu: 1450,
      address: "02:00:00:00:00:01",
      alias: "the way out",
      txQueueLength: 77,
      gsoMaxSize: 16_000,
      gsoMaxSegments: 20,
      group: 5,
      addrGenMode: "none",
      arp: false,
    });
    rt.links.set(index, { up: true, promiscuous: true });
    const link = rt.links.get("uplink");
    assert.is(link.index, index);
    assert.ok(link.up && link.flags.includes("promiscuous") && link.flags.includes("noArp"));
    const [theirs] = ip(namespace, "link", "show", "dev", "uplink");
    assert.equal(
      {
        ifindex: link.index,
        ifname: link.name,
        mtu: link.mtu,
        address: link.address,
        broadcast: link.broadcast,
        ifalias: link.alias,
        txqlen: link.txQueueLength,
        gso_max_size: link.gsoMaxSize,
        gso_max_segs: link.gsoMaxSegments,
        num_tx_queues: link.numTxQueues,
        num_rx_queues: link.numRxQueues,
        inet6_addr_gen_mode: link.addrGenMode,
        qdisc: link.qdisc,
        promiscuity: link.attributes.promiscuity,
      },
      Object.fromEntries(
        [
          ...["ifindex", "ifname", "mtu", "address", "broadcast", "ifalias", "txqlen", "gso_max_size"],
          ...["gso_max_segs", "num_tx_queues", "num_rx_queues", "inet6_addr_gen_mode", "qdisc"],
          "promiscuity",
        ].map((name) => [name, theirs?.[name]]),
      ),
    );
    rt.links.set("uplink", { alias: "" });
    assert.is(rt.links.get("uplink").alias, undefined);
  });
});

root("a link moves to another namespace, by a path and by an open namespace", () => {
  using pod = NetworkNamespace.createAnonymous();
  inNamespace((rt) => {
    rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
    rt.links.set("v0", { netns: pod, name: "eth0" });
    rt.links.set("v1", { netns: `/proc/self/fd/${pod.fd.number}` });
    for (const name of ["v0", "v1", "eth0"]) assert.is(rt.links.find(name), undefined, name);
    using inside = Rtnetlink.open({ netns: pod });
    assert.ok(inside.links.find("eth0"));
    assert.ok(inside.links.find("v1"));
  });
});

needs("bridge")("a port is found by its master, and leaves it", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "br0", kind: "bridge", up: true, data: { ageingTime: 1234 } });
    const bridge = rt.links.get("br0");
    assert.ok(isLinkKind(bridge, "bridge"));
    if (isLinkKind(bridge, "bridge")) assert.is(bridge.data?.ageingTime, 1234);
    rt.links.add({ name: "p0", kind: "veth", master: bridge.index, data: { peer: { name: "p1" } } });
    const ports = [...rt.links.dump({ master: bridge.index })];
    assert.equal(
      ports.map(({ name }) => name),
      ["p0"],
    );
    assert.is(ports[0]?.portKind, "bridge");
    rt.links.set("p0", { master: 0 });
    assert.is(rt.links.get("p0").master, undefined);
  });
});

needs("macvlan")("a macvlan has its mode, and a dump by kind gives only its kind", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
    rt.links.add({ name: "m0", kind: "macvlan", link: rt.links.get("v0").index, data: { mode: "bridge" } });
    const all = [...rt.links.dump({ kind: "macvlan", skipStats: true })];
    assert.is(all.length, 1);
    assert.is(all[0]?.data?.mode, "bridge");
    assert.is(all[0]?.link, rt.links.get("v0").index);
    assert.is(all[0]?.attributes.afSpec?.inet6?.stats, undefined);
    assert.ok(rt.links.get("m0").attributes.afSpec?.inet6?.stats, "without skipStats");
    assert.is(
      [...rt.links.dump({ kind: "ipvlan" })].length,
      0,
      "also where the kind is unknown to the kernel",
    );
  });
});

needs("ipvlan")("an ipvlan of each mode is made straight in the pod's namespace", () => {
  using pod = NetworkNamespace.createAnonymous();
  inNamespace((rt) => {
    rt.links.add({ name: "uplink", kind: "veth", up: true, data: { peer: { name: "far" } } });
    const master = rt.links.get("uplink").index;
    using inside = Rtnetlink.open({ netns: pod });
    for (const mode of ["l2", "l3", "l3s"] as const) {
      rt.links.add({
        name: "eth0",
        kind: "ipvlan",
        link: master,
        netns: pod,
        mtu: 1400,
        data: { mode, flags: ["private"] },
      });
      const link = inside.links.get("eth0");
      assert.is(link.kind, "ipvlan");
      if (isLinkKind(link, "ipvlan")) {
        assert.is(link.data?.mode, mode);
        assert.equal(link.data?.flags, ["private"]);
      }
      assert.is(link.link, master);
      assert.is(link.mtu, 1400);
      assert.is(link.linkNetnsId !== undefined, true);
      inside.links.remove("eth0");
    }
  });
});

needs("dummy", "ifb")("dummy and ifb links are made and removed", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "d0", kind: "dummy", up: true });
    rt.links.add({ name: "f0", kind: "ifb", index: 77 });
    assert.is(rt.links.get(77).name, "f0");
    rt.links.remove("d0");
    rt.links.remove(77);
    assert.is(rt.links.find("d0"), undefined);
  });
});

root("a refusal names the operation, the errno and what the kernel says", () => {
  inNamespace((rt) => {
    rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
    const exists = refusal(() => rt.links.add({ name: "v0", kind: "veth" }));
    assert.is(exists.code, "EEXIST");
    assert.is(exists.operation, "RTM_NEWLINK");
    assert.match(
      exists.message,
      'could not add veth link "v0": file already exists (EEXIST from RTM_NEWLINK)',
    );
    assert.is(refusal(() => rt.links.get("nobody")).code, "ENODEV");
    assert.is(refusal(() => rt.links.remove(4711)).code, "ENODEV");
    const unknown = refusal(() => rt.links.add({ name: "x", kind: "nonsense" }));
    assert.is(unknown.code, "EOPNOTSUPP");
    assert.is(unknown.kernelMessage, "Unknown device type");
    assert.match(refusal(() => rt.links.set("v0", { mtu: 1 })).kernelMessage ?? "", /mtu less than/);
  });
});

root("a refusal names the attribute that it is about, and what the kernel would take", () => {
  inNamespace((rt) => {
    const request = (attributes: Parameters<typeof linkMessage.encode>[1]["attributes"]) => ({
      operation: "RTM_NEWLINK",
      action: "test",
      type: 16,
      body: encode(linkMessage, { header: { index: 1 }, attributes }),
      schema: linkMessage,
    });
    const IFLA_MTU = 4;
    const short = { unknown: [{ type: IFLA_MTU, bytes: new Uint8Array(2), position: 1 }] };
    const error = refusal(() => rt.socket.acknowledge(request({ alias: "x", ...short })));
    assert.is(error.code, "ERANGE");
    assert.is(error.attribute, "mtu");
    assert.match(error.message, 'The kernel says: "Attribute failed policy validation". It objects to mtu');
  });
});

needs("bridge")("a refusal names an attribute within an attribute", () => {
  inNamespace((rt) => {
    const IFLA_BR_AGEING_TIME = 4;
    const short = { unknown: [{ type: IFLA_BR_AGEING_TIME, bytes: new Uint8Array(1), position: 0 }] };
    const error = refusal(() => rt.links.add({ name: "br0", kind: "bridge", data: short }));
    assert.is(error.code, "ERANGE");
    assert.is(error.attribute, "linkinfo.data.ageingTime");
    assert.is(rt.links.find("br0"), undefined);
  });
});

root(
  "a dump longer than one piece is whole, and may be left early or interleaved with other requests",
  () => {
    inNamespace((rt) => {
      // Tunnel modules put devices of their own into every namespace: net/ipv4/ip_tunnel.c.
      const count = 120 + [...rt.links.dump()].length;
      rt.batch((batch) => {
        for (let pair = 0; pair < 60; pair++)
          batch.links.add({ name: `a${pair}`, kind: "veth", data: { peer: { name: `b${pair}` } } });
      });
      const names = new Set([...rt.links.dump()].map(({ name }) => name));
      assert.is(names.size, count);
      let seen = 0;
      for (const _ of rt.links.dump()) if (++seen === 3) break;
      assert.is(rt.links.get("a7").name, "a7", "after leaving a dump early");
      const during = new Set<string>();
      for (const link of rt.links.dump()) {
        during.add(link.name);
        // Removing a veth while the dump goes on, through the same socket.
        if (link.name.startsWith("a")) rt.links.set(link.index, { alias: link.name });
      }
      assert.is(during.size, count);
      const dump = rt.links.dump();
      assert.is([...dump].length, count);
    });
  },
);

root("two dumps on one socket at the same time both give everything", () => {
  inNamespace((rt) => {
    const count = 80 + [...rt.links.dump()].length;
    rt.batch((batch) => {
      for (let pair = 0; pair < 40; pair++)
        batch.links.add({ name: `a${pair}`, kind: "veth", data: { peer: { name: `b${pair}` } } });
    });
    const one = rt.links.dump()[Symbol.iterator]();
    const other = rt.links.dump()[Symbol.iterator]();
    let counts = [0, 0];
    for (let step = 0; step < 2 * count; step++)
      counts = [one, other].map((iterator, which) => (counts[which] ?? 0) + (iterator.next().done ? 0 : 1));
    assert.equal(counts, [count, count]);
  });
});

root("every link of this kernel encodes to the bytes that it was decoded from", () => {
  using rt = Rtnetlink.open();
  const raw = {
    decode: (input: { bytes: Uint8Array }, start: number, end: number) => input.bytes.slice(start, end),
  };
  const request = { operation: "RTM_GETLINK", action: "test", type: 18, body: new Uint8Array(16) };
  let count = 0;
  for (const bytes of rt.socket.dump(request, { ...raw, encode: () => {} })) {
    const again = encode(linkMessage, decodeLink(bytes));
    assert.is(Buffer.from(again).toString("hex"), Buffer.from(bytes).toString("hex"));
    count++;
  }
  assert.ok(count > 0);
});

root("a batch carries out what it can and says which requests failed", () => {
  inNamespace((rt) => {
    const results = rt.tryBatch((batch) => {
      batch.links.set("lo", { up: true });
      batch.links.remove("nobody");
      batch.addresses.add({ index: 1, address: "192.0.2.1/32" });
    });
    assert.equal(
      results.map((error) => error?.code),
      [undefined, "ENODEV", undefined],
    );
    assert.ok(rt.links.get("lo").up);
    assert.throws(
      () => rt.batch((batch) => batch.links.remove("nobody")),
      (error: NetlinkError) => error.code === "ENODEV",
    );
  });
});

root("a closed socket refuses requests, and opening and closing many leaks no descriptor", () => {
  using namespace = NetworkNamespace.createAnonymous();
  const before = descriptors();
  for (let round = 0; round < 500; round++) Rtnetlink.open({ netns: namespace }).close();
  assert.is(descriptors(), before);
  const rt = Rtnetlink.open({ netns: namespace });
  rt.close();
  rt.close();
  assert.throws(() => rt.links.get("lo"));
});

function decodeLink(bytes: Uint8Array) {
  const value = linkMessage.decode(new Input(bytes), 0, bytes.length);
  if (!value) throw new Error("undecodable");
  return value;
}

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

test.run();

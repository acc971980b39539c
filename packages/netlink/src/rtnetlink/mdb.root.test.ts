import { execFileSync } from "node:child_process";
import type { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromKernel, inNamespace, needs } from "../testing/needs.js";
import type { MdbEntry } from "./mdb.js";
import type { Rtnetlink } from "./rtnetlink.js";

/** A bridge that filters by VLANs, and its port. */
function bridge(rt: Rtnetlink): { index: number; port: number } {
  rt.links.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
  rt.links.add({ name: "br0", kind: "bridge", data: { multicastSnooping: true, vlanFiltering: true } });
  const { index } = rt.links.get("br0");
  rt.links.set("v1", { master: index });
  // A port that is down takes no entries; without addresses of its own no host joins groups.
  for (const name of ["v0", "v1", "br0"]) rt.links.set(name, { addrGenMode: "none", up: true });
  return { index, port: rt.links.get("v1").index };
}

/** What bridge(8) says, with the names that we have for it. */
function shown(namespace: NetworkNamespace): object[] {
  const text = namespace.run(() => execFileSync("bridge", ["-d", "-j", "mdb", "show"], { encoding: "utf8" }));
  const [{ mdb }] = JSON.parse(text) as [{ mdb: Record<string, unknown>[] }];
  return mdb
    .filter(({ state }) => state === "permanent")
    .map(({ index, grp, src, vid, protocol, filter_mode }) =>
      JSON.parse(JSON.stringify({ index, grp, src, vid, protocol, filter_mode })),
    );
}

const words = ({ index, group, source, vlan, protocol, filterMode, permanent }: MdbEntry) => ({
  permanent,
  said: JSON.parse(
    JSON.stringify({
      index,
      grp: group,
      src: source,
      vid: vlan || undefined,
      protocol,
      filter_mode: filterMode,
    }),
  ),
});
const ours = (rt: Rtnetlink) =>
  [...rt.mdb.dump()].map(words).flatMap(({ permanent, said }) => (permanent ? [said] : []));

needs("bridge_vlan", "veth")("ports join groups of all kinds of addresses, as bridge(8) reads them", () => {
  inNamespace((rt, namespace) => {
    const { index, port } = bridge(rt);
    // Groups of MAC addresses are younger than the others.
    const groups = ["239.1.1.1", "ff0e::7", ...(fromKernel(5, 11) ? ["01:00:5e:7f:00:09"] : [])];
    for (const group of groups) rt.mdb.add({ index, port, group, vlan: 5 });
    rt.mdb.add({ index, port, group: "239.1.1.2", source: "192.0.2.7", vlan: 5 });
    assert.equal(ours(rt), shown(namespace));
    assert.equal([...rt.mdb.dump()].filter(({ permanent }) => permanent).length, groups.length + 1);
    assert.throws(() => rt.mdb.add({ index, port, group: "ff0e::7", vlan: 5 }), /EEXIST/);
    rt.mdb.remove({ index, port, group: "239.1.1.2", source: "192.0.2.7", vlan: 5 });
    assert.is(rt.mdb.removeIfPresent({ index, port, group: "ff0e::7", vlan: 5 }), true);
    assert.is(rt.mdb.removeIfPresent({ index, port, group: "ff0e::7", vlan: 5 }), false);
    assert.equal(ours(rt), shown(namespace));
  });
});

needs("bridge_vlan", "veth")("what bridge(8) makes reads as what we make, and we remove it", () => {
  inNamespace((rt, namespace) => {
    const { index, port } = bridge(rt);
    const add = "mdb add dev br0 port v1 grp 239.1.1.9 permanent vid 7".split(" ");
    namespace.run(() => execFileSync("bridge", add, { stdio: "pipe" }));
    const permanent = () => [...rt.mdb.dump({ index })].filter((entry) => entry.permanent);
    const theirs = permanent();
    assert.is(theirs.length, 1);
    assert.equal(ours(rt), shown(namespace));
    rt.mdb.remove({ index, port, group: "239.1.1.9", vlan: 7 });
    rt.mdb.add({ index, port, group: "239.1.1.9", vlan: 7 });
    assert.equal(permanent(), theirs);
  });
});

needs("bridge_vlan", "veth")("ports with routers behind them are told", () => {
  inNamespace((rt, namespace) => {
    const { index, port } = bridge(rt);
    namespace.run(() =>
      execFileSync("bridge", ["link", "set", "dev", "v1", "mcast_router", "2"], { stdio: "pipe" }),
    );
    const [router] = rt.mdb.routers({ index });
    assert.is(router?.port, port);
    assert.is(router?.index, index);
    assert.is(router?.type, "permanent");
  });
});

const modern = fromKernel(6, 8) ? needs("bridge_vlan", "veth", "vxlan") : test.skip;

modern("entries are had one by one, changed, filtered by senders, and flushed", () => {
  inNamespace((rt) => {
    const { index, port } = bridge(rt);
    const one = { index, port, group: "ff0e::7", vlan: 3 };
    rt.mdb.add({ ...one, filterMode: "include", sources: ["2001:db8::1"], protocol: "zebra" });
    const read = () => rt.mdb.get({ index, group: "ff0e::7", vlan: 3 });
    assert.equal(
      read().map(({ protocol, port: at }) => [protocol, at]),
      [["zebra", port]],
    );
    rt.mdb.replace({ ...one, filterMode: "exclude", sources: ["2001:db8::2"], protocol: "bird" });
    assert.equal(
      read().map(({ protocol }) => protocol),
      ["bird"],
    );
    const [blocked] = rt.mdb.get({ index, group: "ff0e::7", vlan: 3, source: "2001:db8::2" });
    assert.ok(blocked?.flags.includes("blocked"));
    rt.mdb.flush({ index, vlan: 4 });
    assert.is(read().length, 1);
    rt.mdb.flush({ index, permanent: true });
    assert.throws(read, /ENOENT/);
    rt.links.add({ name: "vx0", kind: "vxlan", data: { id: 7, port: 4789 } });
    const vxlan = rt.links.get("vx0").index;
    rt.mdb.add({ index: vxlan, group: "239.1.1.1", destination: "198.51.100.1", vni: 10 });
    const [entry] = rt.mdb.dump({ index: vxlan });
    assert.is(entry?.destination, "198.51.100.1");
    assert.is(entry?.vni, 10);
    assert.is(entry?.port, vxlan);
  });
});

needs("bridge_vlan", "veth")("a monitor tells of groups that ports join and leave", async () => {
  await inNamespace(async (rt) => {
    const { index, port } = bridge(rt);
    using monitor = rt.monitor(["mdb"]);
    rt.mdb.add({ index, port, group: "239.1.1.1", vlan: 5 });
    rt.mdb.remove({ index, port, group: "239.1.1.1", vlan: 5 });
    const seen: string[] = [];
    for await (const event of monitor) {
      if (event.type !== "mdb") continue;
      for (const { group, vlan } of event.entries)
        if (group === "239.1.1.1") seen.push(`${event.change} ${vlan}`);
      if (seen.length === 2) break;
    }
    assert.equal(seen, ["new 5", "removed 5"]);
  });
});

test.run();

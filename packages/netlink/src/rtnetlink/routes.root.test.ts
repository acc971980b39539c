import { test } from "uvu";
import * as assert from "uvu/assert";
import { NetlinkError } from "../netlink-error.js";
import { inNamespace, needs } from "../testing/needs.js";
import type { Rtnetlink } from "./rtnetlink.js";

const root = needs("root", "veth");

/** The index of a device that is up and can carry addresses. */
function device(rt: Rtnetlink): number {
  rt.links.add({ name: "v0", kind: "veth", up: true, data: { peer: { name: "v1" } } });
  rt.links.set("v1", { up: true });
  return rt.links.get("v0").index;
}

function code(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    assert.instance(error, NetlinkError);
    return (error as NetlinkError).code;
  }
}

root("addresses of both families are added, read, changed and removed", () => {
  inNamespace((rt) => {
    const index = device(rt);
    rt.addresses.add({ index, address: "172.51.0.101/16", broadcast: "172.51.255.255", label: "v0:pod" });
    rt.addresses.add({ index, address: "2001:db8::1/64", flags: ["noDad"] });
    rt.addresses.add({ index, address: "198.51.100.1", peer: "198.51.100.2/32" });
    const v4 = [...rt.addresses.dump({ index, family: "ipv4" })];
    assert.equal(
      v4.map(({ address, prefixLength, peer, broadcast, label, scope }) => [
        address,
        prefixLength,
        peer,
        broadcast,
        label,
        scope,
      ]),
      [
        ["172.51.0.101", 16, undefined, "172.51.255.255", "v0:pod", "global"],
        ["198.51.100.1", 32, "198.51.100.2", undefined, "v0", "global"],
      ],
    );
    assert.ok(v4[0]?.flags.includes("permanent"));
    const own = [...rt.addresses.dump({ index, family: "ipv6" })].find(({ scope }) => scope === "global");
    assert.is(own?.address, "2001:db8::1");
    assert.ok(own?.flags.includes("noDad"));
    assert.is(
      code(() => rt.addresses.add({ index, address: "172.51.0.101/16" })),
      "EEXIST",
    );
    rt.addresses.replace({ index, address: "2001:db8::1/64", validSeconds: 1000, preferredSeconds: 500 });
    const changed = [...rt.addresses.dump({ index, family: "ipv6" })].find(({ scope }) => scope === "global");
    assert.is(changed?.validSeconds, 1000);
    rt.addresses.remove({ index, address: "172.51.0.101/16" });
    assert.is(
      code(() => rt.addresses.remove({ index, address: "172.51.0.101/16" })),
      "EADDRNOTAVAIL",
    );
    assert.is(
      code(() => [...rt.addresses.dump({ index: 4711 })]),
      "ENODEV",
    );
  });
});

root("routes are added, replaced, found, dumped by table and removed", () => {
  inNamespace((rt) => {
    const index = device(rt);
    rt.addresses.add({ index, address: "192.0.2.1/24" });
    rt.addresses.add({ index, address: "2001:db8::1/64", flags: ["noDad"] });
    rt.routes.add({ destination: "default", gateway: "192.0.2.254", mtu: 1400 });
    rt.routes.add({ destination: "10.0.0.0/8", gateway: "192.0.2.2", table: 1000, priority: 7 });
    rt.routes.add({ destination: "fd00::/8", gateway: "2001:db8::2" });
    rt.routes.add({ destination: "10.2.0.0/16", gateway: "2001:db8::2", index });
    rt.routes.add({ destination: "203.0.113.0/24", type: "blackhole" });
    rt.routes.add({
      destination: "10.3.0.0/16",
      multipath: [
        { index, gateway: "192.0.2.3", weight: 3 },
        { index, gateway: "192.0.2.4" },
      ],
    });
    assert.is(rt.routes.get("8.8.8.8").gateway, "192.0.2.254");
    assert.is(rt.routes.get("8.8.8.8").metrics?.mtu, 1400);
    assert.is(rt.routes.get("fd00::7").gateway, "2001:db8::2");
    assert.is(rt.routes.get("10.2.3.4").gateway, "2001:db8::2", "IPv4 through an IPv6 gateway");
    assert.is(
      code(() => rt.routes.get("203.0.113.1")),
      "EINVAL",
    );
    assert.is(rt.routes.get("192.0.2.9").preferredSource, "192.0.2.1");
    const main = [...rt.routes.dump({ table: 254, family: "ipv4" })].map(({ destination }) => destination);
    assert.equal(main.sort(), ["10.2.0.0/16", "10.3.0.0/16", "192.0.2.0/24", "203.0.113.0/24", "default"]);
    const [other] = [...rt.routes.dump({ table: 1000 })];
    assert.is(other?.priority, 7);
    assert.is(other?.table, 1000);
    assert.is([...rt.routes.dump({ table: 999 })].length, 0, "a table that does not exist");
    assert.ok([...rt.routes.dump({ index })].length > 5);
    rt.routes.replace({ destination: "default", gateway: "192.0.2.253" });
    assert.is(rt.routes.get("8.8.8.8").gateway, "192.0.2.253");
    assert.is(
      code(() => rt.routes.add({ destination: "default", gateway: "192.0.2.253" })),
      "EEXIST",
    );
    rt.routes.remove({ destination: "default" });
    assert.is(
      code(() => rt.routes.remove({ destination: "default" })),
      "ESRCH",
    );
    assert.is(
      code(() => rt.routes.add({ destination: "10.9.0.0/16", gateway: "99.9.9.9" })),
      "ENETUNREACH",
    );
  });
});

root("a thousand routes stream while each of them is removed through the same socket", () => {
  inNamespace((rt) => {
    const index = device(rt);
    rt.addresses.add({ index, address: "192.0.2.1/24" });
    rt.batch((batch) => {
      for (let count = 0; count < 2000; count++)
        batch.routes.add({ destination: `10.${count >> 8}.${count & 255}.0/24`, index, table: 1000 });
    });
    const seen = new Set<string>();
    for (const { destination } of rt.routes.dump({ table: 1000, family: "ipv4" })) {
      seen.add(destination);
      rt.routes.remove({ destination, index, table: 1000 });
    }
    assert.is(seen.size, 2000);
    assert.is([...rt.routes.dump({ table: 1000 })].length, 0);
  });
});

test.run();

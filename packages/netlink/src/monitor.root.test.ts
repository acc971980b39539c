import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { RtnetlinkEvent } from "./rtnetlink/events.js";
import { Rtnetlink } from "./rtnetlink/rtnetlink.js";
import { needs } from "./testing/needs.js";

const root = needs("veth", "sch_clsact");

root("a monitor tells of links, addresses, routes and qdiscs, in order", async () => {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  const monitor = rt.monitor(["link", "address", "route", "tc"]);
  rt.links.add({ name: "v0", kind: "veth", up: true, data: { peer: { name: "v1" } } });
  const { index } = rt.links.get("v0");
  rt.addresses.add({ index, address: "192.0.2.1/24" });
  rt.qdiscs.add({ index, kind: "clsact" });
  rt.qdiscs.remove({ index, parent: "clsact" });
  rt.links.remove("v0");
  const seen: string[] = [];
  for await (const event of monitor) {
    if (event.type === "link") seen.push(`${event.change} ${event.link.name}`);
    if (event.type === "address") seen.push(`${event.change} ${event.address.address}`);
    if (event.type === "qdisc") seen.push(`${event.change} ${event.qdisc.kind}`);
    if (event.type === "route" && event.route.table === 255) seen.push(`${event.change} ${event.route.type}`);
    if (event.type === "link" && event.change === "removed" && event.link.name === "v0") break;
  }
  for (const expected of [
    "new v0",
    "new 192.0.2.1",
    "new local",
    "new clsact",
    "removed clsact",
    "removed v0",
  ])
    assert.ok(seen.includes(expected), `${expected} in ${seen.join(", ")}`);
  assert.ok(seen.indexOf("new v0") < seen.indexOf("new 192.0.2.1"));
  assert.ok(seen.indexOf("new 192.0.2.1") < seen.indexOf("removed v0"));
});

root("notifications that the kernel dropped become a resync event, and the monitor goes on", async () => {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  rt.links.set("lo", { up: true });
  const monitor = rt.monitor(["link"], { receiveBufferBytes: 4096 });
  for (let round = 0; round < 300; round++) rt.links.set("lo", { alias: `round ${round}` });
  let resyncs = 0;
  let links = 0;
  for await (const event of monitor) {
    if (event.type === "resync") {
      resyncs++;
      rt.links.set("lo", { alias: "after" });
    } else if (event.type === "link") {
      links++;
      if (event.link.alias === "after") break;
    }
  }
  assert.is(resyncs, 1);
  assert.ok(links < 300);
});

/** Follows links by a monitor's events until a link of that name appears. */
async function follow(monitor: AsyncIterable<RtnetlinkEvent>, last: string) {
  const links = new Map<number, string>();
  const types: string[] = [];
  for await (const event of monitor) {
    types.push(event.type);
    if (event.type === "resync") links.clear();
    if (event.type !== "link") continue;
    if (event.change === "removed") links.delete(event.link.index);
    else links.set(event.link.index, `${event.link.name} ${event.link.alias ?? ""}`);
    if (event.link.name === last && event.change !== "removed") break;
  }
  return { links, types };
}

root("a storm that overruns a tiny receive buffer loses nothing after its resync", async () => {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  const monitor = rt.monitor(["link"], { receiveBufferBytes: 4096 });
  const followed = follow(monitor, "end0");
  for (let round = 0; round < 40; round++) {
    rt.batch((batch) => {
      for (let pair = 0; pair < 10; pair++)
        batch.links.add({
          name: `a${round}-${pair}`,
          kind: "veth",
          up: true,
          data: { peer: { name: `b${round}-${pair}` } },
        });
      for (let pair = 0; pair < 10; pair += 2) batch.links.remove(`a${round}-${pair}`);
      batch.links.set(`a${round}-1`, { alias: `round ${round}` });
    });
    // The monitor gets its turn in the middle of the storm.
    if (round % 5 === 4) await new Promise((resolve) => setImmediate(resolve));
  }
  rt.links.add({ name: "end0", kind: "veth", data: { peer: { name: "end1" } } });
  const { links, types } = await followed;
  assert.ok(types.includes("resync") && types.includes("synced"));
  const truth = new Map(
    [...rt.links.dump()].map(({ index, name, alias }) => [index, `${name} ${alias ?? ""}`]),
  );
  for (const [index, name] of links) assert.is(name, truth.get(index));
  // The pair's other end may be told after the end that ends the loop.
  for (const [index, name] of truth) if (!name.startsWith("end")) assert.is(links.get(index), name);
});

root("a monitor begins with what is there, of every group, where that is asked for", async () => {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  rt.links.set("lo", { up: true });
  rt.qdiscs.add({ index: 1, kind: "clsact" });
  rt.neighbours.add({ index: 1, destination: "192.0.2.1", address: "02:00:00:00:00:01" });
  rt.nexthops.add({ id: 7, blackhole: true });
  const seen = new Map<string, number>();
  const monitor = rt.monitor(
    [
      "link",
      "address",
      "route",
      "rule",
      "neighbour",
      "nexthop",
      "tc",
      "namespaceId",
      "netconf",
      "bridgeVlan",
    ],
    { initial: true },
  );
  for await (const event of monitor) {
    seen.set(event.type, (seen.get(event.type) ?? 0) + 1);
    if ("change" in event) assert.is(event.change, "present");
    if (event.type === "synced") break;
  }
  for (const type of [
    "resync",
    "link",
    "address",
    "route",
    "rule",
    "neighbour",
    "nexthop",
    "qdisc",
    "synced",
  ])
    assert.ok(seen.has(type), `${type} in ${[...seen.keys()].join(", ")}`);
});

root("a monitor of all namespaces says which one an event is about", async () => {
  using namespace = NetworkNamespace.createAnonymous();
  using other = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  using there = Rtnetlink.open({ netns: other });
  rt.namespaceIds.assign(other, 42);
  // A link that is down tells of no new alias: net/core/dev.c, netdev_state_change.
  for (const one of [rt, there]) one.links.set("lo", { up: true });
  const monitor = rt.monitor(["link"], { allNamespaces: true });
  there.links.set("lo", { alias: "there" });
  rt.links.set("lo", { alias: "here" });
  const seen: [string | undefined, number | undefined][] = [];
  for await (const event of monitor) {
    if (event.type === "link") seen.push([event.link.alias, event.netnsId]);
    if (event.type === "link" && event.link.alias === "here") break;
  }
  assert.equal(seen, [
    ["there", 42],
    ["here", undefined],
  ]);
});

root("an event wakes a monitor that waits, and closing it ends the loop", async () => {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  rt.links.set("lo", { up: true });
  const monitor = rt.monitor(["link"]);
  const first = (async () => {
    for await (const event of monitor) return event.type;
    return "nothing";
  })();
  setImmediate(() => rt.links.set("lo", { alias: "x" }));
  assert.is(await first, "link");
  const other = rt.monitor(["link"]);
  const ended = (async () => {
    let count = 0;
    for await (const _ of other) count++;
    return count;
  })();
  setImmediate(() => other.close());
  assert.is(await ended, 0);
});

test.run();

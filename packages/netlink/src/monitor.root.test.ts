import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
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

// What @weir/netlink does in the netlink benchmark; see main.ts.
import { type Link, Rtnetlink } from "@weir/netlink";
import { Socket } from "@weir/syscall";
import { expectCount, routeAddress, serve, timed } from "./side.js";

using rt = Rtnetlink.open();
const mainTable = { family: "ipv4", table: 254 } as const;

/** 10.0.0.0/8 as the destination, on its way out, goes to class 1:1. */
const filter = {
  parent: "egress",
  kind: "u32",
  priority: 1,
  protocol: "ip",
  options: { classid: "1:1", keys: [{ mask: 0xff00_0000, value: 0x0a00_0000, offset: 16 }] },
} as const;

/** Reads what the other sides read of a link. */
const look = ({ index, flags, name, mtu }: Link) => index > 0 && flags.length >= 0 && name !== "" && mtu > 0;

const [AF_NETLINK, SOCK_RAW, NETLINK_ROUTE] = [16, 3, 0];

/** RTM_GETLINK with NLM_F_REQUEST, and a struct ifinfomsg. */
function linkRequest(index: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, 18, true);
  view.setUint16(6, 1, true);
  view.setInt32(20, index, true);
  return bytes;
}

await serve({
  routes: (expected = 0) =>
    timed(() => {
      let count = 0;
      for (const route of rt.routes.dump(mainTable)) if (route.destination) count++;
      expectCount("routes", count, expected);
    }),
  /** The most memory that the process had while it read the routes one by one, in bytes beyond what it had before. */
  routesMemory: (expected = 0) => {
    const before = process.memoryUsage.rss();
    let most = before;
    let count = 0;
    for (const route of rt.routes.dump(mainTable))
      if (route.destination && ++count % 10_000 === 0) most = Math.max(most, process.memoryUsage.rss());
    expectCount("routes", count, expected);
    return most - before;
  },
  links: (expected = 0) =>
    timed(() => {
      let count = 0;
      for (const link of rt.links.dump()) if (look(link) && link.stats?.rxBytes !== undefined) count++;
      expectCount("links", count, expected);
    }),
  link: (index = 0, times = 0) =>
    timed(() => {
      for (let i = 0; i < times; i++)
        if (!look(rt.links.get(index))) throw new Error("a link without a name");
    }),
  /** What of {@link link} nobody can save: a request and its answer, of which nothing is read. */
  bareLink: (index = 0, times = 0) => {
    using socket = Socket.open(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    const request = linkRequest(index);
    const answer = new Uint8Array(65_536);
    return timed(() => {
      for (let i = 0; i < times; i++) {
        socket.send(request);
        socket.receive(answer);
      }
    });
  },
  add: (index = 0, count = 0) =>
    timed(() => {
      for (let i = 0; i < count; i++) rt.routes.add({ destination: `${routeAddress(i)}/32`, index });
    }),
  addBatched: (index = 0, count = 0) =>
    timed(() => {
      rt.batch((batch) => {
        for (let i = 0; i < count; i++) batch.routes.add({ destination: `${routeAddress(i)}/32`, index });
      });
    }),
  tc: (first = 0, devices = 0, step = 0) =>
    timed(() => {
      for (let index = first; index < first + devices * step; index += step) {
        rt.qdiscs.add({ index, kind: "clsact" });
        rt.filters.add({ index, ...filter });
      }
    }),
  tcBatched: (first = 0, devices = 0, step = 0) =>
    timed(() => {
      rt.batch((batch) => {
        for (let index = first; index < first + devices * step; index += step) {
          batch.qdiscs.add({ index, kind: "clsact" });
          batch.filters.add({ index, ...filter });
        }
      });
    }),
});

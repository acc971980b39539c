// What the npm package "netlink" does in the netlink benchmark; see main.ts.
import netlink from "netlink";
import { expectCount, routeAddress, serve, timedAsync } from "./side.js";

const rt = netlink.createRtNetlink();
const AF_INET = 2;
const NLM_F_CREATE_EXCL = 0x600;

/** How many requests are under way at once where they are pipelined. */
const AT_ONCE = 64;

function addRoute(number: number, oif: number): Promise<unknown> {
  const dst = Buffer.from(routeAddress(number).split(".").map(Number));
  const header = {
    family: AF_INET,
    dstLen: 32,
    table: 254,
    protocol: "STATIC",
    scope: "LINK",
    type: "UNICAST",
  };
  return rt.newRoute(header as Parameters<typeof rt.newRoute>[0], { dst, oif }, { flags: NLM_F_CREATE_EXCL });
}

/** struct tc_u32_sel with a key, beside a class: the package takes options as bytes. */
function u32Options(): Buffer {
  const bytes = Buffer.alloc(8 + 4 + 32);
  bytes.writeUInt16LE(8, 0);
  bytes.writeUInt16LE(1, 2);
  bytes.writeUInt32LE(0x10001, 4);
  bytes.writeUInt16LE(36, 8);
  bytes.writeUInt16LE(5, 10);
  bytes[12] = 1;
  bytes[14] = 1;
  bytes.writeUInt32BE(0xff00_0000, 28);
  bytes.writeUInt32BE(0x0a00_0000, 32);
  bytes.writeInt32LE(16, 36);
  return bytes;
}

type LinkMessage = Awaited<ReturnType<typeof rt.getLink>>[number];

/** Reads what the other sides read of a link. */
const look = ({ data, attrs }: LinkMessage) =>
  data.index !== undefined && data.flags !== undefined && !!attrs.ifname && !!attrs.mtu;

function addQdisc(ifindex: number): Promise<unknown> {
  const header = { ifindex, handle: 0xffff_0000, parent: 0xffff_fff1 };
  return rt.newQdisc(header, { kind: "clsact" }, { flags: NLM_F_CREATE_EXCL });
}

function addFilter(ifindex: number): Promise<unknown> {
  return rt.newTrafficFilter(
    { ifindex, parent: 0xffff_fff3, info: 0x1_0008 },
    { kind: "u32", options: u32Options() },
    { flags: NLM_F_CREATE_EXCL },
  );
}

await serve({
  routes: (expected = 0) =>
    timedAsync(async () => {
      const routes = await rt.getRoutes({ family: AF_INET });
      expectCount("routes", routes.length, expected);
    }),
  /** The memory that the process has with all routes, in bytes beyond what it had before. */
  routesMemory: async (expected = 0) => {
    const before = process.memoryUsage.rss();
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 50);
    const routes = await rt.getRoutes({ family: AF_INET });
    clearInterval(watch);
    expectCount("routes", routes.length, expected);
    return Math.max(most, process.memoryUsage.rss()) - before;
  },
  links: (expected = 0) =>
    timedAsync(async () => {
      let count = 0;
      for (const link of await rt.getLinks())
        if (look(link) && link.attrs.stats64?.rxBytes !== undefined) count++;
      expectCount("links", count, expected);
    }),
  link: (index = 0, times = 0) =>
    timedAsync(async () => {
      for (let i = 0; i < times; i++) {
        const [link] = await rt.getLink({ index });
        if (!link || !look(link)) throw new Error("a link without a name");
      }
    }),
  add: (index = 0, count = 0) =>
    timedAsync(async () => {
      for (let i = 0; i < count; i++) await addRoute(i, index);
    }),
  addBatched: (index = 0, count = 0) =>
    timedAsync(async () => {
      for (let i = 0; i < count; i += AT_ONCE) {
        const many = Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, j) => addRoute(i + j, index));
        await Promise.all(many);
      }
    }),
  tc: (first = 0, devices = 0, step = 0) =>
    timedAsync(async () => {
      for (let index = first; index < first + devices * step; index += step) {
        await addQdisc(index);
        await addFilter(index);
      }
    }),
  tcBatched: (first = 0, devices = 0, step = 0) =>
    timedAsync(async () => {
      for (let i = 0; i < devices; i += AT_ONCE / 2) {
        const many = Array.from({ length: Math.min(AT_ONCE / 2, devices - i) }, (_, j) => {
          const index = first + (i + j) * step;
          return [addQdisc(index), addFilter(index)];
        });
        await Promise.all(many.flat());
      }
    }),
});

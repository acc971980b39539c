import { test } from "uvu";
import * as assert from "uvu/assert";
import { MessageFlags } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { tcRequests } from "../testing/tc-requests.js";
import { addClass } from "./classes.js";
import { filterInfo } from "./filter.js";
import { addFilter, removeFilter } from "./filters.js";
import { formatHandle, parseHandle, qdiscParent } from "./handle.js";
import { addQdisc, replaceQdisc } from "./qdiscs.js";
import { transmitBytes, transmitTicks } from "./rate.js";

const index = 2;

/** What we send for each of the captured commands. */
const ours: Record<string, NetlinkRequest> = {
  "root handle 1: tbf rate 100mbit burst 32000 latency 25ms": replaceQdisc({
    index,
    kind: "tbf",
    handle: "1:",
    options: { rateBitsPerSecond: 100_000_000, burstBytes: 32_000, latencyUs: 25_000 },
  }),
  "root handle 1: tbf rate 1mbit burst 5000 limit 10000 overhead 4 mpu 64": replaceQdisc({
    index,
    kind: "tbf",
    handle: "1:",
    options: {
      rateBitsPerSecond: 1_000_000n,
      burstBytes: 5000,
      limitBytes: 10_000,
      overheadBytes: 4,
      mpuBytes: 64,
    },
  }),
  "root handle 1: tbf rate 1gbit burst 50000 limit 100000 peakrate 2gbit mtu 1600": replaceQdisc({
    index,
    kind: "tbf",
    handle: "1:",
    options: {
      rateBitsPerSecond: 1_000_000_000n,
      burstBytes: 50_000,
      limitBytes: 100_000,
      peakRateBitsPerSecond: 2_000_000_000n,
      peakBurstBytes: 1600,
    },
  }),
  "root handle 2: htb default 10": replaceQdisc({
    index,
    kind: "htb",
    handle: "2:",
    options: { defaultClass: 0x10 },
  }),
  "parent 2: classid 2:10 htb rate 10mbit ceil 1gbit burst 20000 prio 2": addClass({
    index,
    kind: "htb",
    parent: "2:",
    handle: "2:10",
    options: {
      rateBitsPerSecond: 10_000_000n,
      ceilBitsPerSecond: 1_000_000_000n,
      burstBytes: 20_000,
      priority: 2,
    },
  }),
  "parent 2: classid 2:11 htb rate 3mbit": addClass({
    index,
    kind: "htb",
    parent: "2:",
    handle: "2:11",
    options: { rateBitsPerSecond: 3_000_000n },
  }),
  "dev i0 clsact": addQdisc({ index, kind: "clsact" }),
};

for (const { command, flags, hex } of tcRequests)
  test(`what we send is what "${command}" sends, byte for byte`, () => {
    const [, request] = Object.entries(ours).find(([text]) => command.endsWith(text)) ?? [];
    assert.ok(request);
    const sent = Buffer.from(request?.body ?? []).toString("hex");
    // tc writes the kind of clsact with its NUL and the others without; the kernel takes both.
    assert.is(withoutNul(sent), withoutNul(hex));
    assert.is((request?.flags ?? 0) | MessageFlags.REQUEST | MessageFlags.ACK, flags);
  });

/** Undoes the difference between "tbf" and "tbf\0" in TCA_KIND, which comes first after the header of 20 bytes. */
function withoutNul(hex: string): string {
  return hex.replace(/^(.{40})0[78]000100/, "$1XX000100");
}

test("handles are read and written as tc writes them", () => {
  for (const [text, number] of [
    ["1:0", 0x10000],
    ["1:", 0x10000],
    ["1:10", 0x10010],
    [":5", 5],
    ["ffff:fff1", 0xffff_fff1],
  ] as const)
    assert.is(parseHandle(text), number);
  assert.is(formatHandle(0x10010), "1:10");
  assert.is(formatHandle(0x10000), "1:");
  assert.is(formatHandle(0xffff_ffff), "root");
  assert.is(qdiscParent("ingress"), 0xffff_fff1);
  for (const wrong of [":", "1", "10000:", "1:2:3", "x:"] as const)
    assert.throws(() => parseHandle(wrong as `${string}:${string}`), /not a handle/, wrong);
  assert.throws(() => parseHandle(-1), /not a handle/);
});

test("a filter's priority and protocol share a word, the protocol in network order", () => {
  assert.is(filterInfo(7, "all"), 0x0007_0300);
  assert.is(filterInfo(1, "ip"), 0x0001_0008);
  assert.throws(() => filterInfo(65536, "all"), /priority/);
  assert.throws(() => filterInfo(1, "apple" as "all"), /protocol/);
});

test("removing all filters of a place names no protocol", () => {
  const { body } = removeFilter({ index, parent: "egress" });
  assert.is(new DataView(body.buffer).getUint32(16, true), 0);
});

test("a handle, a rate or an option that cannot be is refused before anything is sent", () => {
  const tbf = { burstBytes: 1000, limitBytes: 1000 };
  for (const [options, text] of [
    [{ ...tbf, rateBitsPerSecond: 0 }, /less than the 8 bit\/s/],
    [{ ...tbf, rateBitsPerSecond: -5n }, /less than the 8 bit\/s/],
    [{ ...tbf, rateBitsPerSecond: 1.5 }, /not a whole number/],
    [{ burstBytes: 1000, rateBitsPerSecond: 8000 }, /limitBytes or latencyUs/],
    [{ ...tbf, rateBitsPerSecond: 8, burstBytes: 1 << 30 }, /longer than tc can express/],
  ] as const)
    assert.throws(() => replaceQdisc({ index, kind: "tbf", options } as never), text);
  assert.throws(
    () => replaceQdisc({ index, kind: "fq", options: { maxRateBitsPerSecond: 40_000_000_000n } }),
    /could not set the fq qdisc .*maxRateBitsPerSecond: 40000000000 bit\/s is more/,
  );
  assert.throws(
    () => replaceQdisc({ index, kind: "hfsc", options: { bandwidth: 1 } } as never),
    /payload for kind "hfsc" must be given as bytes/,
  );
  assert.throws(
    () => addFilter({ index, parent: "egress", kind: "cgroup", options: {} } as never),
    /cgroup filters must be given as rawOptions/,
  );
});

test("ticks and bytes convert as tc converts them", () => {
  assert.is(transmitTicks(12_500_000n, 32_000), 40_000);
  assert.is(transmitTicks(375_000n, 1600), 66_656, "a fraction of a microsecond is dropped");
  assert.is(transmitTicks(6_250_000_000n, 1600), 4, "but not all of the time");
  assert.is(transmitBytes(12_500_000n, 40_000), 32_000);
});

test.run();

import { isDeepStrictEqual } from "node:util";
import type { Link } from "@weir/netlink";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkGso, gsoMaxSize, gsoState, planGso, withoutCap } from "./gso.js";

const MBIT = 1_000_000n;
const link = (gsoMaxSize: number | undefined, gsoIpv4MaxSize: number | undefined, mtu = 1500) =>
  ({ name: "eth0", mtu, gsoMaxSize, attributes: { gsoIpv4MaxSize } }) as Link;
const egress = (megabits: bigint) => ({ bitsPerSecond: megabits * MBIT });

/** How many segments TCP puts into a packet: sk_setup_caps and tcp_tso_autosize of the kernel. */
const segments = (size: number, mss: number, room = 321) => Math.floor((size - room) / mss);

test("packets get as large as the limit sends in 2 ms, in whole segments whatever their headers", () => {
  for (const [megabits, count] of [
    [20n, 3],
    [50n, 8],
    [100n, 16],
    [250n, 41],
  ] as const) {
    const size = gsoMaxSize(egress(megabits), 1500);
    // IPv4 and IPv6, with and without timestamps.
    for (const mss of [1460, 1448, 1440, 1428]) assert.is(segments(size, mss), count, `${megabits} ${mss}`);
  }
});

test("they keep two segments at the lowest limits, of jumbo frames too", () => {
  assert.is(segments(gsoMaxSize({ bitsPerSecond: 1_000n }, 1500), 1448), 2);
  assert.is(segments(gsoMaxSize(egress(10n), 9000), 8948), 2);
});

test("a device's largest packet is never made larger, and left alone where the limit is high enough", () => {
  assert.is(planGso(link(65_536, 65_536), egress(1_000n), undefined), undefined);
  assert.is(planGso(link(4_000, undefined), egress(100n), undefined), undefined);
  assert.is(planGso(link(undefined, undefined), egress(1n), undefined), undefined);
  assert.is(planGso(link(65_536, 65_536), undefined, undefined), undefined);
});

test("what was found is kept through changes of the limit, and is what is planned without one", () => {
  const first = planGso(link(65_536, 65_536), egress(20n), undefined)!;
  assert.equal(first, { maxSize: 4764, found: 65_536, foundIpv4: 65_536 });
  const capped = link(4764, 4764);
  const second = planGso(capped, egress(100n), first)!;
  assert.equal(second, { ...first, maxSize: 16 * 1460 + 384 });
  for (const limit of [egress(1_000n), undefined]) {
    assert.ok(isDeepStrictEqual(planGso(capped, limit, second), withoutCap(first)));
  }
});

test("a refusal is forgotten with the next change, which tries again", () => {
  const refused = { maxSize: 4764, found: 65_536, none: "Operation not supported" };
  assert.equal(planGso(link(65_536, undefined), egress(20n), refused), { maxSize: 4764, found: 65_536 });
  assert.equal(gsoState(refused), {
    maxSize: 65_536,
    foundMaxSize: 65_536,
    none: "Operation not supported",
  });
  assert.equal(checkGso(link(65_536, undefined), refused), []);
});

test("each of the kernel's two sizes is compared with what was set", () => {
  const big = { maxSize: 4764, found: 196_608, foundIpv4: 65_536 };
  assert.equal(checkGso(link(4764, 4764), big), []);
  assert.is(checkGso(link(4764, 65_536), big)[0]?.code, "GSO_SIZE");
  assert.is(checkGso(link(65_536, 4764), big)[0]?.code, "GSO_SIZE");
  assert.equal(checkGso(link(4764, 2_000), { ...big, foundIpv4: 2_000 }), []);
});

test.run();

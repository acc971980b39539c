import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfMap, type BpfProgram, encodeSkbContext, type SkbContext } from "@weir/bpf-loader";
import { parseAddress } from "@weir/netlink";
import { monotonicNow, mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadEntryProgram } from "../tcx/entry-program.js";
import { type GuardLimit, GuardMaps, MAX_ENTRIES, PEER } from "./maps.js";
import { seesSenders } from "./program.js";

const UPLINK = 3;
const OTHER_UPLINK = 4;
const UNKNOWN = MAX_ENTRIES + UPLINK;
/** The inode number of no namespace that packets of a test run come from. */
const NOBODY = 1n;
const ADDRESS = "192.0.2.7";
const ADDRESS6 = "2001:db8::7";
const PASS = 0xffff_ffff;
const DROP = 2;
const SECOND = 1_000_000_000n;
/** A second for each packet of 1000 bytes, and no credit. */
const SLOW: GuardLimit = { bitsPerSecond: 8_000n, burstNs: 0n, sinceNs: 0n, drop: false, owner: 1n };

const bpffs = mkdtempSync(join(tmpdir(), "weir-guard-"));
let maps: GuardMaps;
let table: BpfMap;
const programs = new Map<number, BpfProgram>();

test.before(() => {
  mountBpffs(bpffs);
  maps = GuardMaps.install(join(bpffs, "weir"));
  table = BpfMap.create({ name: "table", type: "prog_array", keySize: 4, valueSize: 4, maxEntries: 1 });
  const fd = new Uint8Array(new Uint32Array([maps.program.fd.number]).buffer);
  table.raw.set(new Uint8Array(4), fd);
});
test.after(() => {
  for (const program of programs.values()) program.close();
  table.close();
  maps.close();
  unmount(bpffs);
  rmSync(bpffs, { recursive: true });
});
test.before.each(() => {
  for (const uplink of [UPLINK, OTHER_UPLINK]) maps.forgetUplink(uplink);
  for (const entry of [7, 8, UNKNOWN]) maps.take(entry, { ...SLOW, bitsPerSecond: 0n });
});

/** Runs the guard as at a place with this classid, through a program that sets it. */
function send(frame: Uint8Array, classid = UPLINK, values: Partial<SkbContext> = {}): number {
  let program = programs.get(classid);
  if (!program) {
    program = loadEntryProgram(table, 0, classid);
    programs.set(classid, program);
  }
  const context = encodeSkbContext({ wireLength: frame.length, ...values });
  return program.testRun({ data: frame, context }).returnValue;
}

/** A frame of 1000 bytes from an address, behind so many VLAN tags. */
function frame(source: string, tags: number[] = []): Uint8Array {
  const { family, bytes } = parseAddress(source);
  const frame = new Uint8Array(1000);
  let at = 12;
  for (const tag of tags) {
    frame.set([tag >> 8, tag & 0xff, 0, 5], at);
    at += 4;
  }
  frame.set(family === "ipv4" ? [0x08, 0x00, 0x45] : [0x86, 0xdd, 0x60], at);
  frame.set(bytes, at + 2 + (family === "ipv4" ? 12 : 8));
  return frame;
}

const packets = (entry: number) => Number(maps.counters(entry).packets);

function ownNamespace(): bigint {
  using own = NetworkNamespace.current();
  return own.identity.inode;
}

test("a packet is charged to the entry of its address, IPv4 and IPv6, behind VLAN tags too", () => {
  for (const address of [ADDRESS, ADDRESS6]) maps.setAddress(UPLINK, address, 7, ownNamespace(), 1n);
  let sent = 0;
  for (const address of [ADDRESS, ADDRESS6]) {
    for (const tags of [[], [0x8100], [0x88a8, 0x8100]]) {
      assert.is(send(frame(address, tags)), PASS);
      assert.is(packets(7), ++sent, `${address} ${tags}`);
    }
  }
  assert.is(maps.counters(7).bytes, BigInt(sent) * 1000n);
  assert.is(send(frame(ADDRESS), OTHER_UPLINK), PASS);
  assert.is(packets(7), sent, "an address counts on its own uplink");
});

test("what is beyond the rate and its credit is dropped, and nothing else", () => {
  maps.take(7, { ...SLOW, burstNs: 4n * SECOND });
  maps.setAddress(UPLINK, ADDRESS, 7, ownNamespace(), 1n);
  const verdicts = Array.from({ length: 8 }, () => send(frame(ADDRESS)));
  // Four packets of credit, and the one that is due.
  assert.equal(verdicts, [PASS, PASS, PASS, PASS, PASS, DROP, DROP, DROP]);
  const { dropped, droppedBytes } = maps.counters(7);
  assert.equal([dropped, droppedBytes], [3n, 3000n]);
});

test("packets that leave late, all at once, are within the limit by their departure times", () => {
  maps.take(7, SLOW);
  maps.setAddress(UPLINK, ADDRESS, 7, ownNamespace(), 1n);
  const now = monotonicNow();
  const at = (tstamp: bigint) => send(frame(ADDRESS), UPLINK, { tstamp });
  assert.equal(
    [5n, 4n, 3n, 2n].map((ago) => at(now - ago * SECOND)),
    [PASS, PASS, PASS, PASS],
  );
  assert.is(at(now - 2n * SECOND), DROP, "twice the same time");
  assert.is(at(1n), DROP, "a time that is long past");
  assert.is(at(0n), PASS);
  assert.is(at(now + 3600n * SECOND), DROP, "a time to come is now");
});

test("packets that leave late and in another order are within the limit, as far as the credit goes", () => {
  maps.setAddress(UPLINK, ADDRESS, 7, ownNamespace(), 1n);
  const now = monotonicNow();
  const from = (ages: bigint[], burst: bigint) => {
    maps.take(7, { ...SLOW, burstNs: burst * SECOND });
    return ages.map((ago) => send(frame(ADDRESS), UPLINK, { tstamp: now - ago * SECOND }));
  };
  assert.equal(from([2n, 5n, 4n, 3n], 3n), [PASS, PASS, PASS, PASS]);
  assert.equal(from([2n, 5n, 4n, 3n], 2n), [PASS, PASS, PASS, DROP]);
  assert.equal(from([2n, 6n, 6n, 6n, 6n], 2n), [PASS, PASS, PASS, DROP, DROP]);
});

test("nothing is dropped before a limit takes effect", () => {
  maps.take(7, { ...SLOW, sinceNs: monotonicNow() + 3600n * SECOND });
  maps.setAddress(UPLINK, ADDRESS, 7, ownNamespace(), 1n);
  for (let i = 0; i < 5; i++) assert.is(send(frame(ADDRESS)), PASS);
  assert.is(packets(7), 5);
});

test("at a veth's other end everything is the pod's, whatever it looks like, by its size on the wire", () => {
  assert.is(send(frame("203.0.113.9"), PEER | 7), PASS);
  assert.is(send(new Uint8Array(1000).fill(0xee), PEER | 7), PASS);
  assert.is(maps.counters(7).bytes, 2000n);
  // A packet that the card will cut into three gets two headers more.
  assert.is(send(frame(ADDRESS), PEER | 7, { gsoSize: 300, gsoSegments: 3 }), PASS);
  assert.is(maps.counters(7).bytes, 3000n + 2n * 54n);
});

test("what comes from nobody that is known passes, is dropped or shares a clock, as the policy says", () => {
  assert.is(send(frame("203.0.113.9")), PASS);
  assert.is(packets(UNKNOWN), 1);
  maps.setLimit(UNKNOWN, { ...SLOW, drop: true, bitsPerSecond: 0n });
  assert.is(send(frame("203.0.113.9")), DROP);
  maps.setLimit(UNKNOWN, { ...SLOW, burstNs: SECOND });
  assert.equal(
    [1, 2, 3].map((i) => send(frame(`203.0.113.${i}`))),
    [PASS, PASS, DROP],
  );
});

test("known prefixes pass whatever the policy, on their own uplink", () => {
  maps.setLimit(UNKNOWN, { ...SLOW, drop: true });
  maps.setKnown(UPLINK, ["203.0.113.0/24", "2001:db8:1::/48"]);
  for (const address of ["203.0.113.9", "2001:db8:1::5"]) assert.is(send(frame(address)), PASS);
  for (const address of ["203.0.114.9", "2001:db8:2::5"]) assert.is(send(frame(address)), DROP);
  maps.setKnown(UPLINK, ["203.0.113.0/32"]);
  assert.is(send(frame("203.0.113.9")), DROP);
});

test("what is not IP passes, a frame that ends too early too", () => {
  maps.setLimit(UNKNOWN, { ...SLOW, drop: true });
  const arp = new Uint8Array(42);
  arp.set([0x08, 0x06], 12);
  assert.is(send(arp), PASS);
  const cut = new Uint8Array(20);
  cut.set([0x81, 0x00, 0, 5, 0x08, 0x00], 12);
  assert.is(send(cut), PASS);
});

test("at a place without a number nothing is guarded", () => {
  maps.setLimit(UNKNOWN, { ...SLOW, drop: true });
  for (const classid of [0, 64, 0x7fff, PEER])
    assert.is(send(frame("203.0.113.9"), classid), PASS, `${classid}`);
});

if (seesSenders()) {
  test("a namespace is charged for addresses that it makes up", () => {
    maps.setSender(UPLINK, ownNamespace(), 7, 1n);
    assert.is(send(frame("203.0.113.9")), PASS);
    assert.is(packets(7), 1);
    assert.is(send(new Uint8Array(1000).fill(0xee)), PASS);
    assert.is(packets(7), 2, "for what is not IP as well");
  });

  test("another pod's address does not charge that pod, but the sender", () => {
    maps.setAddress(UPLINK, ADDRESS, 8, NOBODY, 2n);
    maps.setSender(UPLINK, ownNamespace(), 7, 1n);
    assert.is(send(frame(ADDRESS)), PASS);
    assert.equal([packets(7), packets(8)], [1, 0]);
    maps.removeSender(UPLINK, ownNamespace(), 1n);
    assert.is(send(frame(ADDRESS)), PASS);
    assert.equal([packets(8), packets(UNKNOWN)], [0, 1]);
  });

  test("each of several devices of a namespace is charged for its own address", () => {
    maps.setAddress(UPLINK, ADDRESS, 8, ownNamespace(), 2n);
    maps.setSender(UPLINK, ownNamespace(), 7, 1n);
    assert.is(send(frame(ADDRESS)), PASS);
    assert.equal([packets(7), packets(8)], [0, 1]);
  });

  test("the host may send from any address", () => {
    maps.setLimit(UNKNOWN, { ...SLOW, drop: true });
    maps.setSender(UPLINK, ownNamespace(), 0, 1n);
    assert.is(send(frame("203.0.113.9")), PASS);
    assert.is(packets(UNKNOWN), 0);
  });
}

test("elements are removed by their owner alone", () => {
  maps.setAddress(UPLINK, ADDRESS, 7, NOBODY, 1n);
  maps.removeAddress(UPLINK, ADDRESS, 2n);
  assert.is(maps.address(UPLINK, ADDRESS)?.entry, 7);
  maps.removeAddress(UPLINK, ADDRESS, 1n);
  assert.is(maps.address(UPLINK, ADDRESS), undefined);
  maps.setSender(UPLINK, NOBODY, 7, 1n);
  maps.removeSender(UPLINK, NOBODY, 2n);
  assert.is(maps.sender(UPLINK, NOBODY)?.entry, 7);
  maps.forgetUplink(UPLINK);
  assert.is(maps.sender(UPLINK, NOBODY), undefined);
});

test.run();

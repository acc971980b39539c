import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfMap, type BpfProgram, encodeSkbContext, type SkbContext } from "@weir/bpf-loader";
import { parseAddress } from "@weir/netlink";
import { mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Datapath } from "../datapath.js";
import type { Limits } from "../limits.js";
import { entryOf } from "../names.js";
import { loadEntryProgram } from "../tcx/entry-program.js";
import { GuardMaps, PEER } from "./maps.js";

const SLOT = 4;
const ENTRY = entryOf(SLOT, "egress");
const UPLINK = 3;
const OWNER = 1n;
const POD = "10.1.0.1";
const POD6 = "fd00::1";
const PASS = 0xffff_ffff;
const VLAN = 0x8100;
const QINQ = 0x88a8;

/** The programs of the table. */
const SHAPER = 0;
const GUARD = 1;

const bpffs = mkdtempSync(join(tmpdir(), "weir-guard-subnets-"));
const folder = join(bpffs, "weir");
let datapath: Datapath;
let maps: GuardMaps;
let table: BpfMap;
let shaper: BpfProgram;
let guards: BpfProgram[];

test.before(() => {
  mountBpffs(bpffs);
  datapath = Datapath.load(bpffs, folder);
  maps = GuardMaps.install(folder);
  table = BpfMap.create({ name: "table", type: "prog_array", keySize: 4, valueSize: 4, maxEntries: 2 });
  for (const [slot, program] of [
    [SHAPER, datapath.program],
    [GUARD, maps.program],
  ] as const) {
    table.raw.set(word(slot), word(program.fd.number));
  }
  shaper = loadEntryProgram(table, SHAPER, ENTRY);
  guards = [PEER | ENTRY, UPLINK].map((classid) => loadEntryProgram(table, GUARD, classid));
  using own = NetworkNamespace.current();
  for (const address of [POD, POD6]) {
    maps.setAddress(UPLINK, address, ENTRY, own.identity.inode, OWNER);
  }
  // What is not IP, or is another's address, is charged by the namespace, where the kernel shows it.
  maps.setSender(UPLINK, own.identity.inode, ENTRY, OWNER);
});
test.after(() => {
  for (const handle of [...guards, shaper, table, maps, datapath]) handle.close();
  unmount(bpffs);
  rmSync(bpffs, { recursive: true });
});
test.before.each(() => {
  for (const direction of ["egress", "ingress"] as const) datapath.take(entryOf(SLOT, direction), OWNER);
  installed = {};
  maps.take(ENTRY, { bitsPerSecond: 0n, burstNs: 0n, sinceNs: 0n, drop: false, owner: OWNER });
});

let installed: Limits;
function limit(limits: Limits): void {
  const all = { egress: { bitsPerSecond: 10n ** 12n }, ingress: { bitsPerSecond: 10n ** 12n }, ...limits };
  datapath.setLimits(SLOT, all, OWNER, { previous: installed });
  installed = limits;
}

function word(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/** A frame from the pod behind any number of VLAN tags. */
function frame(destination: string, tags: readonly number[] = []): Uint8Array {
  const to = parseAddress(destination);
  const from = parseAddress(to.family === "ipv4" ? POD : POD6);
  const ip =
    to.family === "ipv4"
      ? [0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, ...from.bytes, ...to.bytes]
      : [0x86, 0xdd, 0x60, 0, 0, 0, 0, 26, 17, 64, ...from.bytes, ...to.bytes];
  const bytes = new Uint8Array(200);
  bytes.set([...tags.flatMap((tag) => [tag >> 8, tag & 0xff, 0, 7]), ...ip, 0x12, 0x34, 0, 53, 0, 26], 12);
  return bytes;
}

/** Whether the shaper charges for a frame, and the guard at a veth's other end and on an uplink. */
function charges(data: Uint8Array, values: Partial<SkbContext> = {}): [boolean, boolean, boolean] {
  const context = encodeSkbContext({ wireLength: data.length, ...values });
  const shaped = () => datapath.counters(ENTRY).packets;
  const guarded = () => maps.counters(ENTRY).packets;
  return [shaper, ...guards].map((program) => {
    const count = program === shaper ? shaped : guarded;
    const before = count();
    assert.is(program.testRun({ data, context }).returnValue, PASS);
    return count() > before;
  }) as [boolean, boolean, boolean];
}

const ALL: [boolean, boolean, boolean] = [true, true, true];
const NONE: [boolean, boolean, boolean] = [false, false, false];

test("the guard charges for all that the shaper charges for, and for nothing else, in both families", () => {
  const peers = ["10.96.0.10", "10.112.0.0", "192.0.2.53", "192.0.2.54", "fd00:96::a", "fd00:96::1:a"];
  const inside = [true, false, true, false, true, false];
  const subnets = ["10.96.0.0/12", "192.0.2.53/32", "fd00:96::/112"];
  for (const [name, exempts] of [
    ["unshapedSubnets", true],
    ["shapedSubnets", false],
  ] as const) {
    limit({ [name]: subnets });
    peers.forEach((peer, index) => {
      assert.equal(charges(frame(peer)), inside[index] === exempts ? NONE : ALL, `${name} ${peer}`);
    });
  }
  limit({});
  for (const peer of peers) assert.equal(charges(frame(peer)), ALL, peer);
});

test("both look past the same tags, however many there are", () => {
  for (const peer of ["192.0.2.1", "2001:db8::1"]) {
    limit({ unshapedSubnets: ["192.0.2.0/24", "2001:db8::/32"] });
    for (const tags of [[VLAN], [QINQ, VLAN], [QINQ, QINQ, VLAN]]) {
      assert.equal(charges(frame(peer, tags)), NONE, `${peer} ${tags.length}`);
    }
    for (const tags of [Array(4).fill(VLAN), Array(5).fill(VLAN)]) {
      assert.equal(charges(frame(peer, tags)), ALL, `${peer} ${tags.length}`);
    }
    limit({ shapedSubnets: ["192.0.2.0/24", "2001:db8::/32"] });
    assert.equal(charges(frame(peer, [VLAN, VLAN])), ALL);
    assert.equal(charges(frame(peer, Array(4).fill(VLAN))), NONE);
  }
});

test("what is not IP, and a frame that ends too early, is in no subnet for either", () => {
  const arp = new Uint8Array(60);
  arp.set([0x08, 0x06], 12);
  const short = (type: number[], length: number) => {
    const bytes = new Uint8Array(length);
    bytes.set(type, 12);
    return bytes;
  };
  const everything = ["0.0.0.0/0", "::/0"];
  for (const bytes of [arp, short([0x81, 0, 0, 5, 0x08, 0], 24), short([0x81, 0, 0, 5, 0x86, 0xdd], 40)]) {
    limit({ unshapedSubnets: everything });
    const [shaped, peer] = charges(bytes);
    assert.equal([shaped, peer], [true, true], `${bytes.length} bytes`);
    limit({ shapedSubnets: everything });
    assert.equal(charges(bytes), NONE, `${bytes.length} bytes`);
  }
});

test("a list that takes another's place counts for both at once", () => {
  limit({ unshapedSubnets: ["192.0.2.0/24"] });
  assert.equal(charges(frame("192.0.2.1")), NONE);
  limit({ unshapedSubnets: ["198.51.100.0/24"] });
  assert.equal(charges(frame("192.0.2.1")), ALL);
  assert.equal(charges(frame("198.51.100.1")), NONE);
  limit({ shapedSubnets: ["198.51.100.0/24"] });
  assert.equal(charges(frame("192.0.2.1")), NONE);
  assert.equal(charges(frame("198.51.100.1")), ALL);
});

test("what is exempt is not charged, even where the entry's clock would drop it", () => {
  limit({ unshapedSubnets: ["192.0.2.0/24"] });
  maps.setLimit(ENTRY, { bitsPerSecond: 8_000n, burstNs: 0n, sinceNs: 0n, drop: false, owner: OWNER });
  for (let i = 0; i < 10; i++) assert.equal(charges(frame("192.0.2.1")), NONE);
  const [guard] = guards;
  const verdict = (peer: string) =>
    guard!.testRun({ data: frame(peer), context: encodeSkbContext({ wireLength: 200 }) }).returnValue;
  assert.equal([verdict("198.51.100.1"), verdict("198.51.100.1"), verdict("192.0.2.1")], [PASS, 2, PASS]);
});

test.run();

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfMap, decodeSkbContext, encodeSkbContext } from "@weir/bpf-loader";
import { parseAddress } from "@weir/netlink";
import { mountBpffs, unmount } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Datapath } from "./datapath.js";
import { decodeLimitEntry, encodeLimitEntry, SUBNETS_SOURCE } from "./limit-entry.js";
import type { Limits } from "./limits.js";

/** A test run has no classid and finds entry 0: the egress of slot 0, which no attachment has. */
const SLOT = 0;
const OWNER = 1n;
const SLOW = { bitsPerSecond: 8_000n };

const bpffs = mkdtempSync(join(tmpdir(), "weir-subnets-"));
const folder = join(bpffs, "weir");
let datapath: Datapath;

test.before(() => {
  mountBpffs(bpffs);
  datapath = Datapath.load(bpffs, folder);
});
test.after(() => {
  datapath.close();
  unmount(bpffs);
  rmSync(bpffs, { recursive: true });
});
test.before.each(() => datapath.take(0, OWNER));
test.after.each(() => limit({}));

let installed: Limits = {};
function limit(limits: Limits): void {
  datapath.setLimits(SLOT, { egress: SLOW, ingress: SLOW, ...limits }, OWNER, { previous: installed });
  installed = limits;
}

/** A UDP packet between two addresses of one family, behind any number of VLAN tags. */
function packet(source: string, destination: string, tags = 0): Uint8Array {
  const [from, to] = [parseAddress(source), parseAddress(destination)];
  const header = Array.from({ length: tags }, (_, i) => [0x81 + (i ? 0 : 0), 0x00, 0x00, 0x07 + i]).flat();
  const ip =
    from.family === "ipv4"
      ? [0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, ...from.bytes, ...to.bytes]
      : [0x86, 0xdd, 0x60, 0, 0, 0, 0, 26, 17, 64, ...from.bytes, ...to.bytes];
  const bytes = new Uint8Array(200);
  bytes.set([...header, ...ip, 0x12, 0x34, 0, 53, 0, 26], 12);
  return bytes;
}

/** Whether the limit counted a packet. */
function isShaped(bytes: Uint8Array): boolean {
  const before = datapath.counters(0);
  const context = encodeSkbContext({ wireLength: bytes.length });
  const result = datapath.program.testRun({ data: bytes, context });
  assert.is(result.returnValue, 0xffff_ffff);
  const after = datapath.counters(0);
  const shaped = after.packets - before.packets === 1n;
  assert.is(after.exempt - before.exempt, shaped ? 0n : 1n);
  if (!shaped) assert.is(decodeSkbContext(result.context).tstamp, 0n);
  return shaped;
}

const ME = "10.1.0.1";
const ME6 = "fd00::1";

test("without lists everything is shaped", () => {
  limit({});
  assert.ok(isShaped(packet(ME, "192.0.2.1")));
  assert.ok(isShaped(packet(ME6, "2001:db8::1")));
});

test("traffic with unshaped subnets passes untouched, in both families, whatever else is in the list", () => {
  limit({ unshapedSubnets: ["10.96.0.0/12", "192.0.2.53/32", "fd00:96::/112"] });
  for (const [peer, expected] of [
    ["10.96.0.10", false],
    ["10.111.255.255", false],
    ["10.112.0.0", true],
    ["192.0.2.53", false],
    ["192.0.2.54", true],
  ] as const) {
    assert.is(isShaped(packet(ME, peer)), expected, peer);
  }
  assert.not.ok(isShaped(packet(ME6, "fd00:96::a")));
  assert.ok(isShaped(packet(ME6, "fd00:96::1:a")));
  // Addresses of one family are no others': ::/0 is all of IPv6, and nothing of IPv4.
  limit({ unshapedSubnets: ["::/0"] });
  assert.ok(isShaped(packet(ME, "192.0.2.1")));
  assert.not.ok(isShaped(packet(ME6, "2001:db8::1")));
  limit({ unshapedSubnets: ["0.0.0.0/0"] });
  assert.not.ok(isShaped(packet(ME, "192.0.2.1")));
  assert.ok(isShaped(packet(ME6, "2001:db8::1")));
});

test("with shaped subnets only traffic with them is shaped", () => {
  limit({ shapedSubnets: ["192.0.2.0/24"] });
  assert.ok(isShaped(packet(ME, "192.0.2.1")));
  assert.not.ok(isShaped(packet(ME, "192.0.3.1")));
  assert.not.ok(isShaped(packet(ME6, "2001:db8::1")));
});

test("what is not IP is in no subnet", () => {
  const arp = new Uint8Array(60);
  arp.set([0x08, 0x06], 12);
  limit({ unshapedSubnets: ["0.0.0.0/0", "::/0"] });
  assert.ok(isShaped(arp));
  limit({ shapedSubnets: ["0.0.0.0/0", "::/0"] });
  assert.not.ok(isShaped(arp));
});

test("VLAN tags in the packet are looked past, one and two", () => {
  limit({ unshapedSubnets: ["192.0.2.0/24", "2001:db8::/32"] });
  for (const tags of [1, 2]) {
    assert.not.ok(isShaped(packet(ME, "192.0.2.1", tags)));
    assert.ok(isShaped(packet(ME, "192.0.3.1", tags)));
    assert.not.ok(isShaped(packet(ME6, "2001:db8::1", tags)));
    assert.ok(isShaped(packet(ME6, "2001:db9::1", tags)));
  }
});

test("of what a pod receives, the source is the other end", () => {
  limit({ unshapedSubnets: ["192.0.2.0/24", "2001:db8::/32"] });
  assert.is(datapath.limit(1).subnetMode, SUBNETS_SOURCE);
  // The test runs with entry 0: it becomes an ingress one.
  using limits = BpfMap.open(join(folder, "limits"));
  const entry = decodeLimitEntry(limits.raw.get(new Uint8Array(4))!);
  limits.raw.set(new Uint8Array(4), encodeLimitEntry({ ...entry, subnetMode: SUBNETS_SOURCE }));
  assert.not.ok(isShaped(packet("192.0.2.1", ME)));
  assert.ok(isShaped(packet(ME, "192.0.2.1")));
  assert.not.ok(isShaped(packet("2001:db8::1", ME6)));
  assert.ok(isShaped(packet(ME6, "2001:db8::1")));
});

test("a list takes another's place whole, and nothing is left of the old one", () => {
  using subnets = BpfMap.open(join(folder, "subnets"));
  const size = () => [...subnets.raw.keys()].length;
  limit({});
  assert.is(size(), 0);
  limit({ unshapedSubnets: ["10.0.0.0/8", "192.0.2.0/24"] });
  assert.is(size(), 2);
  const { list } = datapath.subnetRule(SLOT);
  limit({ unshapedSubnets: ["10.0.0.0/8", "192.0.2.0/24"] });
  assert.is(datapath.subnetRule(SLOT).list, list, "the same list stays");
  limit({ unshapedSubnets: ["198.51.100.0/24"] });
  assert.is(size(), 1);
  assert.ok(isShaped(packet(ME, "192.0.2.1")));
  assert.not.ok(isShaped(packet(ME, "198.51.100.1")));
  limit({});
  assert.is(size(), 0);
  assert.is(datapath.subnetRule(SLOT).list, 0);
});

test("what a crash left of a list is swept, and lists in force stay", () => {
  limit({ unshapedSubnets: ["10.0.0.0/8"] });
  datapath.subnetLists.install({ unshapedSubnets: ["10.0.0.0/8", "fd00::/8"] });
  assert.is(datapath.sweepSubnets(), 2);
  assert.not.ok(isShaped(packet(ME, "10.2.0.1")));
  datapath.free(0, { unshapedSubnets: ["10.0.0.0/8"] });
  datapath.free(1);
  assert.is(datapath.sweepSubnets(), 0);
});

test.run();

// Prints what the program costs for a packet, as JSON: [{ name, ns }, ...]. A program of its own, for test/bench.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeSkbContext } from "@weir/bpf-loader";
import { mountBpffs, unmount } from "@weir/syscall";
import { Datapath } from "../datapath.js";
import type { Limit } from "../limits.js";

/** Test runs have no filter, and without a classid they find entry 0. */
const ENTRY = 0;
const ROUNDS = 25;
/** A full packet of Ethernet's. */
const LENGTH = 1514;

interface Case {
  readonly name: string;
  readonly limit: Limit;
  readonly flows: number;
  /** How often each flow's packet is sent in a round. */
  readonly repeat: number;
  /** Subnets that the limit is not for. */
  readonly unshaped?: readonly string[];
  /** IPv6 in place of IPv4. */
  readonly ipv6?: boolean;
}

const patient = { horizonMs: 60_000 };
const gigabit = { bitsPerSecond: 10n ** 9n, ...patient };
/** What an operator may exempt: a cluster's DNS, the nodes, link-local addresses. */
const usual = ["10.96.0.10/32", "192.0.2.0/24", "169.254.0.0/16", "fd00:96::a/128", "2001:db8::/64"];
/** How many other attachments have such lists, too. */
const OTHERS = 100;
const cases: readonly Case[] = [
  { name: "nobody waits", limit: { bitsPerSecond: 10n ** 12n }, flows: 1, repeat: 20_000 },
  { name: "one flow queues", limit: gigabit, flows: 1, repeat: 20_000 },
  { name: "64 flows queue", limit: gigabit, flows: 64, repeat: 300 },
  { name: "dropped", limit: { bitsPerSecond: 10n ** 6n }, flows: 1, repeat: 20_000 },
  {
    name: "one flow queues, in none of its subnets",
    limit: gigabit,
    flows: 1,
    repeat: 20_000,
    unshaped: usual,
  },
  {
    name: "one flow queues, in none of its subnets, IPv6",
    limit: gigabit,
    flows: 1,
    repeat: 20_000,
    unshaped: usual,
    ipv6: true,
  },
  {
    name: "exempt by its subnet",
    limit: gigabit,
    flows: 1,
    repeat: 20_000,
    unshaped: [...usual, "10.0.0.0/8"],
  },
];

const bpffs = mkdtempSync(join(tmpdir(), "weir-cost-"));
mountBpffs(bpffs);
try {
  using datapath = Datapath.load(bpffs, join(bpffs, "weir"));
  for (let i = 0; i < OTHERS; i++) datapath.subnetLists.install({ unshapedSubnets: usual });
  console.log(JSON.stringify(cases.map((each) => ({ name: each.name, ns: costOf(datapath, each) }))));
} finally {
  unmount(bpffs);
  rmSync(bpffs, { recursive: true });
}

/** The median of rounds, in nanoseconds for each packet. */
function costOf(datapath: Datapath, { limit, flows, repeat, unshaped = [], ipv6 = false }: Case): number {
  const packets = Array.from({ length: flows }, (_, flow) => packet(flow, ipv6));
  const context = encodeSkbContext({ wireLength: LENGTH });
  const rounds: number[] = [];
  const limits = { egress: limit, unshapedSubnets: unshaped };
  for (let round = 0; round < ROUNDS; round++) {
    datapath.free(ENTRY, limits);
    datapath.take(ENTRY, 1n);
    datapath.setLimits(ENTRY >> 1, limits, 1n);
    let sum = 0;
    for (const data of packets) sum += Number(datapath.program.testRun({ data, context, repeat }).durationNs);
    rounds.push(sum / flows);
  }
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

/** A TCP packet of one of several flows: they differ in their source port. */
function packet(flow: number, ipv6: boolean): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  if (ipv6) {
    bytes.set([0x86, 0xdd, 0x60, 0, 0, 0, (LENGTH - 54) >> 8, (LENGTH - 54) & 255, 6, 64], 12);
    bytes.set([0xfd, 0, 0, 1], 22);
    bytes.set([0xfd, 0, 0, 2], 38);
    bytes.set([(40_000 + flow) >> 8, (40_000 + flow) & 255, 0x14, 0x51], 54);
    bytes[66] = 0x50;
    return bytes;
  }
  bytes.set([0x08, 0x00], 12);
  bytes.set([0x45, 0, (LENGTH - 14) >> 8, (LENGTH - 14) & 255, 0, 0, 0x40, 0, 64, 6], 14);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  bytes.set([(40_000 + flow) >> 8, (40_000 + flow) & 255, 0x14, 0x51], 34);
  bytes[46] = 0x50;
  return bytes;
}

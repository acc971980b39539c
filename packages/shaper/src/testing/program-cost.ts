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
}

const patient = { horizonMs: 60_000 };
const cases: readonly Case[] = [
  { name: "nobody waits", limit: { bitsPerSecond: 10n ** 12n }, flows: 1, repeat: 20_000 },
  { name: "one flow queues", limit: { bitsPerSecond: 10n ** 9n, ...patient }, flows: 1, repeat: 20_000 },
  { name: "64 flows queue", limit: { bitsPerSecond: 10n ** 9n, ...patient }, flows: 64, repeat: 300 },
  { name: "dropped", limit: { bitsPerSecond: 10n ** 6n }, flows: 1, repeat: 20_000 },
];

const bpffs = mkdtempSync(join(tmpdir(), "weir-cost-"));
mountBpffs(bpffs);
try {
  using datapath = Datapath.load(bpffs, join(bpffs, "weir"));
  console.log(JSON.stringify(cases.map((each) => ({ name: each.name, ns: costOf(datapath, each) }))));
} finally {
  unmount(bpffs);
  rmSync(bpffs, { recursive: true });
}

/** The median of rounds, in nanoseconds for each packet. */
function costOf(datapath: Datapath, { limit, flows, repeat }: Case): number {
  const packets = Array.from({ length: flows }, (_, flow) => packet(flow));
  const context = encodeSkbContext({ wireLength: LENGTH });
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    datapath.take(ENTRY, 1n);
    datapath.setLimit(ENTRY, limit, 1n);
    let sum = 0;
    for (const data of packets) sum += Number(datapath.program.testRun({ data, context, repeat }).durationNs);
    rounds.push(sum / flows);
  }
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

/** A TCP packet of one of several flows: they differ in their source port. */
function packet(flow: number): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  bytes.set([0x08, 0x00], 12);
  bytes.set([0x45, 0, (LENGTH - 14) >> 8, (LENGTH - 14) & 255, 0, 0, 0x40, 0, 64, 6], 14);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  bytes.set([(40_000 + flow) >> 8, (40_000 + flow) & 255, 0x14, 0x51], 34);
  bytes[46] = 0x50;
  return bytes;
}

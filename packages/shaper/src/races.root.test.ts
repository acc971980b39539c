import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BpfMap } from "@weir/bpf-loader";
import { mountBpffs, unmount } from "@weir/syscall";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { Datapath } from "./datapath.js";
import { decodeLimitEntry, encodeLimitEntry } from "./limit-entry.js";
import { hasAtomics, parseProgram } from "./program-loader.js";
import { GuardLab } from "./testing/guard-lab.js";
import { creditOf, excess, type Look, sendFlows } from "./testing/iperf.js";
import { needs } from "./testing/needs.js";

const root = process.getuid?.() === 0 ? uvu : uvu.skip;
const traffic = needs("sch_fq", "ipvlan");
const SECOND = 1_000_000_000n;
const CPUS = 4;
const FLOWS = 16;
const ENTRY = new Uint8Array(4);

if (process.env.WEIR_VM === "1") console.log(`${availableParallelism()} processors`);

for (const variant of ["weir_shape", "weir_shape_locked"]) {
  const test = variant === "weir_shape" && !hasAtomics() ? uvu.skip : root;
  test(`${variant}: ${FLOWS} flows on ${CPUS} processors are charged for each packet, once`, async () => {
    const bpffs = mkdtempSync(join(tmpdir(), "weir-races-"));
    mountBpffs(bpffs);
    try {
      await race(bpffs, variant);
    } finally {
      unmount(bpffs);
      rmSync(bpffs, { recursive: true });
    }
  });
}

async function race(bpffs: string, variant: string): Promise<void> {
  const folder = join(bpffs, "weir");
  const repeat = process.env.WEIR_VM === "1" ? 4_000 : 40_000;
  using datapath = Datapath.load(bpffs, folder);
  using loaded = parseProgram().object.load({ programs: [variant], pinPath: folder });
  const pin = join(bpffs, variant);
  loaded.program(variant).pin(pin);
  datapath.take(0, 1n);
  datapath.setLimit(0, { bitsPerSecond: 8_000n, burstBits: 0n }, 1n);
  using limits = BpfMap.open(join(folder, "limits"));
  // The horizon must not end the race: a thousand years.
  const entry = decodeLimitEntry(limits.raw.get(ENTRY)!);
  limits.raw.set(ENTRY, encodeLimitEntry({ ...entry, horizonNs: 2n ** 60n }));
  using clocks = BpfMap.open(join(folder, "clocks"));
  const clock = () => new DataView(clocks.raw.get(ENTRY)!.buffer);

  const child = fileURLToPath(new URL("./testing/race-child.js", import.meta.url));
  const racers = Array.from({ length: CPUS }, (_, cpu) => {
    const flows = Array.from({ length: FLOWS / CPUS }, (_, i) => cpu * (FLOWS / CPUS) + i);
    const args = [child, pin, String(repeat), flows.join()];
    return spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  });
  try {
    await Promise.all(racers.map((racer) => once(racer.stdout, "data")));
    // The clock runs ahead of time by an hour, so that it never idles however slow the machine is.
    const ahead = new Uint8Array(clock().buffer);
    new DataView(ahead.buffer).setBigUint64(0, process.hrtime.bigint() + 3600n * SECOND, true);
    clocks.raw.set(ENTRY, ahead);
    const first = clock().getBigUint64(0, true);
    for (const racer of racers) racer.stdin.write("go\n");
    const statuses = await Promise.all(racers.map(async (racer) => (await once(racer, "exit"))[0]));
    assert.equal(statuses, Array(CPUS).fill(0));
    // A packet takes a second at this rate.
    const charged = (clock().getBigUint64(0, true) - first) / SECOND;
    assert.is(charged, BigInt(repeat * FLOWS * 8));
  } finally {
    for (const racer of racers) racer.kill("SIGKILL");
  }
  // Nor is a flow counted that is not there: the wheel's slots and their sum agree.
  const slots = Array.from({ length: 64 }, (_, i) => clock().getInt32(32 + i * 4, true));
  assert.is(
    slots.reduce((sum, count) => sum + count, 0),
    Number(clock().getBigInt64(24, true)),
  );
}

traffic(
  `${FLOWS} TCP flows from ${CPUS} processors have at no time got more than the limit and its credit`,
  async () => {
    const limit = { bitsPerSecond: 5_000_000n };
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pod, { egress: limit }), { guard: false });
    const looks: Look[] = [];
    const look = () => {
      const { bytes, ns } = lab.arrived();
      looks.push({ bytes: Number(bytes), seconds: Number(ns) / 1e9 });
    };
    look();
    const flows = { processes: CPUS, flowsEach: FLOWS / CPUS, seconds: 6 };
    await sendFlows({ from: pod.netns, to: lab.farNetns, address: "10.79.0.1", ...flows }, look);
    const credit = creditOf(limit);
    const over = excess(looks, limit.bitsPerSecond);
    const { bytes, seconds } = looks.at(-1)!;
    const rate = ((bytes - looks[0]!.bytes) * 8) / (seconds - looks[0]!.seconds) / 1e6;
    console.log(`${rate.toFixed(2)} Mbit/s of 5; at most ${over.toFixed(0)} bytes ahead, ${credit} allowed`);
    assert.ok(over <= credit, `${over} bytes more than the limit, where its credit is ${credit}`);
    assert.ok(bytes - looks[0]!.bytes > 1_000_000, `${bytes} bytes arrived`);
  },
);

uvu.run();

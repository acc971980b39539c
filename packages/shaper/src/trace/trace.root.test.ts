import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Rtnetlink } from "@weir/netlink";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { Shaper } from "../shaper.js";
import { hasTcx } from "../tcx/program-table.js";
import { Lab } from "../testing/lab.js";
import { needs } from "../testing/needs.js";
import { removeTraces, Trace, type TraceSample } from "./trace.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const child = fileURLToPath(new URL("../testing/trace-child.js", import.meta.url));
const limits = { egress: { bitsPerSecond: 1_000_000n, horizonMs: 1000 } };

/** Sends datagrams of 1000 bytes from inside the pod, all at once; to everybody, which takes no neighbour. */
function send(lab: Lab, count: number): void {
  const script = `
    const socket = require("dgram").createSocket("udp4");
    socket.bind(() => {
      socket.setBroadcast(true);
      let left = ${count};
      for (let i = 0; i < ${count}; i++) socket.send(Buffer.alloc(1000), 9, "10.77.0.255", () => --left || socket.close());
    });`;
  execFileSync("nsenter", [`--net=${lab.netns}`, process.execPath, "-e", script], { stdio: "inherit" });
}

for (const hold of [false, true]) {
  test(`the waits of packets that a ${hold ? "link" : "filter"} stamps are told, and nothing is left`, async () => {
    if (hold && !hasTcx()) return;
    using lab = new Lab();
    using shaper = Shaper.open({ ...lab.options, hold });
    shaper.apply({ id: "pod/eth0", netns: lab.netns, device: "eth0" }, limits);
    const before = lab.snapshot();
    const samples: TraceSample[] = [];
    {
      using trace = Trace.open("pod/eth0", lab.options);
      assert.equal(shaper.inspect("pod/eth0").problems, []);
      send(lab, 40);
      trace.read((sample) => samples.push(sample));
      assert.ok(trace.counts.seen >= 40n, `${trace.counts.seen} seen`);
      assert.is(trace.counts.lost, 0n);
    }
    const large = samples.filter(({ bytes }) => bytes > 1000);
    assert.is(large.length, 40);
    assert.ok(large.every(({ direction }) => direction === "egress"));
    // 40 datagrams take a third of a second at 1 Mbit/s.
    const longest = Math.max(...large.map(({ waitNs }) => waitNs));
    assert.ok(longest > 50e6 && longest < 2e9, `${longest} ns`);
    const counters = shaper.counters("pod/eth0").egress!;
    assert.ok(counters.packets >= 40n);
    // A link ends a grace period later.
    if (hold) await sleep(200);
    assert.equal(lab.snapshot(), before);
  });
}

test("one packet in so many is a sample, and others are counted", () => {
  using lab = new Lab();
  using shaper = Shaper.open(lab.options);
  shaper.apply({ id: "pod/eth0", netns: lab.netns, device: "eth0" }, limits);
  using trace = Trace.open("pod/eth0", { ...lab.options, sampleEvery: 1_000_000_000 });
  send(lab, 30);
  let samples = 0;
  trace.read(() => samples++);
  assert.ok(samples < 5);
  assert.ok(trace.counts.seen >= 30n);
});

test("after its lifetime a trace sees nothing", () => {
  using lab = new Lab();
  using shaper = Shaper.open(lab.options);
  shaper.apply({ id: "pod/eth0", netns: lab.netns, device: "eth0" }, limits);
  using trace = Trace.open("pod/eth0", { ...lab.options, lifetimeMs: 0 });
  send(lab, 5);
  assert.is(trace.counts.seen, 0n);
});

test("what a killed trace leaves is removed by the next one and by removeTraces, and by nobody else", async () => {
  using lab = new Lab();
  using shaper = Shaper.open(lab.options);
  shaper.apply({ id: "pod/eth0", netns: lab.netns, device: "eth0" }, { ...limits, ingress: limits.egress });
  const before = lab.snapshot();
  const kill = async () => {
    const tracing = spawn(process.execPath, [child, "pod/eth0", lab.options.stateDirectory]);
    await once(tracing.stdout, "data");
    tracing.kill("SIGKILL");
    await once(tracing, "close");
  };
  await kill();
  assert.not.equal(lab.snapshot(), before);
  assert.equal(shaper.inspect("pod/eth0").problems, []);
  Trace.open("pod/eth0", lab.options).close();
  assert.equal(lab.snapshot(), before);
  await kill();
  assert.equal(removeTraces(lab.options), { removed: ["pod/eth0"], problems: [] });
  assert.equal(lab.snapshot(), before);
  assert.equal(removeTraces(lab.options), { removed: [], problems: [] });
});

test("another filter behind weir's keeps its place", () => {
  using lab = new Lab();
  using shaper = Shaper.open(lab.options);
  shaper.apply({ id: "pod/eth0", netns: lab.netns, device: "eth0" }, limits);
  using rt = Rtnetlink.open({ netns: lab.netns });
  const { index } = rt.links.get("eth0");
  rt.filters.add({ index, parent: "egress", kind: "matchall", priority: 2, options: { actions: [] } });
  const before = lab.snapshot();
  {
    using _trace = Trace.open("pod/eth0", lab.options);
    const priorities = [...rt.filters.dump({ index, parent: "egress" })].map(({ priority }) => priority);
    assert.equal([...new Set(priorities)], [1, 2, 3]);
  }
  assert.equal(lab.snapshot(), before);
});

test("what is not shaped cannot be traced", () => {
  using lab = new Lab();
  assert.throws(() => Trace.open("pod/eth0", lab.options), /nothing is known of the attachment/);
  using shaper = Shaper.open(lab.options);
  shaper.apply({ id: "pod/eth0", netns: lab.netns, device: "eth0" }, limits);
  lab.endPod();
  assert.throws(() => Trace.open("pod/eth0", lab.options), /is gone, or is another one now/);
});

uvu.run();

import { mkdirSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { allowLargeBuffers, IperfServer, iperf } from "../lab/iperf.js";
import { type IpvlanMode, Lab, type Pod } from "../lab/lab.js";
import { ping } from "../lab/ping.js";
import { bitsEachSecond, type Sample, WireMeter } from "../lab/wire-meter.js";
import type { Report, Run } from "./report.js";

/** How long each test runs, so that all of them take less than a minute. */
const SECONDS = 6;

/** What a run is before it is measured. */
type Test = Omit<Run, "wireBitsPerSecond" | "goodputBitsPerSecond" | "retransmits" | "pingMs">;

/** IP and transport headers of one packet: TCP's carries timestamps. */
const HEADER_BYTES = { tcp: 52, udp: 28 };

/** The demo's part inside the kernel VM: makes pods with a real conflist, measures, writes the report. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { limit: { type: "string" }, mode: { type: "string" }, output: { type: "string" } },
  });
  const limit = Number(values.limit);
  const mode = values.mode as IpvlanMode;
  const output = values.output!;
  allowLargeBuffers();
  await using lab = Lab.create({ mode, folder: "/run/weir-demo" });
  const [one, two] = lab.nodes;
  const annotated = { egressRate: limit, ingressRate: limit };
  const limitedHere = await lab.addPod("limited-1", one, annotated);
  const limitedThere = await lab.addPod("limited-2", two, annotated);
  const freeHere = await lab.addPod("unlimited-1", one);
  const freeThere = await lab.addPod("unlimited-2", two);
  const pods = [limitedHere, limitedThere, freeHere, freeThere];
  process.stderr.write(`${pods.map(({ name, address }) => `  ${name} ${address}`).join("\n")}\n`);

  const servers = await Promise.all(pods.map((pod) => IperfServer.start(pod)));
  const runs: Run[] = [];
  try {
    const measure = async (from: Pod, to: Pod, run: Test) => {
      process.stderr.write(`- ${run.name} `);
      runs.push(await runTest(from, to, run, limit));
      process.stderr.write("\n");
    };
    const remote = { path: "remote" } as const;
    await measure(freeHere, freeThere, {
      name: "no limit, TCP",
      protocol: "tcp",
      direction: "egress",
      ...remote,
      limited: false,
    });
    await measure(limitedHere, limitedThere, {
      name: "both limited, TCP",
      protocol: "tcp",
      direction: "egress",
      ...remote,
      limited: true,
    });
    await measure(limitedHere, freeThere, {
      name: "egress, TCP",
      protocol: "tcp",
      direction: "egress",
      ...remote,
      limited: true,
    });
    await measure(limitedHere, freeThere, {
      name: "egress, UDP x3",
      protocol: "udp",
      direction: "egress",
      ...remote,
      limited: true,
    });
    await measure(freeThere, limitedHere, {
      name: "ingress, TCP",
      protocol: "tcp",
      direction: "ingress",
      ...remote,
      limited: true,
    });
    await measure(freeThere, limitedHere, {
      name: "ingress, UDP x3",
      protocol: "udp",
      direction: "ingress",
      ...remote,
      limited: true,
    });
    await measure(limitedHere, freeHere, {
      name: "same node, TCP",
      protocol: "tcp",
      direction: "egress",
      path: "local",
      limited: true,
    });
  } finally {
    for (const server of servers) server[Symbol.dispose]();
  }
  const report: Report = { kernel: release(), mode, limitBitsPerSecond: limit, runs };
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `${JSON.stringify(report, null, 2)}\n`);
}

async function runTest(from: Pod, to: Pod, run: Test, limit: number): Promise<Run> {
  const { protocol } = run;
  using meter = new WireMeter(to.netns, HEADER_BYTES[protocol]);
  const done = new AbortController();
  let sampling: Promise<Sample[]> = Promise.resolve([]);
  const begun = new Promise<void>((resolve) => {
    sampling = meter.sample(done.signal, resolve);
  });
  // More than is looked at, so that the last second is whole.
  const sending = iperf({
    from,
    to,
    protocol,
    seconds: SECONDS + 1,
    ...(protocol === "udp" ? { bitsPerSecond: limit * 3 } : {}),
  });
  // Pings are of traffic under way; that they start takes an emulated processor's time, which the start of the traffic needs.
  const pinging = Promise.race([begun, sending])
    .then(() => sleep(500))
    .then(() => ping({ from, to, seconds: SECONDS - 1 }));
  const [traffic, echoes] = await Promise.all([sending, pinging]);
  done.abort();
  return {
    ...run,
    wireBitsPerSecond: bitsEachSecond(await sampling, SECONDS),
    goodputBitsPerSecond: Math.round(traffic.goodputBitsPerSecond),
    retransmits: traffic.retransmits ?? 0,
    pingMs: echoes ?? { p50: null, p99: null },
  };
}

await main();

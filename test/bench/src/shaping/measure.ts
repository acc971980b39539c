import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { NetworkNamespace } from "@weir/syscall";
import { bitsEachSecond, counters, type Pod, WireMeter } from "@weir/test-e2e/lab";
import { bulk, flood } from "./bulk.js";
import { busyNs } from "./cpu.js";
import { type PeerName, type Test, UDP_TIMES } from "./plan.js";
import { type Pods, setEcn } from "./pods.js";
import type { Cell, Sparse } from "./report.js";
import { pings, requests, Service } from "./sparse.js";

/** IP and transport headers of one packet: TCP's carries timestamps. */
const HEADER_BYTES = { tcp: 52, udp: 28 };

/** How long nothing arrives when queues are empty: longer than the largest packets take at the lowest rate. */
const SILENCE_MS = 1_500;

/** Below this rate fifty sparse packets a second would be a load of their own. */
const SLOW_BITS_PER_SECOND = 10_000_000;

/** Puts a load on a pod, and watches what becomes of it and of the sparse flows beside it. */
export async function measure(peer: PeerName, pods: Pods, test: Test, program: string): Promise<Cell> {
  const { pod, far } = pods;
  const [from, to] = test.direction === "egress" ? [pod, far] : [far, pod];
  for (const each of [from, to]) setEcn(each, test.ecn);
  const before = retransmitted(from);
  const loaded =
    test.flows === 0 ? await idle(pods, test, program) : await underLoad(pods, test, from, to, program);
  return { peer, test, ...loaded, retransmits: retransmitted(from) - before };
}

type Measured = Omit<Cell, "peer" | "test" | "retransmits">;

async function idle(pods: Pods, test: Test, program: string): Promise<Measured> {
  const nothing = { wireBitsPerSecond: [], goodputBitsPerSecond: 0, streams: [], cpuNsPerByte: 0 };
  return { ...nothing, ...(await sparse(pods, test, program)) };
}

async function underLoad(pods: Pods, test: Test, from: Pod, to: Pod, program: string): Promise<Measured> {
  const { protocol, flows: streams, seconds, bitsPerSecond } = test;
  using meter = new WireMeter(to.netns, HEADER_BYTES[protocol]);
  await silence(meter);
  const done = new AbortController();
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const sampling = meter.sample(done.signal, () => begin());
  // A second more than is looked at, so that the last second is whole.
  const common = { from, to, streams, seconds: seconds + 1 };
  const load =
    protocol === "tcp"
      ? bulk(program, common)
      : flood(program, { ...common, bitsPerSecond: bitsPerSecond * UDP_TIMES });
  try {
    await Promise.race([begun, load]);
    const [bytes, busy] = [meter.read().bytes, busyNs()];
    const flows = await sparse(pods, test, program);
    const cpuNsPerByte = (busyNs() - busy) / (meter.read().bytes - bytes);
    const { goodputBitsPerSecond, streams: shares } = await load;
    done.abort();
    return {
      wireBitsPerSecond: bitsEachSecond(await sampling, seconds),
      goodputBitsPerSecond: Math.round(goodputBitsPerSecond),
      streams: shares.map(Math.round),
      cpuNsPerByte,
      ...flows,
    };
  } finally {
    done.abort();
    await Promise.allSettled([load, sampling]);
  }
}

/** Waits until nothing arrives any more: what the load before this one left in queues would count for this one. */
async function silence(meter: WireMeter): Promise<void> {
  for (let before = -1, { bytes } = meter.read(); bytes !== before; ) {
    before = bytes;
    await sleep(SILENCE_MS);
    bytes = meter.read().bytes;
  }
}

/** The sparse flows, in the loaded pod and in its neighbour, all at the same time. */
async function sparse(pods: Pods, test: Test, program: string): Promise<{ same: Sparse; other: Sparse }> {
  const { pod, neighbour, far, farNeighbour } = pods;
  const slow = test.bitsPerSecond < SLOW_BITS_PER_SECOND;
  const common = { seconds: test.seconds, intervalMs: slow ? 100 : 20 };
  using _service = await Service.start(far, program);
  using _neighbourService = await Service.start(farNeighbour, program);
  // Not in step with each other: each would wait for the one before it.
  const beside = async (from: Pod, to: Pod, delayMs: number): Promise<Sparse> => {
    await sleep(delayMs);
    const pinging = pings({ ...common, from, to });
    await sleep(5);
    const [ping, answers] = await Promise.all([pinging, requests({ ...common, from, to }, program)]);
    return { ping, requests: answers };
  };
  const [same, other] = await Promise.all([beside(pod, far, 0), beside(neighbour, farNeighbour, 10)]);
  return { same, other };
}

/** How many segments a pod's TCP has sent again since it was made. */
function retransmitted(pod: Pod): number {
  using namespace = NetworkNamespace.open(pod.netns);
  const text = namespace.run(() => readFileSync("/proc/thread-self/net/snmp", "latin1"));
  return counters(text, "Tcp").get("RetransSegs") ?? 0;
}

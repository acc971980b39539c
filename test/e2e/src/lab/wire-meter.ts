import { closeSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { NetworkNamespace } from "@weir/syscall";

/** Bytes that had arrived at a time, in seconds. */
export interface Sample {
  seconds: number;
  bytes: number;
}

/** Bytes of the Ethernet header, which the IP counters leave out. */
const LINK_HEADER = 14;

/** What arrives before the test itself: connections are made and parameters exchanged. */
const PRELUDE_BYTES = 20_000;

/** A reading that takes longer says nothing about one time; as often it is tried. */
const TORN_SECONDS = 0.002;
const READS = 5;

/** More than the counters' text takes. */
const MAX_TEXT = 16_384;

/** The counters as the kernel wrote them at a time, in seconds: /proc/net/netstat and /proc/net/snmp. */
interface Reading {
  seconds: number;
  texts: Buffer[];
}

/**
 * Counts what a pod's IP stack receives, as it was on the wire: behind everything that shapes, on either side, and
 * independent of it. The kernel counts bytes of merged packets (net/ipv4/ip_input.c); the headers that merging took
 * away are added again, since it also counts how many packets there were on the wire.
 */
export class WireMeter implements Disposable {
  readonly #files: readonly number[];
  readonly #headerBytes: number;

  /** @param headerBytes the IP and transport headers of one packet: 52 for TCP with timestamps, 28 for UDP */
  constructor(netns: string, headerBytes: number) {
    using namespace = NetworkNamespace.open(netns);
    // What is opened inside speaks of that namespace wherever it is read.
    this.#files = namespace.run(() =>
      ["netstat", "snmp"].map((name) => openSync(`/proc/thread-self/net/${name}`, "r")),
    );
    this.#headerBytes = headerBytes;
  }

  read(): Sample {
    return this.#decode(this.#reading());
  }

  /**
   * Samples until the signal is given: often until traffic begins, which dates its first second, then less often.
   * From then on it decodes nothing before the end: what measures takes processor time from what is measured.
   * @param begun called when traffic has begun
   */
  async sample(signal: AbortSignal, begun: () => void = () => {}): Promise<Sample[]> {
    const first = this.read();
    const samples = [first];
    while (!signal.aborted && samples.at(-1)!.bytes - first.bytes <= PRELUDE_BYTES) {
      await sleep(4);
      samples.push(this.read());
    }
    if (!signal.aborted) begun();
    const readings: Reading[] = [];
    while (!signal.aborted) {
      await sleep(40);
      readings.push(this.#reading());
    }
    return [...samples, ...readings.map((reading) => this.#decode(reading))];
  }

  /** What the counters are at a time. A reader that lost its processor in between reads again. */
  #reading(): Reading {
    for (let tries = 1; ; tries++) {
      const before = now();
      const texts = this.#files.map(readFromStart);
      const after = now();
      if (after - before < TORN_SECONDS || tries === READS) return { seconds: (before + after) / 2, texts };
    }
  }

  #decode({ seconds, texts }: Reading): Sample {
    const [netstat = "", snmp = ""] = texts.map((text) => text.toString("latin1"));
    const extended = counters(netstat, "IpExt");
    const packets = ["InNoECTPkts", "InECT0Pkts", "InECT1Pkts", "InCEPkts"].reduce(
      (sum, name) => sum + (extended.get(name) ?? 0),
      0,
    );
    const merged = packets - (counters(snmp, "Ip").get("InReceives") ?? 0);
    const bytes = (extended.get("InOctets") ?? 0) + merged * this.#headerBytes + packets * LINK_HEADER;
    return { seconds, bytes };
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) closeSync(file);
  }
}

/** The monotonic clock, in seconds, as other processes have it too. */
const now = (): number => Number(process.hrtime.bigint()) / 1e9;

/** The text of a file of /proc, which the kernel writes anew for whoever reads from its start. */
function readFromStart(file: number): Buffer {
  const buffer = Buffer.allocUnsafe(MAX_TEXT);
  const length = readSync(file, buffer, 0, MAX_TEXT, 0);
  if (length === MAX_TEXT) throw new Error(`the counters take more than ${MAX_TEXT} bytes`);
  return buffer.subarray(0, length);
}

/** The counters of one of the lines of /proc/net/snmp or /proc/net/netstat, such as "Tcp". */
export function counters(text: string, name: string): Map<string, number> {
  const [names, values] = text.split("\n").filter((line) => line.startsWith(`${name}: `));
  const keys = names?.split(" ") ?? [];
  const numbers = values?.split(" ") ?? [];
  return new Map(keys.map((key, index) => [key, Number(numbers[index])]));
}

/**
 * Bits per second in each of the seconds that follow the first byte of the test, the first one included; bytes at the
 * seconds' borders are interpolated between samples.
 */
export function bitsEachSecond(samples: Sample[], seconds: number): number[] {
  const base = samples[0]?.bytes ?? 0;
  const first = samples.findIndex(({ bytes }) => bytes - base > PRELUDE_BYTES);
  if (first < 1) return [];
  const start = startOf(samples, first, base);
  const rates: number[] = [];
  for (let second = 0; second < seconds; second++) {
    // What had arrived when it began is known; between samples on either side of the beginning nothing is even.
    const from = second === 0 ? samples[first - 1]!.bytes : bytesAt(samples, start + second);
    const to = bytesAt(samples, start + second + 1);
    if (from === undefined || to === undefined) break;
    rates.push(Math.round((to - from) * 8));
  }
  return rates;
}

/** When traffic began: somewhere between two samples, so early that what had arrived fits the pace that follows. */
function startOf(samples: Sample[], first: number, base: number): number {
  const [before, after] = [samples[first - 1]!, samples[first]!];
  const later = samples.find(({ seconds }) => seconds > after.seconds + 0.1) ?? samples.at(-1)!;
  const pace = (later.bytes - after.bytes) / (later.seconds - after.seconds);
  return Math.max(before.seconds, after.seconds - (after.bytes - base) / pace);
}

function bytesAt(samples: Sample[], seconds: number): number | undefined {
  const after = samples.findIndex((sample) => sample.seconds >= seconds);
  if (after < 1) return after === 0 ? samples[0]!.bytes : undefined;
  const [a, b] = [samples[after - 1]!, samples[after]!];
  return a.bytes + ((b.bytes - a.bytes) * (seconds - a.seconds)) / (b.seconds - a.seconds);
}

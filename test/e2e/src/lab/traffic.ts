import * as assert from "uvu/assert";
import { type Endpoint, IperfServer, iperf } from "./iperf.js";
import { type Sample, WireMeter } from "./wire-meter.js";

/** The largest packet that the stack builds, and what leaves at once after a pause: all that may be ahead of the limit. */
export const AHEAD_BYTES = 3 * 65_536;

/** Sends as much as gets through, UDP at three times the limit, and gives what had arrived at which time. */
export async function traffic(
  from: Endpoint,
  to: Endpoint,
  protocol: "tcp" | "udp",
  { seconds, limit }: { seconds: number; limit: number },
): Promise<Sample[]> {
  using _server = await IperfServer.start(to);
  using meter = new WireMeter(to.netns, protocol === "tcp" ? 52 : 28);
  const done = new AbortController();
  const sampling = meter.sample(done.signal);
  await iperf({ from, to, protocol, seconds, bitsPerSecond: limit * 3 });
  done.abort();
  // Not the promise itself: the meter is closed when this function returns.
  return await sampling;
}

/**
 * At no time may more have arrived than the limit allows since the traffic began. However slow or uneven the machine
 * is, it can only be less.
 */
export function neverAhead(samples: Sample[], limit: number): void {
  const first = samples[0]!;
  const began = samples.findIndex(({ bytes }) => bytes > first.bytes);
  assert.ok(began > 0, "nothing arrived");
  const start = samples[began - 1]!;
  for (const { seconds, bytes } of samples.slice(began)) {
    const allowed = (limit / 8) * (seconds - start.seconds) + AHEAD_BYTES;
    assert.ok(
      bytes - start.bytes <= allowed,
      `${bytes - start.bytes} bytes after ${seconds - start.seconds} s`,
    );
  }
  assert.ok(samples.at(-1)!.bytes - start.bytes > 100_000, "hardly anything arrived");
}

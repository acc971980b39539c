import { spawn } from "node:child_process";
import { once } from "node:events";
import { inPod, type Pod } from "@weir/test-e2e/lab";

const PORT = 7071;

/** What a receiver of bulk flows saw. */
export interface BulkResult {
  goodputBitsPerSecond: number;
  /** The same of each flow. */
  streams: number[];
}

/** From where to where, and for how long. */
export interface BulkOptions {
  from: Pod;
  to: Pod;
  seconds: number;
}

/**
 * Sends as much as TCP can from one pod to another.
 * @param program what flows.c was compiled to
 */
export function bulk(program: string, options: BulkOptions & { streams: number }): Promise<BulkResult> {
  const { to, streams, seconds } = options;
  const receive = ["receive", PORT, streams, seconds];
  return run(program, options, receive, ["send", to.address, PORT, streams, seconds], streams);
}

/** Sends datagrams from one pod to another, at a rate of payload. */
export function flood(
  program: string,
  options: BulkOptions & { bitsPerSecond: number },
): Promise<BulkResult> {
  const { to, bitsPerSecond, seconds } = options;
  const send = ["flood", to.address, PORT, bitsPerSecond, seconds];
  return run(program, options, ["drain", PORT, seconds], send, 1);
}

async function run(
  program: string,
  { from, to }: BulkOptions,
  receive: (string | number)[],
  send: (string | number)[],
  streams: number,
): Promise<BulkResult> {
  const receiver = spawn("nsenter", [`--net=${to.netns}`, program, ...receive.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  receiver.stdout.on("data", (text) => {
    output += text;
  });
  const ended = once(receiver, "close");
  await once(receiver.stdout, "data");
  await Promise.all([inPod(from, [program, ...send.map(String)]), ended]);
  const [, elapsed, ...bytes] = output.trim().split("\n").map(Number);
  if (!elapsed || bytes.length !== streams) throw new Error(`the bulk flows ended early: ${output}`);
  const rates = bytes.map((count) => Math.round((count * 8) / elapsed));
  return { goodputBitsPerSecond: rates.reduce((sum, rate) => sum + rate, 0), streams: rates };
}

import { connect } from "node:net";
import type { ShaperOptions } from "@weir/shaper";
import { CniError } from "../cni/errors.js";
import { MAX_WIRE_BYTES, socketPath, type WireCall, type WireReply, wireCall } from "./wire.js";

/** How long a server may take before the plugin does the work itself. */
const TIMEOUT_MS = 10_000;

/**
 * Asks the node's server, if there is one, to answer a call.
 * @returns the text for standard output; undefined where no server runs, or it dies, takes too long or declines: then
 *   the call is the caller's to do, which is safe after a half-done one, as every operation is
 * @throws CniError that the server gave for the call
 */
export async function askServer(
  call: Pick<WireCall, "environment" | "input">,
  options: ShaperOptions,
): Promise<string | undefined> {
  const text = await exchange(socketPath(options), () => JSON.stringify(wireCall(call, options, TIMEOUT_MS)));
  const reply = text === undefined ? undefined : parse(text);
  if (!reply || "declined" in reply) return undefined;
  if ("output" in reply) return reply.output;
  const { code, message, details } = reply.error;
  throw new CniError(code, message, details);
}

/** Sends a text when the connection stands, and gives all that comes back; undefined for any failure. */
function exchange(path: string, text: () => string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let total = 0;
    const socket = connect(path);
    const giveUp = () => {
      clearTimeout(timer);
      resolve(undefined);
      socket.destroy();
    };
    const timer = setTimeout(giveUp, TIMEOUT_MS);
    socket.on("error", giveUp);
    socket.on("connect", () => socket.end(text()));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      total += chunk.length;
      if (total > MAX_WIRE_BYTES) giveUp();
    });
    // Both sides are shut now, and the socket closes by itself.
    socket.on("end", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString("utf8"));
    });
  });
}

function parse(text: string): WireReply | undefined {
  try {
    return JSON.parse(text) as WireReply;
  } catch {
    // The server died while it wrote.
    return undefined;
  }
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_STATE_DIRECTORY, type ShaperOptions } from "@weir/shaper";
import { VERSION } from "../version.js";

// What the launcher, scripts/launcher.sh, and a CallServer say to each other. Both are weir of the same version: the
// server's folder has it in its name.

/** Variables of the environment that a call brings along; an unset one is empty. */
const variables = [
  "CNI_COMMAND",
  "CNI_CONTAINERID",
  "CNI_NETNS",
  "CNI_IFNAME",
  "CNI_ARGS",
  "CNI_PATH",
] as const;

/** A call on its way to a {@link CallServer}: the moment, the variables and the input, each ended by a zero byte. */
export interface WireCall {
  /** When the caller began to wait, in seconds since the machine's start as /proc/uptime counts them. */
  readonly askedAt: number;
  readonly env: NodeJS.ProcessEnv;
  /** The network configuration, as it came on standard input. */
  readonly input: string;
}

/** The longest call that a server reads. The launcher sends what certainly fits into a pipe, which is far less. */
export const MAX_CALL_BYTES = 1024 * 1024;

/** How many seconds a caller waits before it does the work itself. */
export const PATIENCE_SECONDS = 10;

/** Where callers of this version look for a server: a symbolic link to its folder. */
export function serverLink({ stateDirectory = DEFAULT_STATE_DIRECTORY }: ShaperOptions): string {
  return join(stateDirectory, `server-${VERSION}`);
}

/** The clock of {@link WireCall.askedAt}. */
export function uptime(): number {
  return Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
}

/** A whole call; undefined as long as some of it is missing. */
export function parseCall(bytes: Buffer): WireCall | undefined {
  // Without the zero byte at the end the last piece is not whole yet.
  const [askedAt = "", ...rest] = bytes.toString("utf8").split("\0").slice(0, -1);
  const input = rest[variables.length];
  if (input === undefined) return undefined;
  const env = Object.fromEntries(variables.map((name, index) => [name, rest[index]]));
  return { askedAt: Number.parseFloat(askedAt), env, input };
}

/**
 * A reply: the exit code, the line for standard error, the text for standard output, and `end`, without which a reply
 * is one that a dying server began.
 */
export function formatReply(code: number, said: string, output: string): string {
  return `${code}\n${said.replace(/\s+/g, " ").trim()}\n${output}end`;
}

/** The reply that leaves a call to the plugin. */
export const declined = "declined";

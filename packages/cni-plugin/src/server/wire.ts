import { statSync } from "node:fs";
import { join } from "node:path";
import type { ShaperOptions } from "@weir/shaper";
import type { CniEnvironment } from "../cni/environment.js";
import { VERSION } from "../version.js";

/**
 * A call on its way to a {@link CallServer}: one JSON document, ended by shutting the sending side down. The reply is
 * another one. Both ends are weir of the same version, or the server declines.
 */
export interface WireCall {
  readonly version: string;
  readonly environment: CniEnvironment;
  /** The network configuration, as it came on standard input. */
  readonly input: string;
  /** What the caller sees where it looks: a server in a container may see other files by the same names. */
  readonly sight: Sight;
  /** The moment, of process.hrtime (CLOCK_MONOTONIC, which is the machine's), after which nobody waits any more. */
  readonly deadlineNs: string;
}

/** A server's answer: what CNI wants on standard output, an error for it, or why the caller has to do it itself. */
export type WireReply =
  | { readonly output: string }
  | { readonly error: { readonly code: number; readonly message: string; readonly details: string } }
  | { readonly declined: string };

/** Which files a process finds: device and inode of the pod's namespace, and the device of the BPF filesystem. */
export interface Sight {
  readonly netns: string;
  readonly bpffs: string;
}

/** The longest call or reply that either end reads. */
export const MAX_WIRE_BYTES = 8 * 1024 * 1024;

/** Where the server of a state directory listens. */
export function socketPath({ stateDirectory = "/run/weir" }: ShaperOptions): string {
  return join(stateDirectory, "cni.sock");
}

/** What this process sees of the files that a call is about. */
export function sightOf({ netns }: CniEnvironment, { bpffs = "/sys/fs/bpf" }: ShaperOptions): Sight {
  const pod = netns === "" ? undefined : statSync(netns, { throwIfNoEntry: false, bigint: true });
  const maps = statSync(bpffs, { throwIfNoEntry: false, bigint: true });
  return { netns: pod ? `${pod.dev}:${pod.ino}` : "none", bpffs: maps ? `${maps.dev}` : "none" };
}

/** A call as it is sent. */
export function wireCall(
  call: Pick<WireCall, "environment" | "input">,
  options: ShaperOptions,
  timeoutMs: number,
): WireCall {
  return {
    version: VERSION,
    environment: call.environment,
    input: call.input,
    sight: sightOf(call.environment, options),
    deadlineNs: String(process.hrtime.bigint() + BigInt(timeoutMs) * 1_000_000n),
  };
}

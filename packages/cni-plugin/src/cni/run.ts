import type { ShaperOptions } from "@weir/shaper";
import { stringifyJson } from "../json.js";
import { shaperOptions } from "../options.js";
import { mentionsBandwidth } from "./bandwidth.js";
import {
  newestVersion,
  parseConfiguration,
  previousResult,
  requestedVersion,
  supportedVersions,
} from "./configuration.js";
import { type CniEnvironment, parseEnvironment } from "./environment.js";
import { CniError, CniErrorCode } from "./errors.js";
import type { Reply } from "./plugin.js";
import { convertResult } from "./result.js";

/** How a call reaches the outside. */
export interface Streams {
  env: NodeJS.ProcessEnv;
  readInput: () => string;
  write: (fd: 1 | 2, text: string) => void;
  /** Where the shaper keeps its state; by default the environment says. */
  options?: ShaperOptions;
}

/**
 * How long a call waits for others that change pods. Runtimes have minutes for a pod (the kubelet two, by
 * --runtime-request-timeout), and a node that is busy with many is the last one that wants to begin again.
 */
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Runs the plugin for one call, from the environment and standard input to standard output.
 * @returns the exit code: 0, or 1 where standard output holds an error
 */
export async function runPlugin(streams: Streams): Promise<0 | 1> {
  let cniVersion: string = newestVersion;
  try {
    const environment = parseEnvironment(streams.env);
    const input = readInput(streams, environment);
    cniVersion = requestedVersion(input);
    if (environment.command === "VERSION") {
      streams.write(1, `${stringifyJson({ cniVersion, supportedVersions: [...supportedVersions] })}\n`);
      return 0;
    }
    if (environment.command === "ADD") {
      const result = passThrough(input);
      if (result !== undefined) {
        deliver(streams, result, undefined);
        return 0;
      }
    }
    // The shaper and all below it load here, so that VERSION and pods without a limit do without.
    const { answer } = await import("./plugin.js");
    const options = streams.options ?? { lockTimeoutMs: LOCK_TIMEOUT_MS, ...shaperOptions(streams.env) };
    const reply = answer({ environment, input, options });
    deliver(streams, reply.output, reply.undo);
    return 0;
  } catch (error) {
    report(streams, error, cniVersion);
    return 1;
  }
}

/** The answer to ADD for a pod that has no limit, which most pods of a cluster have not; undefined for others. */
function passThrough(input: string): string | undefined {
  const configuration = parseConfiguration(input, "ADD");
  const result = convertResult(previousResult(configuration, "ADD"), configuration.cniVersion);
  return mentionsBandwidth(configuration) ? undefined : `${stringifyJson(result)}\n`;
}

function readInput(streams: Streams, { command }: CniEnvironment): string {
  try {
    return streams.readInput();
  } catch (error) {
    // Neither needs what is there.
    if (command === "VERSION" || command === "DEL") return "";
    throw new CniError(
      CniErrorCode.IO_FAILURE,
      `could not read the network configuration from standard input: ${(error as Error).message}`,
    );
  }
}

function deliver(streams: Streams, output: string, undo: Reply["undo"]): void {
  if (output === "") return;
  try {
    streams.write(1, output);
  } catch (error) {
    let suffix = "what ADD did was taken back";
    try {
      undo?.();
    } catch (undoError) {
      suffix = `and what ADD did could not be taken back: ${(undoError as Error).message}`;
    }
    throw new CniError(
      CniErrorCode.IO_FAILURE,
      `could not write the result to standard output (${(error as Error).message}); ${suffix}`,
    );
  }
}

function report({ write }: Streams, error: unknown, cniVersion: string): void {
  // By its name: a bundle that keeps the plugin in a file of its own has the class twice.
  const failure =
    (error as Error).name === "CniError"
      ? (error as CniError)
      : new CniError(
          CniErrorCode.INTERNAL,
          `weir failed: ${(error as Error).message}`,
          (error as Error).stack,
        );
  // Standard error first: it is where a person looks when standard output has no reader left.
  for (const [fd, text] of [
    [2, `weir: ${failure.message}\n`],
    [1, failure.print(cniVersion)],
  ] as const) {
    try {
      write(fd, text);
    } catch {
      // No reader; the exit code says the rest.
    }
  }
}

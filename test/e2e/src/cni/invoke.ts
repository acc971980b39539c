import { spawn } from "node:child_process";

/** One run of a plugin. */
export interface Invocation {
  /** CNI_* variables; PATH is added, and nothing else. */
  env: Readonly<Record<string, string>>;
  /** What comes on standard input: text, or an object that is written as JSON. */
  input?: string | object;
}

/** How a run ended. */
export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A CNI error as it stands on standard output. */
export interface PrintedError {
  cniVersion?: unknown;
  code?: unknown;
  msg?: unknown;
  details?: unknown;
}

/** A plugin that hangs is killed after this time; an emulated machine is slow. */
const TIMEOUT_MS = 60_000;

/**
 * Runs a plugin inside a node's network namespace.
 * @param more variables of the plugin's own
 */
export function invoke(
  executable: string,
  netns: string,
  { env, input = "" }: Invocation,
  more: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const path = process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin";
    const child = spawn("nsenter", [`--net=${netns}`, executable], {
      env: { PATH: path, ...more, ...env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const outcome: Outcome = { status: null, stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        outcome[name] += text;
      });
    }
    child.on("error", reject);
    child.on("close", (status) => resolve({ ...outcome, status }));
    // A plugin need not read what it does not need.
    child.stdin.on("error", () => {});
    child.stdin.end(typeof input === "string" ? input : JSON.stringify(input));
  });
}

/** JSON on standard output, or undefined where that is none. */
export function parsed(stdout: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(stdout);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

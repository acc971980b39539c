import { firstLine, joinRemedy } from "../cni/explain.js";

/** The exit codes of the command line. FOUND: `weir doctor` has found something wrong with a node that can shape pods. */
export const exitCode = { OK: 0, FAILED: 1, USAGE: 2, FOUND: 3 } as const;
/** An exit code of the command line. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** A failure of a command, told in one sentence. */
export class CommandError extends Error {
  override name = "CommandError";
  readonly remedy?: string;
  constructor(message: string, remedy?: string) {
    super(message);
    if (remedy !== undefined) this.remedy = remedy;
  }
}

/** What to print for an error that ended a command. */
export function describeError(error: unknown): string {
  const { message, remedy, code } = error as Error & { remedy?: string; code?: unknown };
  const sentence = joinRemedy(firstLine(message ?? String(error)), remedy);
  const refused = code === "EPERM" || code === "EACCES" || code === "NOT_PERMITTED";
  return refused && process.geteuid?.() !== 0 ? `this needs root: ${sentence}` : sentence;
}

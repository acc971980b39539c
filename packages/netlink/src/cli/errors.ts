/** The exit codes of the command line. */
export const exitCode = { OK: 0, FAILED: 1, USAGE: 2 } as const;
/** An exit code of the command line. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** A failure of a command, told in one sentence. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
}

/** An argument that cannot be what was meant. */
export class UsageError extends CommandError {
  override readonly name = "UsageError";
}

/** What to print for an error that ended a command: a sentence, on one line. */
export function describeError(error: unknown): string {
  const { message, code } = error as Error & { code?: unknown };
  const sentence = (message ?? String(error)).split("\n", 1)[0]!;
  const refused = code === "EPERM" || code === "EACCES";
  return refused && process.geteuid?.() !== 0 ? `this needs root: ${sentence}` : sentence;
}

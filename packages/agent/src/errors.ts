/** A failure of the agent's own, with a code for the metric and what to do. */
export class AgentError extends Error {
  override name = "AgentError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** An error's code, as the metric of errors names it. */
export function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : "INTERNAL";
}

/** An error in one line, with what to do about it. */
export function sentenceOf(error: unknown): string {
  const { message, remedy } = error as Error & { remedy?: string };
  const line = message.split("\n", 1)[0] ?? "";
  return remedy ? `${line}. ${remedy}` : line;
}

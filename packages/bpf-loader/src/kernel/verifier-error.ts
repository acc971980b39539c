import type { SystemError } from "@weir/syscall";

/** A program that the verifier refused. The message has the last lines of its log, {@link log} has it whole. */
export class VerifierError extends Error {
  override readonly name = "VerifierError";
  /** The error's symbolic name, such as "EACCES". */
  readonly code: string;
  /** The program's name. */
  readonly program: string;
  /** All that the verifier wrote. */
  readonly log: string;

  /**
   * Takes the program's name, the verifier's log and the refusal that it explains; and what is wrong, where that is
   * known better than the log says it.
   */
  constructor(program: string, log: string, cause: SystemError, reason?: string) {
    super(`the verifier refused program "${program}" (${cause.code}): ${reason ?? lastLines(log)}`, {
      cause,
    });
    this.code = cause.code;
    this.program = program;
    this.log = log;
  }
}

/** How many lines of the log the message has: the offending instruction, and what is wrong with it. */
const LINES = 4;
/** What the verifier adds after its verdict: statistics (print_verification_stats, kernel/bpf/verifier.c). */
const statistics =
  /^(verification time|stack depth|insns processed|processed \d+ insns|mark_precise:|peak_states)/;

function lastLines(log: string): string {
  const lines = log.split("\n").map((line) => line.trim());
  const meaningful = lines.filter((line) => line !== "" && !statistics.test(line));
  return meaningful.slice(-LINES).join("; ");
}

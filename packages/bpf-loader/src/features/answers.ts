import { BpfCommand, errno, Fd, hasCapability } from "@weir/syscall";
import { bpfError } from "../kernel/call.js";

const answers = new Map<string, boolean>();

/** Asks once in the life of the process: a kernel does not change what it can do. */
export function remember(question: string, ask: () => boolean): boolean {
  let answer = answers.get(question);
  if (answer === undefined) {
    answer = ask();
    answers.set(question, answer);
  }
  return answer;
}

/** Closes the descriptor that a probe was given; passes its result on. */
export function closed(result: number): number {
  if (result >= 0) Fd.adopt(result, "probe").close();
  return result;
}

/**
 * Throws SystemError where a probe was refused because this process may not ask. A process that holds every
 * capability was refused by the kernel's configuration, and that is an answer.
 */
export function requirePermission(result: number, action: string, needs: readonly string[]): void {
  if (result !== -errno.EPERM!) return;
  if (["CAP_SYS_ADMIN", "CAP_NET_ADMIN"].every(hasCapability)) return;
  throw bpfError(BpfCommand.PROG_LOAD, errno.EPERM!, action, needs);
}

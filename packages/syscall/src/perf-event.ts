import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import { Fd } from "./fd.js";
import { int, lastErrno, rawPerfEventOpen } from "./libc.js";
import type { Struct } from "./struct.js";

const PERF_FLAG_FD_CLOEXEC = 8;

/**
 * perf_event_open(2), always with close-on-exec.
 * @param attr a `struct perf_event_attr` with its size field set
 * @param pid a process, 0 for the caller, -1 for all; @param cpu a CPU, or -1 for all
 * @param groupFd -1 for no group
 * @param action what is being done, as it reads after "could not"
 */
export function perfEventOpen(
  attr: Struct,
  pid: number,
  cpu: number,
  groupFd: number,
  flags: number,
  action: string,
): Fd {
  const result = rawPerfEventOpen(
    attr.bytes,
    int(pid, "pid"),
    int(cpu, "cpu"),
    int(groupFd, "groupFd"),
    flags | PERF_FLAG_FD_CLOEXEC,
  );
  if (result >= 0) return Fd.adopt(result, "perf event");
  const number = lastErrno();
  throw new SystemError({ errno: number, syscall: "perf_event_open", action, ...hint(number) });
}

function hint(number: number): { hint?: string } {
  const refused: unknown[] = [errno.EACCES, errno.EPERM];
  return refused.includes(number)
    ? {
        hint: "It takes CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8), or a lower kernel.perf_event_paranoid.",
      }
    : {};
}

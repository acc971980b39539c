import { readFileSync } from "node:fs";
import {
  BpfCommand,
  errno,
  Fd,
  hasCapability,
  kernelVersion,
  raiseMemlockLimit,
  type Struct,
  SystemError,
  tryBpf,
} from "@weir/syscall";

const commandNames = new Map<number, string>(
  Object.entries(BpfCommand).map(([name, number]) => [number, name]),
);
let memlockRaised = false;

/** Whether the running kernel is older than a version. Only where a probe cannot tell. */
export function kernelBefore(major: number, minor: number): boolean {
  const version = kernelVersion();
  return version.major < major || (version.major === major && version.minor < minor);
}

/**
 * bpf(2) for whatever charges memory: the result, or a negative error number. Before 5.11 that memory counts against
 * RLIMIT_MEMLOCK, whose excess is reported as EPERM; the limit is raised once, when that may have happened.
 */
export function callBpf(command: number, attr: Struct): number {
  const result = tryBpf(command, attr);
  if (result !== -errno.EPERM! || memlockRaised || !kernelBefore(5, 11)) return result;
  memlockRaised = true;
  return raiseMemlockLimit() ? tryBpf(command, attr) : result;
}

/** The same for a command that gives a descriptor: an {@link Fd} with a name, or a thrown SystemError. */
export function openBpf(
  command: number,
  attr: Struct,
  name: string,
  action: string,
  needs: readonly string[] = ["CAP_BPF"],
): Fd {
  const result = callBpf(command, attr);
  if (result < 0) throw bpfError(command, -result, action, needs);
  return Fd.adopt(result, name);
}

/** A refusal of bpf(2). An EPERM says which capability is missing. */
export function bpfError(
  command: number,
  number: number,
  action: string,
  needs: readonly string[] = [],
  hint?: string,
): SystemError {
  const sentence = hint ?? (number === errno.EPERM ? permissionHint(needs) : undefined);
  return new SystemError({
    errno: number,
    syscall: `bpf(BPF_${commandNames.get(command) ?? command})`,
    action,
    ...(sentence !== undefined && { hint: sentence }),
  });
}

/** What to do about an EPERM, given the capabilities that the command wants since 5.8. */
function permissionHint(needs: readonly string[]): string {
  // CAP_BPF and CAP_PERFMON came with 5.8 out of CAP_SYS_ADMIN, which still implies them.
  if (hasCapability("CAP_SYS_ADMIN")) {
    const missing = needs.filter((name) => name === "CAP_NET_ADMIN" && !hasCapability(name));
    if (missing.length > 0) return `The capability ${missing.join(" and ")} is missing.`;
    return forbidden();
  }
  if (kernelBefore(5, 8))
    return "Before Linux 5.8 this takes the capability CAP_SYS_ADMIN, which is missing.";
  const missing = needs.filter((name) => !hasCapability(name));
  if (missing.length > 0)
    return `The capability ${missing.join(" and ")} is missing.${unprivileged(missing)}`;
  return "CAP_SYS_ADMIN is missing, which this may take.";
}

/** Why the kernel refuses a process that holds the capabilities. */
function forbidden(): string {
  const uids = readIfThere("/proc/self/uid_map")?.trim().split(/\s+/);
  // The capabilities of any other user namespace than the first count for nothing here.
  if (uids && uids.join(" ") !== "0 0 4294967295")
    return "The process has the capabilities in its own user namespace alone; it must run in the first one, or use a BPF token (Linux 6.9).";
  const lockdown = /\[(integrity|confidentiality)\]/.exec(
    readIfThere("/sys/kernel/security/lockdown") ?? "",
  )?.[1];
  if (lockdown) return `The process has the capabilities; kernel lockdown (${lockdown}) forbids it.`;
  return kernelBefore(5, 11)
    ? "The process has the capabilities; raise RLIMIT_MEMLOCK, which limits BPF memory before Linux 5.11."
    : "The process has the capabilities; kernel lockdown, a security module or a missing kernel option forbids it.";
}

/** What CAP_BPF alone would bring also comes with a setting, for some types of programs and maps. */
function unprivileged(missing: readonly string[]): string {
  if (missing.join() !== "CAP_BPF") return "";
  const disabled = readIfThere("/proc/sys/kernel/unprivileged_bpf_disabled")?.trim();
  return disabled && disabled !== "0"
    ? ` (kernel.unprivileged_bpf_disabled is ${disabled}, so that nobody can do without it.)`
    : "";
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

import { NetlinkError } from "@weir/netlink";
import { ShaperError } from "./errors.js";

/** What to do where a kernel module is missing. */
export function moduleRemedy(name: string): string {
  return `modprobe ${name}; where there is no such module, use a kernel that has it (Debian's generic kernels do, its cloud kernels may not).`;
}

/**
 * Asks the kernel for something that one of its modules does; it loads the module itself where it can.
 * @param name the module's name; @param what what it is, as it reads after "no"
 * @throws ShaperError NOT_SUPPORTED where the kernel does not know the kind of qdisc, filter, action or device
 */
export function withModule<T>(name: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    // net/sched/sch_api.c and cls_api.c answer ENOENT to an unknown kind, net/core/rtnetlink.c EOPNOTSUPP.
    const unknown =
      error.code === "EOPNOTSUPP" || (error.code === "ENOENT" && isUnknownKind(error.kernelMessage));
    if (!unknown) throw error;
    throw new ShaperError("NOT_SUPPORTED", `this kernel has no ${what} (${name})`, {
      remedy: moduleRemedy(name),
      cause: error,
    });
  }
}

function isUnknownKind(message: string | undefined): boolean {
  return message === undefined || /unknown|not found|failed to load/i.test(message);
}

import { VmError } from "./errors.js";

/** One kernel that the VM can boot. */
export interface Kernel {
  /** What the caller names it by, such as "6.1". */
  readonly name: string;
  /** The Debian suite whose `linux-image-amd64` it is. */
  readonly suite: string;
  /** Whether tests run on it by default; the others come on request. */
  readonly default: boolean;
}

/** The kernels, oldest first: those of Debian's releases, and the newest one of Debian's next release. */
export const KERNELS: readonly Kernel[] = [
  { name: "5.10", suite: "bullseye", default: true },
  { name: "6.1", suite: "bookworm", default: true },
  { name: "6.12", suite: "trixie", default: true },
  { name: "newest", suite: "forky", default: false },
];

/**
 * Finds a kernel by its name or its suite ("6.1", "bookworm").
 *
 * @throws VmError UNKNOWN_KERNEL naming those that there are.
 */
export function kernelNamed(name: string): Kernel {
  const kernel = KERNELS.find((each) => each.name === name || each.suite === name);
  if (kernel) return kernel;
  const names = KERNELS.map((each) => `${each.name} (${each.suite})`).join(", ");
  throw new VmError("UNKNOWN_KERNEL", `there is no kernel "${name}"; choose one of ${names}`);
}

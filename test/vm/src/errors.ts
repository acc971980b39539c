/** What a {@link VmError} is about. */
export type VmErrorCode =
  /** A program of {@link requiredPackages} is not installed. */
  | "MISSING_PROGRAM"
  /** The kernel's name is not one of {@link KERNELS}. */
  | "UNKNOWN_KERNEL"
  /** apt has no Debian mirror configured, or it refused. */
  | "DOWNLOAD_FAILED"
  /** The fetched packages are not as expected. */
  | "BAD_KERNEL"
  /** QEMU did not start, or the guest ended before the command did. */
  | "GUEST_FAILED"
  /** The time limit passed. */
  | "TIMEOUT"
  /** The caller's signal aborted the run. */
  | "ABORTED";

/** A failure of the kernel VM itself, not of the command in it. */
export class VmError extends Error {
  override readonly name = "VmError";
  readonly code: VmErrorCode;
  /** The last lines of the guest's console, where there are any. */
  readonly console: string;

  constructor(code: VmErrorCode, message: string, options?: ErrorOptions & { console?: string }) {
    super(message, options);
    this.code = code;
    this.console = options?.console ?? "";
  }
}

/** What went wrong, for callers that map it to their own codes. */
export type ShaperErrorCode =
  /** A limit outside the allowed range, or text that is no quantity. */
  | "INVALID_LIMIT"
  /** An id or a device name that cannot be one. */
  | "INVALID_ATTACHMENT"
  /** There is no network namespace at the path. */
  | "NETNS_MISSING"
  /** The namespace has no such device. */
  | "DEVICE_MISSING"
  /** The device is down. */
  | "DEVICE_DOWN"
  /** Nothing is known under the id. */
  | "NOT_FOUND"
  /** The kernel lacks something that shaping needs. */
  | "NOT_SUPPORTED"
  /** The process lacks a capability. */
  | "NOT_PERMITTED"
  /** There is no BPF filesystem to pin to. */
  | "NO_BPFFS"
  /** The device carries something that weir would destroy. */
  | "CONFLICT"
  /** Another process held the lock for too long. */
  | "BUSY"
  /** An uplink's name or capacity that cannot be one. */
  | "INVALID_UPLINK"
  /** There is no uplink of that name. */
  | "UPLINK_MISSING"
  /** Attachments share the uplink still. */
  | "UPLINK_IN_USE"
  /** More would be guaranteed than the uplink carries. */
  | "OVERCOMMITTED"
  /** Every entry of the maps is taken. */
  | "FULL"
  /** A record, pin or map is not what weir wrote. */
  | "STATE";

/** A refusal by the shaper: one sentence that says what and where, and where there is one a remedy. */
export class ShaperError extends Error {
  readonly code: ShaperErrorCode;
  /** A sentence that says what to do. */
  readonly remedy?: string;

  /**
   * @param code what went wrong
   * @param message one sentence that says what and where
   * @param options.remedy a sentence that says what to do
   */
  constructor(code: ShaperErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ShaperError";
    this.code = code;
    if (options.remedy !== undefined) this.remedy = options.remedy;
  }
}

import { errnoName, errnoText } from "./errno.js";

/** A system call that the kernel refused. */
export class SystemError extends Error {
  /** The error's symbolic name, such as "EPERM". */
  readonly code: string;
  /** The error number, positive. */
  readonly errno: number;
  /** The call that failed, such as "bpf(BPF_MAP_CREATE)". */
  readonly syscall: string;

  /**
   * @param options.errno the error number, positive
   * @param options.syscall the call that failed
   * @param options.action what was being done, as it reads after "could not": "open the network namespace /run/netns/blue"
   * @param options.hint a sentence that says what to try
   */
  constructor(options: { errno: number; syscall: string; action: string; hint?: string; cause?: unknown }) {
    const code = errnoName(options.errno);
    const hint = options.hint ? ` ${options.hint}` : "";
    super(
      `could not ${options.action}: ${errnoText(options.errno)} (${code} from ${options.syscall}).${hint}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "SystemError";
    this.code = code;
    this.errno = options.errno;
    this.syscall = options.syscall;
  }
}

/** Something that this kernel does not have, or that its configuration left out. */
export class NotSupportedError extends Error {
  readonly code = "ENOTSUP";
  /** The missing feature, as it reads after "the kernel has no": "tcx links". */
  readonly feature: string;
  /** The kernel version that brought the feature, such as "6.6"; absent where no version alone decides. */
  readonly since?: string;

  /**
   * @param options.feature the missing feature
   * @param options.since the kernel version that brought it
   * @param options.hint a sentence that says what to try
   */
  constructor(options: { feature: string; since?: string; hint?: string; cause?: unknown }) {
    const since = options.since ? ` (it takes Linux ${options.since} or later)` : "";
    const hint = options.hint ? ` ${options.hint}` : "";
    super(
      `this kernel has no ${options.feature}${since}.${hint}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "NotSupportedError";
    this.feature = options.feature;
    if (options.since !== undefined) this.since = options.since;
  }
}

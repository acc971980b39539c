import { BpfCommand, errno, type Fd, NotSupportedError, type Struct } from "@weir/syscall";
import { kernelBefore, openBpf } from "../kernel/call.js";
import type { AttachType, ProgramType } from "../names/tables.js";
import { BpfLink } from "./link.js";

/** What attaching needs to know about a program. */
export interface AttachableProgram {
  readonly fd: Fd;
  /** For error messages. */
  readonly name: string;
  /** Undefined for a type that is newer than this library. */
  readonly type: ProgramType | undefined;
  /** What it was loaded for; undefined if its type has none, or it was opened rather than loaded. */
  readonly expectedAttachType: AttachType | undefined;
}

/**
 * Refuses a program of another type, of which the kernel would say no more than EINVAL.
 * @throws RangeError
 */
export function requireType(program: AttachableProgram, method: string, ...types: ProgramType[]): void {
  const { type, name } = program;
  if (type === undefined || types.includes(type)) return;
  throw new RangeError(`program "${name}" is of type ${type}; ${method} takes ${types.join(" or ")}`);
}

/** A feature that an attachment takes, and the version that brought it. */
export interface NeededFeature {
  /** As it reads after "this kernel has no": "tcx links". */
  readonly name: string;
  readonly since: `${number}.${number}`;
  /** Whether the kernel has it, where that can be found out; else its version tells. */
  readonly has?: () => boolean;
  /** A sentence that says what to do without it. */
  readonly hint?: string;
}

/** What the kernel answers to what it does not know. */
const unknown = [errno.EINVAL!, errno.EOPNOTSUPP!, errno.ENOSYS!, 524];

/**
 * BPF_LINK_CREATE, or another command that gives a link.
 * @param action what is being done, as it reads after "could not"
 * @throws NotSupportedError where a refusal is explained by a missing feature; else SystemError
 */
export function createLink(
  command: number,
  attr: Struct,
  name: string,
  action: string,
  needs: readonly string[],
  feature?: NeededFeature,
): BpfLink {
  return BpfLink.adopt(linkDescriptor(command, attr, name, action, needs, feature));
}

/** The same for whatever wraps the link itself. */
export function linkDescriptor(
  command: number,
  attr: Struct,
  name: string,
  action: string,
  needs: readonly string[],
  feature?: NeededFeature,
): Fd {
  try {
    return openBpf(command, attr, name, action, needs);
  } catch (error) {
    throw explained(error, feature);
  }
}

/** The refusal as NotSupportedError, if the kernel lacks the feature that the call needed; else as it is. */
export function explained(error: unknown, feature: NeededFeature | undefined): unknown {
  const number = (error as { errno?: number }).errno;
  if (!feature || number === undefined || !unknown.includes(number) || !lacks(feature)) return error;
  return notSupported(feature, error);
}

/** Whether the kernel lacks a feature. */
export function lacks(feature: NeededFeature): boolean {
  if (feature.has) return !feature.has();
  const [major, minor] = feature.since.split(".").map(Number);
  return kernelBefore(major!, minor!);
}

/** The error that names a missing feature. */
export function notSupported(feature: NeededFeature, cause?: unknown): NotSupportedError {
  return new NotSupportedError({
    feature: feature.name,
    since: feature.since,
    ...(feature.hint !== undefined && { hint: feature.hint }),
    ...(cause !== undefined && { cause }),
  });
}

/** What attaching network programs takes. */
export const networkCapabilities = ["CAP_BPF", "CAP_NET_ADMIN"];
/** What attaching programs that watch the kernel takes. */
export const tracingCapabilities = ["CAP_BPF", "CAP_PERFMON"];

/** BPF_LINK_CREATE, for {@link createLink}. */
export const LINK_CREATE: number = BpfCommand.LINK_CREATE;

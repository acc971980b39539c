import { ShaperError, type ShaperErrorCode } from "@weir/shaper";
import { CniError, CniErrorCode } from "./errors.js";

const codes: Record<ShaperErrorCode, CniErrorCode> = {
  INVALID_LIMIT: CniErrorCode.INVALID_CONFIGURATION,
  INVALID_ATTACHMENT: CniErrorCode.INVALID_ENVIRONMENT,
  NETNS_MISSING: CniErrorCode.INVALID_ENVIRONMENT,
  DEVICE_MISSING: CniErrorCode.DEVICE,
  DEVICE_DOWN: CniErrorCode.DEVICE,
  CONFLICT: CniErrorCode.DEVICE,
  NOT_FOUND: CniErrorCode.UNKNOWN_CONTAINER,
  NOT_SUPPORTED: CniErrorCode.NOT_SUPPORTED,
  NO_BPFFS: CniErrorCode.NOT_SUPPORTED,
  NOT_PERMITTED: CniErrorCode.NOT_PERMITTED,
  BUSY: CniErrorCode.TRY_AGAIN,
  INVALID_UPLINK: CniErrorCode.INVALID_CONFIGURATION,
  UPLINK_MISSING: CniErrorCode.TRY_AGAIN,
  UPLINK_IN_USE: CniErrorCode.INTERNAL,
  OVERCOMMITTED: CniErrorCode.FULL,
  FULL: CniErrorCode.FULL,
  STATE: CniErrorCode.IO_FAILURE,
};

/**
 * Whatever was thrown, as a CNI error.
 * @param action what was being done and where, as it reads before a colon: 'ADD of eth0 in /run/netns/blue'
 */
export function explain(error: unknown, action: string): CniError {
  if (error instanceof CniError) return error;
  const { message, cause, name, code } = error as Error & { code?: unknown };
  // The specification wants the variable's name in errors of code 4.
  const variable = code === "NETNS_MISSING" ? "CNI_NETNS is wrong, " : "";
  const sentence = `${action} failed: ${variable}${firstLine(message ?? String(error))}`;
  if (error instanceof ShaperError) {
    return new CniError(
      codes[error.code] ?? CniErrorCode.INTERNAL,
      joinRemedy(sentence, error.remedy),
      causes(cause),
      {
        cause: error,
      },
    );
  }
  const details = [message, longPart(error), causes(cause)].filter((part) => part !== "").join("\n");
  return new CniError(codeOf(name, code), sentence, details, { cause: error });
}

/** A message and what to do about it, as two sentences. */
export function joinRemedy(sentence: string, remedy: string | undefined): string {
  if (!remedy) return sentence;
  return `${/[.!?]$/.test(sentence) ? sentence : `${sentence}.`} ${remedy}`;
}

/** The first line of a text that may go on. */
export function firstLine(text: string): string {
  return text.split("\n", 1)[0]!;
}

/** The layers below have errors of their own; their names are part of their packages' surface. */
function codeOf(name: string, code: unknown): CniErrorCode {
  if (code === "EPERM" || code === "EACCES") return CniErrorCode.NOT_PERMITTED;
  switch (name) {
    case "NotSupportedError":
      return CniErrorCode.NOT_SUPPORTED;
    case "SystemError":
    case "NetlinkError":
    case "VerifierError":
      return CniErrorCode.KERNEL;
    default:
      // Node's own file errors have a code such as ENOSPC; anything else is a mistake in weir.
      return typeof code === "string" && /^E[A-Z0-9]+$/.test(code)
        ? CniErrorCode.IO_FAILURE
        : CniErrorCode.INTERNAL;
  }
}

const LOG_TAIL = 2000;

/** The end of a verifier's log, and the stack of what should never have been thrown. */
function longPart(error: unknown): string {
  const { log, stack, name, code } = error as {
    log?: unknown;
    stack?: string;
    name?: string;
    code?: unknown;
  };
  if (typeof log === "string" && log !== "") return log.length > LOG_TAIL ? `… ${log.slice(-LOG_TAIL)}` : log;
  return codeOf(name ?? "", code) === CniErrorCode.INTERNAL ? (stack ?? "") : "";
}

/** The messages of an error's causes, one a line, each with its own long part. */
function causes(cause: unknown): string {
  const lines: string[] = [];
  for (let depth = 0; cause instanceof Error && depth < 5; depth++, cause = cause.cause) {
    lines.push(cause.message);
    const long = "log" in cause ? longPart(cause) : "";
    if (long !== "") lines.push(long);
  }
  return lines.join("\n");
}

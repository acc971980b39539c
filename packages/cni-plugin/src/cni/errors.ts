import { type Printable, stringifyJson } from "../json.js";

/** The codes of CNI errors: those of the specification up to 99, weir's own from 100 on. */
export enum CniErrorCode {
  /** The configuration's cniVersion is not one that weir speaks, or has no such command. */
  INCOMPATIBLE_VERSION = 1,
  /** The configuration has a field that weir does not support. */
  UNSUPPORTED_FIELD = 2,
  /** CHECK: nothing is known of the container's interface. */
  UNKNOWN_CONTAINER = 3,
  /** A CNI_* variable is missing or wrong; its name is in the message. */
  INVALID_ENVIRONMENT = 4,
  /** Standard input, standard output or the state on disk cannot be read or written. */
  IO_FAILURE = 5,
  /** The configuration is not JSON. */
  DECODING_FAILURE = 6,
  /** The configuration says something wrong; the field is in the message. */
  INVALID_CONFIGURATION = 7,
  /** Something else holds the lock: the runtime should try again. */
  TRY_AGAIN = 11,
  /** STATUS: pods cannot be shaped on this node. */
  NOT_AVAILABLE = 50,
  /** STATUS: pods cannot be shaped on this node, and some that are there are not shaped as they should be. */
  NOT_AVAILABLE_AND_DEGRADED = 51,
  /** The kernel or the node lacks something. */
  NOT_SUPPORTED = 100,
  /** The plugin runs without the privileges that it needs. */
  NOT_PERMITTED = 101,
  /** The device is missing, down, or shaped by something else. */
  DEVICE = 102,
  /** CHECK: the shaping is damaged. */
  DAMAGED = 103,
  /** CHECK: the shaping is whole, but its limit is not the configuration's. */
  LIMIT_DIFFERS = 104,
  /** The node shapes as many pods as it can. */
  FULL = 105,
  /** GC: something could not be removed. */
  LEFT_BEHIND = 106,
  /** The kernel refused a call for a reason that has no code of its own. */
  KERNEL = 110,
  /** The launcher found no Node.js that can run weir. */
  NO_NODE = 120,
  /** A mistake in weir. */
  INTERNAL = 199,
}

/** A failure as the CNI protocol reports it. */
export class CniError extends Error {
  readonly code: CniErrorCode;
  /** What does not fit one sentence: the kernel's text, the verifier's log, a list. */
  readonly details: string;

  constructor(code: CniErrorCode, message: string, details = "", options?: ErrorOptions) {
    super(message, options);
    this.name = "CniError";
    this.code = code;
    this.details = details;
  }

  /** The error as it goes to standard output. */
  print(cniVersion: string): string {
    const fields: Record<string, Printable> = { cniVersion, code: this.code, msg: this.message };
    if (this.details !== "") fields.details = this.details;
    return `${stringifyJson(fields)}\n`;
  }
}

import { SystemError } from "@weir/syscall";
import { MESSAGE_HEADER, MessageFlags, type MessageView } from "./message.js";
import type { NetlinkRequest } from "./request.js";
import { type AttributesOf, attributes } from "./schema/attributes.js";
import { Input, littleEndian } from "./schema/bytes.js";
import { binary, s64, u32, u64 } from "./schema/codec.js";
import { enumeration } from "./schema/names.js";
import { string } from "./schema/text.js";

/** What an attribute holds: enum netlink_attribute_type. */
const attributeType = enumeration(u32, {
  invalid: 0,
  flag: 1,
  u8: 2,
  u16: 3,
  u32: 4,
  u64: 5,
  s8: 6,
  s16: 7,
  s32: 8,
  s64: 9,
  binary: 10,
  string: 11,
  nulString: 12,
  nested: 13,
  nestedArray: 14,
  bitfield32: 15,
  sint: 16,
  uint: 17,
});

/** What the kernel would have accepted (enum netlink_policy_type_attr). Values and lengths are inclusive. */
export const policyAttributes = attributes({
  type: [1, "NL_POLICY_TYPE_ATTR_TYPE", attributeType],
  minSigned: [2, "NL_POLICY_TYPE_ATTR_MIN_VALUE_S", s64],
  maxSigned: [3, "NL_POLICY_TYPE_ATTR_MAX_VALUE_S", s64],
  min: [4, "NL_POLICY_TYPE_ATTR_MIN_VALUE_U", u64],
  max: [5, "NL_POLICY_TYPE_ATTR_MAX_VALUE_U", u64],
  minLength: [6, "NL_POLICY_TYPE_ATTR_MIN_LENGTH", u32],
  maxLength: [7, "NL_POLICY_TYPE_ATTR_MAX_LENGTH", u32],
  policyIndex: [8, "NL_POLICY_TYPE_ATTR_POLICY_IDX", u32],
  maxType: [9, "NL_POLICY_TYPE_ATTR_POLICY_MAXTYPE", u32],
  bitfieldMask: [10, "NL_POLICY_TYPE_ATTR_BITFIELD32_MASK", u32],
  mask: [12, "NL_POLICY_TYPE_ATTR_MASK", u64],
});

/** The extended acknowledgement (enum nlmsgerr_attrs). */
export const extendedAckAttributes = attributes({
  message: [1, "NLMSGERR_ATTR_MSG", string],
  offset: [2, "NLMSGERR_ATTR_OFFS", u32],
  cookie: [3, "NLMSGERR_ATTR_COOKIE", binary],
  policy: [4, "NLMSGERR_ATTR_POLICY", policyAttributes],
  missingType: [5, "NLMSGERR_ATTR_MISS_TYPE", u32],
  missingNest: [6, "NLMSGERR_ATTR_MISS_NEST", u32],
});

/** A refusal's details as the kernel gives them. */
export type ExtendedAck = AttributesOf<(typeof extendedAckAttributes)["declarations"]>;
/** What the kernel accepts for the attribute that it refused. */
export type AttributePolicy = AttributesOf<(typeof policyAttributes)["declarations"]>;

/** A request that the kernel refused. `errno` and `code` are as of a failed system call. */
export class NetlinkError extends SystemError {
  /** The request's type, such as "RTM_NEWLINK". */
  readonly operation: string;
  /** What the kernel says, where it says more than a number. */
  readonly kernelMessage: string | undefined;
  /** The attribute that the kernel objects to, as its path in the request: "linkinfo.data.mode". */
  readonly attribute: string | undefined;
  /** The attribute that the kernel misses, as its path. */
  readonly missing: string | undefined;
  /** What the kernel would accept for {@link attribute}; from Linux 5.10 on, where the kernel sends it. */
  readonly policy: AttributePolicy | undefined;

  /** @param options.errno positive; @param options.extended the kernel's details, where it sent any */
  constructor(options: {
    request: NetlinkRequest;
    errno: number;
    extended?: ExtendedAck | undefined;
    cause?: unknown;
  }) {
    const { request, errno, extended } = options;
    const attribute =
      extended?.offset === undefined ? undefined : attributeAt(request, extended.offset - MESSAGE_HEADER);
    const missing =
      extended?.missingType === undefined
        ? undefined
        : missingAttribute(
            request,
            extended.missingType,
            (extended.missingNest ?? MESSAGE_HEADER) - MESSAGE_HEADER,
          );
    const hint = [
      extended?.message && `The kernel says: "${extended.message.replace(/\.$/, "")}".`,
      attribute && `It objects to ${attribute}${describePolicy(extended?.policy)}.`,
      missing && `It misses ${missing}.`,
      request.hint?.(errno),
    ];
    super({
      errno,
      syscall: request.operation,
      action: request.action,
      hint: hint.filter(Boolean).join(" "),
      cause: options.cause,
    });
    this.name = "NetlinkError";
    this.operation = request.operation;
    this.kernelMessage = extended?.message;
    this.attribute = attribute;
    this.missing = missing;
    this.policy = extended?.policy;
  }
}

/** A dump during which the table changed, several times over: what was read may lack entries or have them twice. */
export class NetlinkDumpInterruptedError extends Error {
  readonly code = "ERR_NETLINK_DUMP_INTERRUPTED";
  /** The request's type, such as "RTM_GETLINK". */
  readonly operation: string;
  /** What the last attempt read, as far as the iterable had not given it out already. */
  readonly partial: readonly unknown[];

  constructor(request: NetlinkRequest, attempts: number, partial: readonly unknown[]) {
    super(
      `could not ${request.action}: the table changed while it was read, ${attempts === 1 ? "and part of it was given out already" : `${attempts} times in a row`}`,
    );
    this.name = "NetlinkDumpInterruptedError";
    this.operation = request.operation;
    this.partial = partial;
  }
}

/** A socket used in a way that cannot work: the rule stands at {@link NetlinkSocket}. */
export class NetlinkUseError extends Error {
  readonly code = "ERR_NETLINK_USE";

  constructor(message: string) {
    super(message);
    this.name = "NetlinkUseError";
  }
}

/** What an acknowledgement says: 0 for success, and the kernel's details. */
export interface Acknowledgement {
  /** Positive, or 0. */
  readonly errno: number;
  readonly extended: ExtendedAck | undefined;
}

/** Reads NLMSG_ERROR: the errno, the request's header (and body, unless capped), then attributes. */
export function readAcknowledgement(input: Input, message: MessageView): Acknowledgement {
  const { start, end, flags } = message;
  if (end - start < 4 + MESSAGE_HEADER)
    return { errno: end - start < 4 ? 0 : errnoAt(input, start), extended: undefined };
  // When capped, the header still states the request's whole length although only the header is repeated.
  const repeated =
    flags & MessageFlags.CAPPED ? MESSAGE_HEADER : input.view.getUint32(start + 4, littleEndian);
  const details = start + 4 + ((repeated + 3) & ~3);
  return { errno: errnoAt(input, start), extended: detailsAt(input, flags, details, end) };
}

/** Reads NLMSG_DONE: an errno where the dump failed, then attributes. */
export function readDone(input: Input, message: MessageView): Acknowledgement {
  const { start, end, flags } = message;
  if (end - start < 4) return { errno: 0, extended: undefined };
  return { errno: errnoAt(input, start), extended: detailsAt(input, flags, start + 4, end) };
}

function errnoAt(input: Input, at: number): number {
  return Math.max(0, -input.view.getInt32(at, littleEndian));
}

function detailsAt(input: Input, flags: number, start: number, end: number): ExtendedAck | undefined {
  if (!(flags & MessageFlags.ACK_TLVS) || start >= end) return undefined;
  return extendedAckAttributes.decode(input, start, end);
}

function attributeAt(request: NetlinkRequest, offset: number): string | undefined {
  const { body, schema } = request;
  if (offset < 0 || offset >= body.length) return undefined;
  return schema?.locate?.(new Input(body), 0, body.length, offset, undefined).join(".") || undefined;
}

function missingAttribute(request: NetlinkRequest, type: number, nest: number): string | undefined {
  const { body, schema } = request;
  const path = schema?.nameWithin?.(new Input(body), 0, body.length, Math.max(nest, 0), type, undefined);
  return path ? path.join(".") : `attribute #${type}`;
}

function describePolicy(policy: AttributePolicy | undefined): string {
  if (!policy) return "";
  const min = policy.min ?? policy.minSigned;
  const max = policy.max ?? policy.maxSigned;
  if (min !== undefined && max !== undefined) return ` (it takes ${min} to ${max})`;
  if (policy.maxLength !== undefined) return ` (it takes at most ${policy.maxLength} bytes)`;
  return "";
}

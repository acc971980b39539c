import { ControlType, frame, MESSAGE_HEADER, MessageFlags, messageAt } from "./message.js";
import type { MessageTypes } from "./message-types.js";
import { extendedAckAttributes } from "./netlink-error.js";
import { rtnetlinkMessages } from "./rtnetlink/message-types.js";
import { Input, littleEndian, Output } from "./schema/bytes.js";
import type { Codec } from "./schema/codec.js";
import { NetlinkDecodeError, NetlinkEncodeError } from "./schema/errors.js";

/** A netlink message of any type, its numbers by name where they have one. */
export interface DecodedMessage {
  /** The type's constant, such as "RTM_NEWLINK"; "#77" where it has no name here. */
  readonly name: string;
  /** nlmsg_type. */
  readonly type: number;
  /** nlmsg_flags. */
  readonly flags: number;
  /** The flags by name, such as "NLM_F_MULTI", as they read for this type. */
  readonly flagNames: readonly string[];
  /** nlmsg_seq. */
  readonly sequence: number;
  /** nlmsg_pid: the port of the socket that the message is for or from. */
  readonly port: number;
  /** The fields of the struct at the body's start. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** The attributes by name, in their order; what is not known here is in `unknown`, byte for byte. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** The request that an error message repeats, or the whole body where it is not known how it reads. */
  readonly bytes?: Uint8Array;
}

/** What {@link encodeMessage} takes: {@link DecodedMessage}, of which the names of flags may be absent. */
export interface EncodableMessage {
  readonly name?: string;
  /** Default the type that `name` stands for. */
  readonly type?: number;
  readonly flags?: number;
  readonly sequence?: number;
  readonly port?: number;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly bytes?: Uint8Array;
}

const controlNames: Readonly<Record<number, string>> = {
  [ControlType.NOOP]: "NLMSG_NOOP",
  [ControlType.ERROR]: "NLMSG_ERROR",
  [ControlType.DONE]: "NLMSG_DONE",
  [ControlType.OVERRUN]: "NLMSG_OVERRUN",
};

/**
 * Decodes a whole message: its header, and its body as far as the family's types are known.
 * @param bytes one message; what its length leaves over may only be padding
 * @param types the family's messages, by default those of rtnetlink
 * @throws NetlinkDecodeError where the bytes are no well-formed message
 */
export function decodeMessage(bytes: Uint8Array, types: MessageTypes = rtnetlinkMessages): DecodedMessage {
  const input = new Input(bytes);
  const view = messageAt(input, 0, bytes.length);
  if (view.next < bytes.length)
    throw new NetlinkDecodeError(`${bytes.length - view.next} bytes after the message`, view.next);
  const body = bytes.subarray(view.start, view.end);
  const { type, flags, sequence, port } = view;
  const name = controlNames[type] ?? types.nameOf(type, body, flags) ?? `#${type}`;
  const common = { name, type, flags, flagNames: flagNames(type, flags, types), sequence, port };
  if (type === ControlType.ERROR || type === ControlType.DONE)
    return { ...common, ...decodeControl(input, type, flags, view.start, view.end) };
  return { ...common, ...decodeMessageBody(body, types.schemaOf(type, body, flags)) };
}

/** Decodes the messages that stand one after the other in received bytes. @throws NetlinkDecodeError */
export function* decodeMessages(
  bytes: Uint8Array,
  types: MessageTypes = rtnetlinkMessages,
): Generator<DecodedMessage> {
  const input = new Input(bytes);
  for (let at = 0; at < bytes.length; ) {
    const { next } = messageAt(input, at, bytes.length);
    yield decodeMessage(bytes.subarray(at, next), types);
    at = next;
  }
}

/**
 * Decodes a body without its message's header.
 * @param schema how it reads; where it is undefined, or the body does not have that form, the bytes are given back
 * @throws NetlinkDecodeError where the bytes are not well formed
 */
export function decodeMessageBody(
  body: Uint8Array,
  schema: Codec<unknown, never> | undefined,
): Pick<DecodedMessage, "header" | "attributes" | "bytes"> {
  const value = schema?.decode(new Input(body), 0, body.length, undefined);
  return value === undefined ? { bytes: body.slice() } : (value as DecodedMessage);
}

/**
 * Encodes a message, its header included: a decoded message gives the bytes that it was decoded from.
 * @param types the family's messages, by default those of rtnetlink
 * @throws NetlinkEncodeError where a value does not fit, or the type has no name here
 */
export function encodeMessage(
  message: EncodableMessage,
  types: MessageTypes = rtnetlinkMessages,
): Uint8Array {
  const { flags = 0, sequence = 0, port = 0 } = message;
  const type = message.type ?? typeOf(message.name ?? "", types);
  const bytes = frame(type, flags, sequence, encodeBody(message, type, types));
  new DataView(bytes.buffer).setUint32(12, port, littleEndian);
  return bytes;
}

function encodeBody(message: EncodableMessage, type: number, types: MessageTypes): Uint8Array {
  if (type === ControlType.ERROR || type === ControlType.DONE) return encodeControl(message, type);
  const { header, bytes } = message;
  if (bytes) return bytes;
  // Which attributes a message has may depend on the address family at its start: rtnetlink's first byte.
  const output = new Output();
  const schema = types.schemaOf(type, familyOf(header, type, types), message.flags);
  if (!schema) throw new NetlinkEncodeError(`a body of ${message.name ?? `#${type}`} must be given as bytes`);
  schema.encode(output, message as never, undefined);
  return output.finish();
}

/** The bytes that a schema is chosen by: rtnetlink's address family, generic netlink's command. */
function familyOf(
  header: Readonly<Record<string, unknown>> | undefined,
  type: number,
  types: MessageTypes,
): Uint8Array {
  if (typeof header?.command === "number") return Uint8Array.of(header.command);
  const schema = types.schemaOf(type, new Uint8Array(0));
  if (!schema || !header) return new Uint8Array(0);
  const output = new Output();
  schema.encode(output, { header } as never, undefined);
  return output.finish();
}

function typeOf(name: string, types: MessageTypes): number {
  for (const [type, control] of Object.entries(controlNames)) if (control === name) return Number(type);
  const type = types.typeOf(name) ?? (/^#[0-9]{1,5}$/.test(name) ? Number(name.slice(1)) : undefined);
  if (type === undefined) throw new NetlinkEncodeError(`there is no message type "${name}"`);
  return type;
}

// NLMSG_ERROR is an errno, the request's header and (unless capped) its body; NLMSG_DONE an errno. Attributes
// follow where the flags say so: include/uapi/linux/netlink.h, enum nlmsgerr_attrs.
function decodeControl(input: Input, type: number, flags: number, start: number, end: number) {
  const { view, bytes } = input;
  const least = type === ControlType.ERROR ? 4 + MESSAGE_HEADER : 4;
  if (end - start < least) return { bytes: bytes.slice(start, end) };
  const header: Record<string, unknown> = { error: view.getInt32(start, littleEndian) };
  let at = start + least;
  let repeated: Uint8Array | undefined;
  if (type === ControlType.ERROR) {
    const length = view.getUint32(start + 4, littleEndian);
    header.request = {
      length,
      type: view.getUint16(start + 8, littleEndian),
      flags: view.getUint16(start + 10, littleEndian),
      sequence: view.getUint32(start + 12, littleEndian),
      port: view.getUint32(start + 16, littleEndian),
    };
    const rest = flags & MessageFlags.CAPPED ? 0 : Math.max(0, length - MESSAGE_HEADER);
    if (rest > 0) {
      const to = flags & MessageFlags.ACK_TLVS ? Math.min(end, at + ((rest + 3) & ~3)) : end;
      repeated = bytes.slice(at, to);
      at = to;
    }
  }
  const details = flags & MessageFlags.ACK_TLVS ? extendedAckAttributes.decode(input, at, end) : undefined;
  if (!details && at < end) repeated = bytes.slice(start + least, end);
  return {
    header,
    ...(details ? { attributes: details } : {}),
    ...(repeated ? { bytes: repeated } : {}),
  };
}

function encodeControl(message: EncodableMessage, type: number): Uint8Array {
  const { header = {}, attributes, bytes } = message;
  if (header.error === undefined && bytes) return bytes;
  const output = new Output();
  const start = output.reserve(type === ControlType.ERROR ? 4 + MESSAGE_HEADER : 4);
  output.view.setInt32(start, Number(header.error ?? 0), littleEndian);
  if (type === ControlType.ERROR) {
    const request = (header.request ?? {}) as Readonly<Record<string, number>>;
    output.view.setUint32(start + 4, request.length ?? MESSAGE_HEADER, littleEndian);
    output.view.setUint16(start + 8, request.type ?? 0, littleEndian);
    output.view.setUint16(start + 10, request.flags ?? 0, littleEndian);
    output.view.setUint32(start + 12, request.sequence ?? 0, littleEndian);
    output.view.setUint32(start + 16, request.port ?? 0, littleEndian);
  }
  if (bytes) output.append(bytes);
  if (attributes) extendedAckAttributes.encode(output, attributes as never);
  return output.finish();
}

/** The names of a message's flags: include/uapi/linux/netlink.h, where several bits have one name for each verb. */
function flagNames(type: number, flags: number, types: MessageTypes): string[] {
  const verb = type === ControlType.ERROR || type === ControlType.DONE ? "acknowledge" : types.verbOf(type);
  const names: string[] = [];
  for (let bit = 1; bit <= 0x8000; bit <<= 1)
    if (flags & bit)
      names.push(commonFlags[bit] ?? (verb && verbFlags[verb][bit]) ?? `0x${bit.toString(16)}`);
  return names;
}

const commonFlags: Readonly<Record<number, string>> = {
  1: "NLM_F_REQUEST",
  2: "NLM_F_MULTI",
  4: "NLM_F_ACK",
  8: "NLM_F_ECHO",
  16: "NLM_F_DUMP_INTR",
  32: "NLM_F_DUMP_FILTERED",
};

const verbFlags: Readonly<
  Record<"get" | "new" | "delete" | "acknowledge", Readonly<Record<number, string>>>
> = {
  get: { 256: "NLM_F_ROOT", 512: "NLM_F_MATCH", 1024: "NLM_F_ATOMIC" },
  new: { 256: "NLM_F_REPLACE", 512: "NLM_F_EXCL", 1024: "NLM_F_CREATE", 2048: "NLM_F_APPEND" },
  delete: { 256: "NLM_F_NONREC", 512: "NLM_F_BULK" },
  acknowledge: { 256: "NLM_F_CAPPED", 512: "NLM_F_ACK_TLVS" },
};

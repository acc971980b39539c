import { endianness } from "node:os";
import { errno, Socket, SystemError } from "@weir/syscall";
import type { NetnsReference } from "./within.js";

// The little of rtnetlink that attaching takes; @weir/netlink is the library for all else.

const little = endianness() === "LE";
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLA_F_NESTED = 0x8000;
const NLMSGERR_ATTR_MSG = 1;

/** Flags of a request: include/uapi/linux/netlink.h. */
export const RequestFlag = { ECHO: 0x08, REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400 } as const;
const NLM_F_REQUEST = 0x01;
const NLM_F_ACK = 0x04;

/** An attribute to send: its number, and a text, a 32-bit number, bytes, or attributes nested in it. */
export type Attribute = readonly [type: number, value: string | number | Uint8Array | readonly Attribute[]];

/** A message that the kernel answered with: what follows its header. */
export interface Reply {
  readonly type: number;
  readonly body: DataView;
}

let sequence = 0;

/**
 * Sends one request and waits for its acknowledgement.
 * @param body the family's fixed header, such as struct tcmsg
 * @param action what is being done, as it reads after "could not"
 * @returns the messages that came before the acknowledgement: an echo, or what was asked for
 * @throws SystemError with the kernel's own words (extended ACK) where it has any
 */
export function request(
  netns: NetnsReference | undefined,
  type: number,
  flags: number,
  body: Uint8Array,
  attributes: readonly Attribute[],
  action: string,
): Reply[] {
  using socket = Socket.open(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, {
    ...(netns !== undefined && { netns }),
    name: "rtnetlink socket",
  });
  socket.setOption(SOL_NETLINK, NETLINK_EXT_ACK, 1);
  socket.setOption(SOL_NETLINK, NETLINK_CAP_ACK, 1);
  const number = ++sequence;
  socket.send(message(type, NLM_F_REQUEST | NLM_F_ACK | flags, number, body, attributes));
  const replies: Reply[] = [];
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const length = socket.receive(buffer);
    // A copy, since replies outlive the next receive.
    for (const reply of messages(buffer.slice(0, length))) {
      if (reply.sequence !== number) continue;
      if (reply.type === NLMSG_DONE) return replies;
      if (reply.type !== NLMSG_ERROR) {
        replies.push(reply);
        continue;
      }
      const error = reply.body.getInt32(0, little);
      if (error === 0) return replies;
      throw refusal(-error, reply, action);
    }
  }
}

/** The attributes that follow a message's fixed header of `offset` bytes, by number; the last of each. */
export function attributes(body: DataView, offset: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = offset; at + 4 <= body.byteLength; ) {
    const length = body.getUint16(at, little);
    if (length < 4 || at + length > body.byteLength) break;
    const type = body.getUint16(at + 2, little) & 0x3fff;
    found.set(type, new DataView(body.buffer, body.byteOffset + at + 4, length - 4));
    at += aligned(length);
  }
  return found;
}

/** A 32-bit number in host byte order, or undefined. */
export function number32(value: DataView | undefined): number | undefined {
  return value && value.byteLength >= 4 ? value.getUint32(0, little) : undefined;
}

/** Little-endian or not, for fixed headers. */
export const hostIsLittle = little;

function message(
  type: number,
  flags: number,
  number: number,
  body: Uint8Array,
  list: readonly Attribute[],
): Uint8Array {
  const payload = [body, ...list.map(encode)];
  const length = HEADER + payload.reduce((sum, part) => sum + aligned(part.length), 0);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, little);
  view.setUint16(4, type, little);
  view.setUint16(6, flags, little);
  view.setUint32(8, number, little);
  let at = HEADER;
  for (const part of payload) {
    bytes.set(part, at);
    at += aligned(part.length);
  }
  return bytes;
}

function encode([type, value]: Attribute): Uint8Array {
  const nested = Array.isArray(value);
  const content = nested
    ? Buffer.concat((value as Attribute[]).map(encode).map((part) => pad(part)))
    : bytesOf(value as string | number | Uint8Array);
  const bytes = new Uint8Array(4 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, bytes.length, little);
  view.setUint16(2, nested ? type | NLA_F_NESTED : type, little);
  bytes.set(content, 4);
  return bytes;
}

function bytesOf(value: string | number | Uint8Array): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(`${value}\0`);
  if (typeof value !== "number") return value;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value | 0, little);
  return bytes;
}

function* messages(bytes: Uint8Array): Generator<Reply & { sequence: number; flags: number }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, little);
    if (length < HEADER || at + length > bytes.length) return;
    yield {
      type: view.getUint16(at + 4, little),
      flags: view.getUint16(at + 6, little),
      sequence: view.getUint32(at + 8, little),
      body: new DataView(bytes.buffer, bytes.byteOffset + at + HEADER, length - HEADER),
    };
    at += aligned(length);
  }
}

function refusal(number: number, reply: Reply & { flags: number }, action: string): SystemError {
  return new SystemError({
    errno: number,
    syscall: "rtnetlink",
    action,
    ...hint(number, extendedAck(reply)),
  });
}

function hint(number: number, text: string | undefined): { hint?: string } {
  if (text) return { hint: `The kernel says: ${text.replace(/\.$/, "")}.` };
  return number === errno.EPERM ? { hint: "It takes CAP_NET_ADMIN in the network namespace." } : {};
}

/** The text of a refusal: struct nlmsgerr has the error, the request's header and, unless it is capped, all of it. */
function extendedAck(reply: Reply & { flags: number }): string | undefined {
  if ((reply.flags & NLM_F_ACK_TLVS) === 0) return undefined;
  const request = (reply.flags & NLM_F_CAPPED) === 0 ? aligned(reply.body.getUint32(4, little)) : HEADER;
  const text = attributes(reply.body, 4 + request).get(NLMSGERR_ATTR_MSG);
  if (!text) return undefined;
  return new TextDecoder().decode(text).replace(/\0.*$/s, "");
}

function pad(part: Uint8Array): Uint8Array {
  if (part.length % 4 === 0) return part;
  const padded = new Uint8Array(aligned(part.length));
  padded.set(part);
  return padded;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

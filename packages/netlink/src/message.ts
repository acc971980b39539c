import { type Input, littleEndian, Output } from "./schema/bytes.js";
import { NetlinkDecodeError } from "./schema/errors.js";

/** sizeof(struct nlmsghdr): include/uapi/linux/netlink.h. */
export const MESSAGE_HEADER = 16;

/** Message types below those of a family. */
export const ControlType = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;

/** Flags of a message: include/uapi/linux/netlink.h. Several bits mean different things by the kind of request. */
export const MessageFlags = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  ECHO: 0x8,
  /** The table changed while it was dumped. */
  DUMP_INTR: 0x10,
  ROOT: 0x100,
  MATCH: 0x200,
  /** Get everything: ROOT | MATCH. */
  DUMP: 0x300,
  /** Replace what is there. */
  REPLACE: 0x100,
  /** Fail with EEXIST where something is there. */
  EXCL: 0x200,
  /** Make it where nothing is there. */
  CREATE: 0x400,
  APPEND: 0x800,
  /** On an acknowledgement: the request is not repeated in it. */
  CAPPED: 0x100,
  /** On an acknowledgement: attributes of the extended acknowledgement follow. */
  ACK_TLVS: 0x200,
} as const;

/** A message within received bytes. */
export interface MessageView {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The port that the message answers to; 0 where the kernel speaks of itself. */
  readonly port: number;
  /** Where the body starts, after the header. */
  readonly start: number;
  readonly end: number;
  /** Where the next message starts. */
  readonly next: number;
}

/** Reads the message at a byte. @throws NetlinkDecodeError where there is none */
export function messageAt(input: Input, at: number, end: number): MessageView {
  const { view } = input;
  if (end - at < MESSAGE_HEADER)
    throw new NetlinkDecodeError(`${end - at} bytes where a message header belongs`, at);
  const length = view.getUint32(at, littleEndian);
  if (length < MESSAGE_HEADER || length > end - at)
    throw new NetlinkDecodeError(`a message claims ${length} bytes where ${end - at} are left`, at);
  return {
    type: view.getUint16(at + 4, littleEndian),
    flags: view.getUint16(at + 6, littleEndian),
    sequence: view.getUint32(at + 8, littleEndian),
    port: view.getUint32(at + 12, littleEndian),
    start: at + MESSAGE_HEADER,
    end: at + length,
    next: Math.min(at + ((length + 3) & ~3), end),
  };
}

/** Puts a message together: its header, and its body padded to four bytes. */
export function frame(type: number, flags: number, sequence: number, body: Uint8Array): Uint8Array {
  const output = new Output(MESSAGE_HEADER + ((body.length + 3) & ~3));
  appendFrame(output, type, flags, sequence, body);
  return output.finish();
}

/** As {@link frame}, after what was written before. */
export function appendFrame(
  output: Output,
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
): void {
  const start = output.reserve(MESSAGE_HEADER);
  const { view } = output;
  view.setUint32(start, MESSAGE_HEADER + body.length, littleEndian);
  view.setUint16(start + 4, type, littleEndian);
  view.setUint16(start + 6, flags, littleEndian);
  view.setUint32(start + 8, sequence, littleEndian);
  output.append(body);
  output.align();
}

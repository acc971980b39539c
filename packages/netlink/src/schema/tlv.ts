import { type Input, littleEndian, type Output } from "./bytes.js";
import { NetlinkEncodeError } from "./errors.js";

/** Flag of an attribute's type: its payload is a nest (include/uapi/linux/netlink.h). */
export const NLA_F_NESTED = 0x8000;
/** Flag of an attribute's type: its payload is in network byte order. */
export const NLA_F_NET_BYTEORDER = 0x4000;
/** The part of an attribute's type that is its number. */
export const NLA_TYPE_MASK = 0x3fff;
/** sizeof(struct nlattr). */
export const ATTRIBUTE_HEADER = 4;

/** Appends an attribute whose payload `payload` appends. */
export function put(output: Output, type: number, payload: () => void): void {
  const start = output.reserve(ATTRIBUTE_HEADER);
  payload();
  endAttribute(output, start, type);
}

/** Writes the header of the attribute that was begun at `start`, and whose payload has been written. */
export function endAttribute(output: Output, start: number, type: number): void {
  const length = output.length - start;
  if (length > 0xffff) throw new NetlinkEncodeError(`${length} bytes do not fit an attribute's 65535`);
  output.view.setUint16(start, length, littleEndian);
  output.view.setUint16(start + 2, type, littleEndian);
  output.align();
}

/** The attributes in bytes `start` to `end` as far as they are well formed. */
export function* walk(input: Input, start: number, end: number) {
  for (let at = start; at + ATTRIBUTE_HEADER <= end; ) {
    const length = input.view.getUint16(at, littleEndian);
    if (length < ATTRIBUTE_HEADER || at + length > end) return;
    const type = input.view.getUint16(at + 2, littleEndian);
    yield { at, from: at + ATTRIBUTE_HEADER, to: at + length, type };
    at = (at + length + 3) & ~3;
  }
}

/** A copy of the payload of the first attribute of that number. */
export function attributePayload(
  input: Input,
  start: number,
  end: number,
  id: number,
): Uint8Array | undefined {
  for (const { from, to, type } of walk(input, start, end))
    if ((type & NLA_TYPE_MASK) === id) return input.bytes.slice(from, to);
  return undefined;
}

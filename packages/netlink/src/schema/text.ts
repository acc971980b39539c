import type { Codec } from "./codec.js";
import { NetlinkEncodeError } from "./errors.js";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The text in bytes `start` to `end`, up to the first NUL. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  const stop = bytes.indexOf(0, start);
  return decoder.decode(bytes.subarray(start, stop < 0 || stop > end ? end : stop));
}

/** The text where the bytes are ASCII and the NUL is their last; undefined otherwise. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  const last = end - 1;
  if (last < start || bytes[last] !== 0) return undefined;
  for (let at = start; at < last; at++) {
    const byte = bytes[at] as number;
    if (byte === 0 || byte >= 0x80) return undefined;
  }
  // Nearly all are a device's name or a kind: a call into the decoder would take longer than all of this.
  const code = String.fromCharCode;
  let text = "";
  let at = start;
  for (; at + 4 <= last; at += 4)
    text += code(
      bytes[at] as number,
      bytes[at + 1] as number,
      bytes[at + 2] as number,
      bytes[at + 3] as number,
    );
  for (; at < last; at++) text += code(bytes[at] as number);
  return text;
}

function encodeText(value: string): Uint8Array {
  if (typeof value !== "string") throw new NetlinkEncodeError(`expected a string, not ${typeof value}`);
  if (value.includes("\0")) throw new NetlinkEncodeError("a string must not contain a NUL");
  return encoder.encode(value);
}

/** Text that ends with a NUL. A missing NUL, or bytes after it, are tolerated and survive a round trip. */
export const string: Codec<string> = {
  decode: (input, start, end) => asciiText(input.bytes, start, end) ?? textOf(input.bytes, start, end),
  encode: (output, value) => {
    output.append(encodeText(value));
    output.reserve(1);
  },
  exact: (input, start, end) => exactUtf8(input.bytes.subarray(start, end)),
};

function exactUtf8(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || bytes.indexOf(0) !== bytes.length - 1) return false;
  const again = encoder.encode(decoder.decode(bytes));
  return again.length === bytes.length && again.every((byte, index) => byte === bytes[index]);
}

/** Text of at most `capacity` bytes with its NUL: longer values are refused before the kernel sees them. */
export function stringUpTo(capacity: number): Codec<string> {
  return {
    ...string,
    encode: (output, value) => {
      const bytes = encodeText(value);
      if (bytes.length >= capacity)
        throw new NetlinkEncodeError(`"${value}" is longer than ${capacity - 1} bytes`);
      output.append(bytes);
      output.reserve(1);
    },
  };
}

import type { Codec } from "./codec.js";
import { NetlinkEncodeError } from "./errors.js";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The text in bytes `start` to `end`, up to the first NUL. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === 0) return text;
    if (byte >= 0x80) {
      const stop = bytes.indexOf(0, at);
      return decoder.decode(bytes.subarray(start, stop < 0 || stop > end ? end : stop));
    }
    text += String.fromCharCode(byte);
  }
  return text;
}

function encodeText(value: string): Uint8Array {
  if (typeof value !== "string") throw new NetlinkEncodeError(`expected a string, not ${typeof value}`);
  if (value.includes("\0")) throw new NetlinkEncodeError("a string must not contain a NUL");
  return encoder.encode(value);
}

/** Text that ends with a NUL. A missing NUL, or bytes after it, are tolerated and survive a round trip. */
export const string: Codec<string> = {
  decode: (input, start, end) => textOf(input.bytes, start, end),
  encode: (output, value) => {
    output.append(encodeText(value));
    output.reserve(1);
  },
  exact: (input, start, end) => {
    for (let at = start; at < end; at++) {
      const byte = input.bytes[at] as number;
      if (byte === 0) return at === end - 1;
      // Rarer than a name, so it may cost: bytes that are no UTF-8 would come back as replacement characters.
      if (byte >= 0x80) return exactUtf8(input.bytes.subarray(start, end));
    }
    return false;
  },
};

function exactUtf8(bytes: Uint8Array): boolean {
  if (bytes.indexOf(0) !== bytes.length - 1) return false;
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

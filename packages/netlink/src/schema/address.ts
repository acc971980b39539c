import { type Codec, once } from "./codec.js";
import { NetlinkEncodeError } from "./errors.js";

/** The address families that have addresses here: AF_INET and AF_INET6 of include/linux/socket.h. */
export const AddressFamily = { unspec: 0, ipv4: 2, ipv6: 10 } as const;

const DOT = 0x2e;

/** What `text` gives for each byte, made at the first use. */
const table = (text: (byte: number) => string) =>
  once(() => Array.from({ length: 256 }, (_, byte) => text(byte)));
const decimals = table(String);
const hexes = table((byte) => byte.toString(16).padStart(2, "0"));
const hexesWithColon = table((byte) => `${hexes()[byte]}:`);

// Of the addresses in a table most begin like the one before.
let lastStart = 0;
let lastStartText = "0.0.0.";

/** Four bytes as a dotted quad. */
export function formatIpv4(bytes: Uint8Array, at = 0): string {
  const first = bytes[at] as number;
  const second = bytes[at + 1] as number;
  const third = bytes[at + 2] as number;
  const start = (first << 16) | (second << 8) | third;
  if (start !== lastStart) {
    lastStart = start;
    lastStartText = `${first}.${second}.${third}.`;
  }
  return lastStartText + decimals()[bytes[at + 3] as number];
}

/** Sixteen bytes as RFC 5952 writes an IPv6 address. */
export function formatIpv6(bytes: Uint8Array, at = 0): string {
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2)
    groups.push(((bytes[at + index] as number) << 8) | (bytes[at + index + 1] as number));
  // ::ffff:a.b.c.d, section 5 of the RFC.
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0))
    return `::ffff:${formatIpv4(bytes, at + 12)}`;
  let start = -1;
  let length = 1;
  for (let index = 0; index < 8; index++) {
    let run = 0;
    while (index + run < 8 && groups[index + run] === 0) run++;
    if (run > length) {
      start = index;
      length = run;
    }
    index += run;
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  return start < 0 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let part = 0;
  let value = -1;
  // By hand: adding routes is mostly this.
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : DOT;
    if (code === DOT) {
      if (value < 0 || part === 4) return undefined;
      bytes[part++] = value;
      value = -1;
    } else {
      // No leading zero: some parsers read such a part as octal.
      if (code < 0x30 || code > 0x39 || value === 0) return undefined;
      value = Math.max(value, 0) * 10 + code - 0x30;
      if (value > 255) return undefined;
    }
  }
  return part === 4 ? bytes : undefined;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  let head = text;
  let tail: Uint8Array | undefined;
  const dotted = text.lastIndexOf(":") + 1;
  if (text.includes(".")) {
    tail = ipv4Bytes(text.slice(dotted));
    if (!tail) return undefined;
    head = `${text.slice(0, dotted)}0:0`;
  }
  const halves = head.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const given = groups.reduce((sum, half) => sum + half.length, 0);
  if (halves.length === 2 ? given > 7 : given !== 8) return undefined;
  const zeros = Array.from({ length: 8 - given }, () => "0");
  const all = halves.length === 2 ? [...groups[0]!, ...zeros, ...groups[1]!] : groups[0]!;
  const bytes = new Uint8Array(16);
  for (const [index, group] of all.entries()) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes[index * 2] = value >> 8;
    bytes[index * 2 + 1] = value & 0xff;
  }
  if (tail) bytes.set(tail, 12);
  return bytes;
}

/** An IP address as bytes, with the family that its text says: a colon makes it IPv6, mapped addresses too. */
export interface ParsedAddress {
  readonly family: "ipv4" | "ipv6";
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
}

/** Reads "192.0.2.1" or "2001:db8::1". @throws NetlinkEncodeError where the text is neither */
export function parseAddress(text: string): ParsedAddress {
  if (typeof text === "string") {
    const ipv6 = text.includes(":");
    const bytes = ipv6 ? ipv6Bytes(text) : ipv4Bytes(text);
    if (bytes) return { family: ipv6 ? "ipv6" : "ipv4", bytes };
  }
  throw new NetlinkEncodeError(`"${text}" is not an IP address`);
}

/** Reads "192.0.2.1/24"; without a length the address is taken as a single host. @throws NetlinkEncodeError */
export function parsePrefix(text: string): ParsedAddress & { readonly prefixLength: number } {
  const slash = typeof text === "string" ? text.indexOf("/") : -1;
  const { family, bytes } = parseAddress(slash < 0 ? text : text.slice(0, slash));
  const bits = bytes.length * 8;
  if (slash < 0) return { family, bytes, prefixLength: bits };
  const length = text.slice(slash + 1);
  if (!/^[0-9]{1,3}$/.test(length) || Number(length) > bits)
    throw new NetlinkEncodeError(`"${text}" has no prefix length from 0 to ${bits}`);
  return { family, bytes, prefixLength: Number(length) };
}

/** An IPv4 or IPv6 address as text; which of the two, the payload's length says. */
export const ipAddress: Codec<string> = {
  decode: (input, start, end) => {
    if (end - start === 4) return formatIpv4(input.bytes, start);
    return end - start === 16 ? formatIpv6(input.bytes, start) : undefined;
  },
  encode: (output, value) => output.append(parseAddress(value).bytes),
};

/** A link-layer address of any length as text: "02:00:00:00:00:01". */
export const linkLayerAddress: Codec<string> = {
  decode: (input, start, end) => {
    if (end - start > 32) return undefined; // MAX_ADDR_LEN, include/linux/netdevice.h
    const { bytes } = input;
    const all = hexesWithColon();
    let text = "";
    const last = end - 1;
    for (let at = start; at < last; at++) text += all[bytes[at] as number];
    return end > start ? text + hexes()[bytes[last] as number] : text;
  },
  encode: (output, value) => {
    if (typeof value !== "string" || !/^([0-9a-f]{2}(:[0-9a-f]{2})*)?$/i.test(value))
      throw new NetlinkEncodeError(
        `"${String(value)}" is not a link-layer address such as 02:00:00:00:00:01`,
      );
    if (value !== "") output.append(Uint8Array.from(value.split(":"), (part) => Number.parseInt(part, 16)));
  },
};

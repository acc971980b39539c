import { binary, type Codec, type Fixed, mapped, u16be, u32, u64 } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { enumeration, flags } from "../schema/names.js";

/** The largest 32-bit value, which tc takes as "no limit", or as "see the 64-bit attribute". */
export const MAX_U32 = 0xffff_ffff;

/** Bits per second, as the API has them, in the bytes per second of the wire: rounded down to a whole byte. */
export function toBytesPerSecond(bitsPerSecond: bigint | number): bigint {
  if (typeof bitsPerSecond === "number" && !Number.isSafeInteger(bitsPerSecond))
    throw new NetlinkEncodeError(`${bitsPerSecond} is not a whole number of bits per second`);
  const bits = BigInt(bitsPerSecond);
  if (bits < 8n) throw new NetlinkEncodeError(`${bits} bit/s is less than the 8 bit/s that tc can express`);
  return bits / 8n;
}

/** Bytes per second in 32 bits as bits per second; the largest value means unlimited. */
export const bitRate32: Codec<bigint | "unlimited", bigint | number | "unlimited"> = mapped(
  u32,
  (bytes) => (bytes === MAX_U32 ? ("unlimited" as const) : BigInt(bytes) * 8n),
  (bits) => {
    if (bits === "unlimited") return MAX_U32;
    // 0 is what fq reports for a rate that was never set.
    const bytes = BigInt(bits) === 0n ? 0n : toBytesPerSecond(bits);
    if (bytes >= BigInt(MAX_U32))
      throw new NetlinkEncodeError(`${bits} bit/s is more than the ${BigInt(MAX_U32 - 1) * 8n} that fit`);
    return Number(bytes);
  },
);

/** Bytes per second in 64 bits as bits per second. */
export const bitRate64: Codec<bigint, bigint | number> = mapped(
  u64,
  (bytes) => bytes * 8n,
  (bits: bigint | number) => (BigInt(bits) === 0n ? 0n : toBytesPerSecond(bits)),
);

/** As {@link bitRate64}, where 0 on the wire means unlimited. */
export const bitRateOrUnlimited: Codec<bigint | "unlimited", bigint | number | "unlimited"> = mapped(
  u64,
  (bytes) => (bytes === 0n ? ("unlimited" as const) : bytes * 8n),
  (bits) => (bits === "unlimited" ? 0n : toBytesPerSecond(bits)),
);

/** A probability in 32 bits, 2^32 - 1 being certainty, as a number from 0 to 1: as tc(8) rounds it. */
export const probability32: Fixed<number> = {
  ...u32,
  read: (input, at) => u32.read(input, at) / MAX_U32,
  write: (output, at, value) => u32.write(output, at, toProbability(value)),
  decode: (input, start, end) => (end - start === 4 ? u32.read(input, start) / MAX_U32 : undefined),
  encode: (output, value) => u32.encode(output, toProbability(value), undefined),
};

function toProbability(value: number): number {
  if (!(value >= 0 && value <= 1)) throw new NetlinkEncodeError(`${value} is not a probability from 0 to 1`);
  // A half goes to the even neighbour, as with rint(3).
  const scaled = value * MAX_U32;
  const below = Math.floor(scaled);
  return scaled - below === 0.5 ? below + (below % 2) : Math.round(scaled);
}

/** Which protocol a filter looks at: ETH_P_* of include/uapi/linux/if_ether.h. */
export const etherProtocol = enumeration(u16be, {
  all: 0x0003,
  ip: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  vlan: 0x8100,
  ipv6: 0x86dd,
  mpls: 0x8847,
  mplsMulticast: 0x8848,
  pppoeDiscovery: 0x8863,
  pppoeSession: 0x8864,
  "802.1ad": 0x88a8,
  lldp: 0x88cc,
});

/** Where a filter runs, TCA_CLS_FLAGS_*. */
export const offloadFlags = flags(u32, {
  skipHardware: 1,
  skipSoftware: 2,
  inHardware: 4,
  notInHardware: 8,
  verbose: 16,
});

/** A program's tag, eight bytes in hexadecimal. */
export const programTag = mapped(
  binary,
  (bytes) => Buffer.from(bytes).toString("hex"),
  (text: string) => Uint8Array.from(Buffer.from(text, "hex")),
);

import { type Codec, mapped, u32 } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";

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

import { hostLittleEndian } from "../asm.js";
import { type Codec, nodeCodec } from "./codec.js";
import { integer } from "./codec-nodes.js";

// Codecs for maps, rings and programs that have no BTF: integers in the byte order of this machine.

/** `__u8`, a number. */
export const u8Codec: Codec<number> = nodeCodec(integer(1, false, hostLittleEndian));
/** `__u16`, a number. */
export const u16Codec: Codec<number> = nodeCodec(integer(2, false, hostLittleEndian));
/** `__u32`, a number. */
export const u32Codec: Codec<number> = nodeCodec(integer(4, false, hostLittleEndian));
/** `__u64`, a bigint. */
export const u64Codec: Codec<bigint> = nodeCodec(integer(8, false, hostLittleEndian));
/** `__s8`, a number. */
export const s8Codec: Codec<number> = nodeCodec(integer(1, true, hostLittleEndian));
/** `__s16`, a number. */
export const s16Codec: Codec<number> = nodeCodec(integer(2, true, hostLittleEndian));
/** `__s32` or `int`, a number. */
export const s32Codec: Codec<number> = nodeCodec(integer(4, true, hostLittleEndian));
/** `__s64`, a bigint. */
export const s64Codec: Codec<bigint> = nodeCodec(integer(8, true, hostLittleEndian));

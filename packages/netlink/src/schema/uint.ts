import { littleEndian } from "./bytes.js";
import { type Codec, u32, u64 } from "./codec.js";

/** A number of 4 or 8 bytes, whichever it needs, as the kernel's nla_put_uint writes it. */
export const uint: Codec<bigint, bigint | number> = {
  decode: (input, start, end) =>
    end - start === 4
      ? BigInt(input.view.getUint32(start, littleEndian))
      : end - start === 8
        ? input.view.getBigUint64(start, littleEndian)
        : undefined,
  encode: (output, value) => {
    if (BigInt(value) <= 0xffff_ffffn) u32.encode(output, Number(value), undefined);
    else u64.encode(output, value, undefined);
  },
  exact: (input, start, end) =>
    end - start === 4 || input.view.getBigUint64(start, littleEndian) > 0xffff_ffffn,
};

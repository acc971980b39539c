import type { Codec } from "./codec.js";
import { NLA_TYPE_MASK, put, walk } from "./tlv.js";

/** A nest whose attributes are the elements of an array, all of the same type. */
export function listed<Out, In>(codec: Codec<Out, In>, type = 0): Codec<Out[], readonly In[]> {
  const flags = codec.typeFlags ?? 0;
  return {
    nests: true,
    decode: (input, start, end, scope) => {
      const values: Out[] = [];
      let done = start;
      for (const one of walk(input, start, end)) {
        const fits = (one.type & NLA_TYPE_MASK) === type;
        const value = fits ? codec.decode(input, one.from, one.to, scope) : undefined;
        if (value === undefined) return undefined;
        values.push(value);
        done = (one.to + 3) & ~3;
      }
      return done >= end ? values : undefined;
    },
    encode: (output, values, scope) => {
      for (const value of values) put(output, type | flags, () => codec.encode(output, value, scope));
    },
    locate: (input, start, end, offset, scope) => {
      let index = 0;
      for (const { at, from, to } of walk(input, start, end)) {
        if (offset >= at && offset < to)
          return [
            String(index),
            ...(offset < from ? [] : (codec.locate?.(input, from, to, offset, scope) ?? [])),
          ];
        index++;
      }
      return [];
    },
    nameWithin: (input, start, end, nest, missing, scope) => {
      let index = 0;
      for (const { at, from, to } of walk(input, start, end)) {
        if (nest >= at && nest < to)
          return [
            String(index),
            ...(codec.nameWithin?.(input, from, to, nest === at ? from : nest, missing, scope) ?? [
              `#${missing}`,
            ]),
          ];
        index++;
      }
      return undefined;
    },
    exact: (input, start, end) => {
      for (const one of walk(input, start, end)) if (one.type !== (type | flags)) return false;
      return true;
    },
  };
}

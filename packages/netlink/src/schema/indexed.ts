import type { Codec } from "./codec.js";
import { put, walk } from "./tlv.js";

/** A nest whose attributes are the elements of an array, their types counting from `first`. */
export function indexed<Out, In>(codec: Codec<Out, In>, first = 1): Codec<Out[], readonly In[]> {
  return {
    nests: true,
    decode: (input, start, end, scope) => {
      const values: Out[] = [];
      let done = start;
      for (const { from, to, type } of walk(input, start, end)) {
        const value = type === first + values.length ? codec.decode(input, from, to, scope) : undefined;
        if (value === undefined) return undefined;
        values.push(value);
        done = (to + 3) & ~3;
      }
      return done >= end ? values : undefined;
    },
    encode: (output, values, scope) => {
      for (const [index, value] of values.entries())
        put(output, first + index, () => codec.encode(output, value, scope));
    },
    locate: (input, start, end, offset, scope) => {
      for (const { at, from, to, type } of walk(input, start, end))
        if (offset >= at && offset < to)
          return [
            String(type - first),
            ...(offset < from ? [] : (codec.locate?.(input, from, to, offset, scope) ?? [])),
          ];
      return [];
    },
    nameWithin: (input, start, end, nest, type, scope) => {
      for (const { at, from, to, type: index } of walk(input, start, end))
        if (nest >= at && nest < to)
          return [
            String(index - first),
            ...(codec.nameWithin?.(input, from, to, nest === at ? from : nest, type, scope) ?? [`#${type}`]),
          ];
      return undefined;
    },
  };
}

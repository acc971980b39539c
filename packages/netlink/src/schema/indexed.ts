import type { Codec } from "./codec.js";
import { NLA_TYPE_MASK, put, walk } from "./tlv.js";

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

/** One attribute of a nest whose attribute types are numbers rather than names. */
export interface Keyed<Value> {
  readonly key: number;
  readonly value: Value;
}

/** A nest whose attribute types mean something of their own, such as a command's or an attribute's number. */
export function keyed<Out, In>(codec: Codec<Out, In>): Codec<Keyed<Out>[], readonly Keyed<In>[]> {
  return {
    nests: true,
    decode: (input, start, end, scope) => {
      const values: Keyed<Out>[] = [];
      let done = start;
      for (const { from, to, type } of walk(input, start, end)) {
        const value = codec.decode(input, from, to, scope);
        if (value === undefined) return undefined;
        values.push({ key: type & NLA_TYPE_MASK, value });
        done = (to + 3) & ~3;
      }
      return done >= end ? values : undefined;
    },
    encode: (output, values, scope) => {
      for (const { key, value } of values)
        put(output, key | (codec.typeFlags ?? 0), () => codec.encode(output, value, scope));
    },
    exact: (input, start, end) => {
      for (const { type } of walk(input, start, end))
        if ((type & ~NLA_TYPE_MASK) !== (codec.typeFlags ?? 0)) return false;
      return true;
    },
  };
}

import { type Codec, type Fixed, mapped, u64 } from "./codec.js";
import { NetlinkEncodeError } from "./errors.js";

type Whole = number | bigint;

/** A value by its name; a number that has no name stays a number. */
export type Named<Names extends string> = Names | number;

/**
 * A number that stands for a name, as a C enum does. Decoding gives the name, or the number where it has none;
 * encoding takes either.
 */
export function enumeration<const Names extends Readonly<Record<string, number>>>(
  base: Fixed<number>,
  names: Names,
): Fixed<Named<keyof Names & string>> & { readonly names: Names } {
  // Made at the first use: a process uses few of the many enums that it declares.
  let byNumber: Map<number, string> | undefined;
  const toName = (number: number): string | number => {
    byNumber ??= new Map(Object.entries(names).map(([name, value]) => [value, name] as const));
    return byNumber.get(number) ?? number;
  };
  const toNumber = (value: string | number): number => {
    if (typeof value === "number") return value;
    const number = Object.hasOwn(names, value) ? names[value] : undefined;
    if (number === undefined)
      throw new NetlinkEncodeError(`"${value}" is none of ${Object.keys(names).join(", ")}`);
    return number;
  };
  return {
    names,
    size: base.size,
    align: base.align,
    read: (input, offset) => toName(base.read(input, offset)),
    write: (output, offset, value) => base.write(output, offset, toNumber(value)),
    decode: (input, start, end, scope) => {
      const number = base.decode(input, start, end, scope);
      return number === undefined ? undefined : toName(number);
    },
    encode: (output, value, scope) => base.encode(output, toNumber(value), scope),
  } as Fixed<Named<keyof Names & string>> & { readonly names: Names };
}

/** A set of flags by name; a bit without a name appears as its value in hexadecimal: "0x10000". */
export type FlagNames<Names extends string> = readonly (Names | `0x${string}`)[];

// The kernel uses few combinations; mutated bytes must not fill the memory.
const CACHED_SETS = 512;

/**
 * A number whose bits have names. Decoding gives a frozen array of names in order of the bits; encoding takes
 * such an array, or the number.
 */
export function flags<const Names extends Readonly<Record<string, number>>>(
  base: Fixed<number>,
  names: Names,
): Fixed<FlagNames<keyof Names & string>, FlagNames<keyof Names & string> | number> & {
  readonly names: Names;
} {
  let cache: Map<number, readonly string[]> | undefined;
  let entries: [string, number][] | undefined;
  const toNames = (number: number): readonly string[] => {
    cache ??= new Map();
    const known = cache.get(number);
    if (known) return known;
    entries ??= Object.entries(names).sort(([, a], [, b]) => a - b);
    const found: string[] = [];
    let rest = BigInt(number);
    for (const [name, bit] of entries) {
      if ((BigInt(number) & BigInt(bit)) !== BigInt(bit)) continue;
      found.push(name);
      rest &= ~BigInt(bit);
    }
    for (let bit = 1n; bit <= rest; bit <<= 1n) if (rest & bit) found.push(`0x${bit.toString(16)}`);
    if (cache.size < CACHED_SETS) cache.set(number, Object.freeze(found));
    return found;
  };
  const toNumber = (value: readonly string[] | number): number => {
    if (typeof value === "number") return value;
    let sum = 0n;
    for (const name of value) {
      const bit: Whole | undefined = Object.hasOwn(names, name)
        ? names[name]
        : /^0x[0-9a-f]{1,8}$/.test(name)
          ? Number(name)
          : undefined;
      if (bit === undefined)
        throw new NetlinkEncodeError(`flag "${name}" is none of ${Object.keys(names).join(", ")}`);
      sum |= BigInt(bit);
    }
    return Number(sum);
  };
  type Names_ = FlagNames<keyof Names & string>;
  return {
    names,
    size: base.size,
    align: base.align,
    read: (input, offset) => toNames(base.read(input, offset)) as Names_,
    write: (output, offset, value) => base.write(output, offset, toNumber(value)),
    decode: (input, start, end, scope) => {
      const number = base.decode(input, start, end, scope);
      return number === undefined ? undefined : (toNames(number) as Names_);
    },
    encode: (output, value, scope) => base.encode(output, toNumber(value), scope),
  };
}

/** As {@link flags}, of 64 bits; a bit without a name appears as its value in hexadecimal. */
export function flags64<const Names extends Readonly<Record<string, bigint>>>(
  names: Names,
): Codec<FlagNames<keyof Names & string>, FlagNames<keyof Names & string> | bigint> {
  return mapped(
    u64,
    (value) => {
      const found: string[] = [];
      let rest = value;
      for (const [name, bit] of Object.entries(names)) {
        if ((value & bit) === 0n) continue;
        found.push(name);
        rest &= ~bit;
      }
      for (let bit = 1n; bit <= rest; bit <<= 1n) if (rest & bit) found.push(`0x${bit.toString(16)}`);
      return found as FlagNames<keyof Names & string>;
    },
    (value: FlagNames<keyof Names & string> | bigint) => {
      if (typeof value === "bigint") return value;
      return value.reduce((sum, name) => {
        const bit = Object.hasOwn(names, name)
          ? names[name]
          : /^0x[0-9a-f]{1,16}$/.test(name)
            ? BigInt(name)
            : undefined;
        if (bit === undefined)
          throw new NetlinkEncodeError(`flag "${name}" is none of ${Object.keys(names).join(", ")}`);
        return sum | bit;
      }, 0n);
    },
  );
}

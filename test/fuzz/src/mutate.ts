import type { Random } from "./random.js";

/** A number in a file: a mutation that knows of it changes the whole of it, and to a value that means something. */
export interface Field {
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
}

/** A file to mutate. */
export interface Original {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly fields: readonly Field[];
}

/** Numbers that overflow, wrap or lie at an edge. */
const edges = [
  0n,
  1n,
  2n,
  7n,
  8n,
  0x7fn,
  0x80n,
  0xffn,
  0xff00n,
  0xfff1n,
  0xffffn,
  0x1_0000n,
  0xff_ffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fff8n,
  0xffff_ffffn,
  0x1_0000_0000n,
  2n ** 53n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** A copy of a file with one to five things wrong. */
export function mutate(original: Original, random: Random): Uint8Array {
  let bytes = new Uint8Array(original.bytes);
  const count = 1 + random.below(random.below(4) + 1) + (random.below(8) === 0 ? 1 : 0);
  for (let i = 0; i < count; i++) bytes = mutateOnce(original, bytes, random);
  return bytes;
}

function mutateOnce(
  original: Original,
  bytes: Uint8Array<ArrayBuffer>,
  random: Random,
): Uint8Array<ArrayBuffer> {
  const kind = random.below(100);
  if (kind < 65 && original.fields.length > 0) changeField(original, bytes, random);
  else if (kind < 85) flip(bytes, random);
  else if (kind < 92) copyBlock(bytes, random);
  else if (kind < 96) fillBlock(bytes, random);
  else if (kind < 99) return bytes.slice(0, random.below(bytes.length + 1));
  else return longer(bytes, random);
  return bytes;
}

function changeField({ fields, littleEndian }: Original, bytes: Uint8Array, random: Random): void {
  const field = random.pick(fields);
  if (field.at + field.size > bytes.length) return;
  const old = read(bytes, field, littleEndian);
  write(bytes, field, littleEndian, newValue(old, fields, bytes, littleEndian, random));
}

function newValue(
  old: bigint,
  fields: readonly Field[],
  bytes: Uint8Array,
  littleEndian: boolean,
  random: Random,
): bigint {
  switch (random.below(8)) {
    case 0:
    case 1:
      return random.pick(edges);
    case 2:
      return old + BigInt(random.below(17) - 8);
    case 3:
      return old ^ (1n << BigInt(random.below(64)));
    case 4: {
      // What another field says: an offset where a size is wanted, the same index twice.
      const other = random.pick(fields);
      return other.at + other.size <= bytes.length ? read(bytes, other, littleEndian) : 0n;
    }
    case 5:
      return BigInt(bytes.length + random.below(17) - 8);
    case 6:
      return BigInt(random.below(bytes.length + 1));
    default:
      return BigInt(random.u32());
  }
}

function read(bytes: Uint8Array, { at, size }: Field, littleEndian: boolean): bigint {
  let value = 0n;
  for (let i = 0; i < size; i++) {
    value = (value << 8n) | BigInt(bytes[littleEndian ? at + size - 1 - i : at + i]!);
  }
  return value;
}

function write(bytes: Uint8Array, { at, size }: Field, littleEndian: boolean, value: bigint): void {
  let rest = BigInt.asUintN(size * 8, value);
  for (let i = 0; i < size; i++) {
    bytes[littleEndian ? at + i : at + size - 1 - i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

function flip(bytes: Uint8Array, random: Random): void {
  if (bytes.length === 0) return;
  const at = random.below(bytes.length);
  bytes[at] = random.below(2) === 0 ? bytes[at]! ^ (1 << random.below(8)) : random.below(256);
}

function copyBlock(bytes: Uint8Array, random: Random): void {
  const length = Math.min(bytes.length, 1 + random.below(64));
  const from = random.below(bytes.length - length + 1);
  bytes.copyWithin(random.below(bytes.length - length + 1), from, from + length);
}

function fillBlock(bytes: Uint8Array, random: Random): void {
  const at = random.below(bytes.length + 1);
  bytes.fill(random.pick([0, 0xff, 0x41]), at, at + 1 + random.below(32));
}

function longer(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length + random.below(256));
  result.set(bytes);
  return result;
}

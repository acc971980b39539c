/** A type as 32-bit words, where a string stands for the offset of a name. */
export type TypeWords = readonly (number | string)[];

/** `btf_type.info`. */
export function info(kind: number, vlen = 0, flag = false): number {
  return ((kind << 24) | vlen | (flag ? 0x8000_0000 : 0)) >>> 0;
}

/** BTF made by hand, little-endian: types in the order of their ids, from 1. */
export function btfBlob(types: readonly TypeWords[]): Uint8Array {
  const encoder = new TextEncoder();
  const offsets = new Map([["", 0]]);
  const strings = [0];
  for (const word of types.flat()) {
    if (typeof word !== "string" || offsets.has(word)) continue;
    offsets.set(word, strings.length);
    strings.push(...encoder.encode(word), 0);
  }
  const words = types.flat();
  const bytes = new Uint8Array(24 + words.length * 4 + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, 24, true);
  view.setUint32(12, words.length * 4, true);
  view.setUint32(16, words.length * 4, true);
  view.setUint32(20, strings.length, true);
  words.forEach((word, i) => {
    view.setUint32(24 + i * 4, (typeof word === "string" ? offsets.get(word)! : word) >>> 0, true);
  });
  bytes.set(strings, 24 + words.length * 4);
  return bytes;
}

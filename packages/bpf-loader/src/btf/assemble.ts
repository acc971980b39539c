import { hostLittleEndian } from "../byte-order.js";
import type { Btf } from "./btf.js";
import { referencesOf, swapWords } from "./layout.js";

/** Some types, all that they refer to, and the tags of all these, in ascending order of their ids. */
export function closure(btf: Btf, ids: Iterable<number>): number[] {
  const found = new Set<number>();
  const stack: number[] = [];
  const visit = (id: number) => {
    if (id === 0 || found.has(id)) return;
    found.add(id);
    stack.push(id);
  };
  for (const id of ids) visit(id);
  const tags = tagsByTarget(btf);
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    const words = btf.words(id);
    for (const at of referencesOf(words, 0).types) visit(words[at]!);
    for (const tag of tags?.get(id) ?? []) {
      visit(tag);
      // The kernel looks the struct up by its name (btf_find_graph_root, kernel/bpf/btf.c).
      const contained = /^contains:([^:]*):/.exec(btf.name(tag))?.[1];
      if (contained !== undefined) visit(btf.find(contained, "struct")?.id ?? 0);
    }
  }
  return [...found].sort((a, b) => a - b);
}

/** BTF of these types, words in host byte order, and strings. */
export function assembleBtf(types: Uint32Array, strings: Uint8Array, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(24 + types.byteLength + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, littleEndian);
  view.setUint8(2, 1);
  view.setUint32(4, 24, littleEndian);
  view.setUint32(12, types.byteLength, littleEndian);
  view.setUint32(16, types.byteLength, littleEndian);
  view.setUint32(20, strings.length, littleEndian);
  const words = new Uint32Array(bytes.buffer, 24, types.length);
  words.set(types);
  if (littleEndian !== hostLittleEndian) swapWords(words);
  bytes.set(strings, 24 + types.byteLength);
  return bytes;
}

function tagsByTarget(btf: Btf): Map<number, number[]> | undefined {
  if (!btf.hasKind("decl_tag")) return undefined;
  const tags = new Map<number, number[]>();
  for (const { id, type } of btf.typesOf("decl_tag")) {
    const known = tags.get(type);
    if (known) known.push(id);
    else tags.set(type, [id]);
  }
  return tags;
}

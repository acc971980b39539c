import { hostLittleEndian } from "../byte-order.js";
import type { Btf } from "./btf.js";
import { swapWords, visitReferences } from "./layout.js";

/** Some types, all that they refer to, and the tags of all these, in ascending order of their ids. */
export function closure(btf: Btf, ids: Iterable<number>): Uint32Array {
  const seen = new Uint8Array(btf.typeCount + 1);
  // Those that are found; what they refer to is looked at from `next` on.
  const found: number[] = [];
  const visit = (id: number) => {
    if (id === 0 || seen[id] === 1) return;
    seen[id] = 1;
    found.push(id);
  };
  for (const id of ids) visit(id);
  const tags = tagsByTarget(btf);
  let words: Uint32Array = new Uint32Array();
  const visitType = (word: number) => visit(words[word]!);
  for (let next = 0; next < found.length; next++) {
    const id = found[next]!;
    const record = recordOf(btf, id);
    words = record.words;
    visitReferences(words, record.at, ignore, visitType);
    for (const tag of tags?.get(id) ?? []) {
      visit(tag);
      // The kernel looks the struct up by its name (btf_find_graph_root, kernel/bpf/btf.c).
      const contained = /^contains:([^:]*):/.exec(btf.name(tag))?.[1];
      if (contained !== undefined) visit(btf.find(contained, "struct")?.id ?? 0);
    }
  }
  return Uint32Array.from(found).sort();
}

function ignore(): void {}

/** The words that a type lies among, and the first of its own. Throws {@link BtfError} if there is no such type. */
export function recordOf(btf: Btf, id: number): { readonly words: Uint32Array; readonly at: number } {
  if (btf.base && id < btf.firstId) return recordOf(btf.base, id);
  const { words, typesStart } = btf.parts;
  return { words, at: (btf.offsetOf(id) - typesStart) / 4 };
}

/** BTF of these types, words in host byte order, and strings. */
export function assembleBtf(types: Uint32Array, strings: Uint8Array, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(BTF_HEADER_SIZE + types.byteLength + strings.length);
  new Uint32Array(bytes.buffer, BTF_HEADER_SIZE, types.length).set(types);
  bytes.set(strings, BTF_HEADER_SIZE + types.byteLength);
  return finishBtf(bytes, types.length, littleEndian);
}

/** Bytes of `struct btf_header`. */
export const BTF_HEADER_SIZE = 24;

/** Makes BTF of bytes that lack only the header: behind it stand so many words of types in host byte order, and then the strings. */
export function finishBtf(bytes: Uint8Array, words: number, littleEndian: boolean): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint16(0, 0xeb9f, littleEndian);
  view.setUint8(2, 1);
  view.setUint32(4, BTF_HEADER_SIZE, littleEndian);
  view.setUint32(12, words * 4, littleEndian);
  view.setUint32(16, words * 4, littleEndian);
  view.setUint32(20, bytes.length - BTF_HEADER_SIZE - words * 4, littleEndian);
  if (littleEndian !== hostLittleEndian)
    swapWords(new Uint32Array(bytes.buffer, bytes.byteOffset + BTF_HEADER_SIZE, words));
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

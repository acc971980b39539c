import type { Btf } from "./btf.js";
import { kindOf, TYPE_SIZE, vlenOf } from "./layout.js";
import { BtfKind } from "./types.js";

/** Parts of BTF that came to the kernel after 5.10; each is left out where the kernel would refuse the whole. */
export interface BtfSupport {
  /** Linux 5.13. */
  readonly float: boolean;
  /** Linux 5.16. */
  readonly declTag: boolean;
  /** Linux 5.17. */
  readonly typeTag: boolean;
  /** Linux 6.0: ENUM64, and the sign of an ENUM. */
  readonly enum64: boolean;
}

/** Which of the parts in {@link BtfSupport} a blob uses. */
export function usedParts(btf: Btf): { [Part in keyof BtfSupport]: boolean } {
  const used = {
    float: btf.hasKind("float"),
    declTag: btf.hasKind("decl_tag"),
    typeTag: btf.hasKind("type_tag"),
    enum64: btf.hasKind("enum64"),
  };
  if (used.enum64 || !btf.hasKind("enum")) return used;
  const { words, offsets } = btf.parts;
  for (const at of offsets) {
    const info = words[at + 1]!;
    if (kindOf(info) === BtfKind.ENUM && info >>> 31 === 1) used.enum64 = true;
  }
  return used;
}

/**
 * A blob for the kernel: a copy, or the blob itself where nothing is to be changed. Type ids stay as they are: whatever the kernel does not know is replaced by
 * something of the same size that it does know, as libbpf does (bpf_object__sanitize_btf).
 *
 * @param staticFunctions ids of FUNCs that are to become static, so that the verifier follows calls of them rather
 *   than checking them for any argument: global functions hidden from other files
 */
export function kernelImage(
  btf: Btf,
  support: BtfSupport,
  staticFunctions: readonly number[] = [],
): Uint8Array {
  const all = support.float && support.declTag && support.typeTag && support.enum64;
  if (all && staticFunctions.length === 0 && isPlain(btf)) return btf.bytes;
  const { typesStart, typesEnd, stringsStart, stringsEnd } = btf.parts;
  const little = btf.littleEndian;
  const typesLength = typesEnd - typesStart;
  // Room for one more type: what the members of a replaced enum64 are made of.
  const extra = support.enum64 ? 0 : TYPE_SIZE + 4;
  const image = new Uint8Array(24 + typesLength + extra + (stringsEnd - stringsStart));
  const view = new DataView(image.buffer);
  view.setUint16(0, 0xeb9f, little);
  view.setUint8(2, 1);
  view.setUint32(4, 24, little);
  view.setUint32(12, typesLength + extra, little);
  view.setUint32(16, typesLength + extra, little);
  view.setUint32(20, stringsEnd - stringsStart, little);
  image.set(btf.bytes.subarray(typesStart, typesEnd), 24);
  image.set(btf.bytes.subarray(stringsStart, stringsEnd), 24 + typesLength + extra);
  if (extra > 0) writeInt(view, 24 + typesLength, 4, little);

  const at = (id: number) => btf.offsetOf(id) - typesStart + 24;
  for (let id = 1; id <= btf.typeCount; id++) replace(view, at(id), support, btf.typeCount + 1, little);
  for (const id of staticFunctions) view.setUint32(at(id) + 4, BtfKind.FUNC << 24, little);
  return image;
}

/** Whether nothing is in it but a header as it must be, and what the header places one after the other. */
function isPlain({ bytes, parts }: Btf): boolean {
  const { typesStart, typesEnd, stringsStart, stringsEnd } = parts;
  const plainHeader = typesStart === 24 && bytes[3] === 0;
  return plainHeader && stringsStart === typesEnd && stringsEnd === bytes.length;
}

function replace(
  view: DataView,
  at: number,
  support: BtfSupport,
  placeholder: number,
  little: boolean,
): void {
  const info = view.getUint32(at + 4, little);
  switch (kindOf(info)) {
    case BtfKind.FLOAT:
      if (support.float) return;
      view.setUint32(at, 0, little);
      view.setUint32(at + 4, BtfKind.STRUCT << 24, little);
      return;
    case BtfKind.DECL_TAG:
      // As long as an INT: both have one word after the common part.
      if (!support.declTag) writeInt(view, at, 1, little);
      return;
    case BtfKind.TYPE_TAG:
      if (support.typeTag) return;
      view.setUint32(at, 0, little);
      view.setUint32(at + 4, BtfKind.CONST << 24, little);
      return;
    case BtfKind.ENUM:
      if (!support.enum64) view.setUint32(at + 4, info & 0x7fff_ffff, little);
      return;
    case BtfKind.ENUM64:
      if (support.enum64) return;
      view.setUint32(at + 4, ((BtfKind.UNION << 24) | vlenOf(info)) >>> 0, little);
      for (let i = 0; i < vlenOf(info); i++) {
        view.setUint32(at + TYPE_SIZE + i * 12 + 4, placeholder, little);
        view.setUint32(at + TYPE_SIZE + i * 12 + 8, 0, little);
      }
  }
}

/** An anonymous unsigned int. */
function writeInt(view: DataView, at: number, size: number, little: boolean): void {
  view.setUint32(at, 0, little);
  view.setUint32(at + 4, BtfKind.INT << 24, little);
  view.setUint32(at + 8, size, little);
  view.setUint32(at + 12, size * 8, little);
}

import { BpfCommand, errno, Fd } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import type { BtfSupport } from "../btf/kernel-image.js";
import { BtfKind } from "../btf/types.js";
import { btfLoad } from "../kernel/attributes.js";
import { callBpf } from "../kernel/call.js";

const answers = new Map<string, boolean>();

/** What BTF the kernel takes; only the parts that are asked about are tried. */
export function btfSupport(used: { readonly [Part in keyof BtfSupport]: boolean }): BtfSupport {
  return {
    float: !used.float || accepts("float", [[X, BtfKind.FLOAT << 24, 4]]),
    declTag: !used.declTag || accepts("declTag", [INT, VAR, [X, BtfKind.DECL_TAG << 24, 2, -1]]),
    typeTag:
      !used.typeTag || accepts("typeTag", [INT, [X, BtfKind.TYPE_TAG << 24, 1], [0, BtfKind.PTR << 24, 2]]),
    enum64: !used.enum64 || accepts("enum64", [[X, BtfKind.ENUM64 << 24, 8]]),
  };
}

/** Where the name "x" stands among the strings. */
const X = 1;
/** Type 1, a signed int "x" of 4 bytes, and type 2, a static variable "x" of it. */
const INT = [X, BtfKind.INT << 24, 4, (1 << 24) | 32];
const VAR = [X, BtfKind.VAR << 24, 1, 0];

function accepts(question: string, types: readonly (readonly number[])[]): boolean {
  let answer = answers.get(question);
  if (answer === undefined) {
    const image = typesBlob(types);
    const result = callBpf(BpfCommand.BTF_LOAD, btfLoad.build({ btf: image, btfSize: image.length }));
    if (result >= 0) Fd.adopt(result, "probe").close();
    answer = result >= 0;
    // Whoever may not load BTF at all will be told so by the load that this is for.
    if (result === -errno.EPERM!) return true;
    answers.set(question, answer);
  }
  return answer;
}

/** A BTF image of types as 32-bit words; the string at offset 1 is "x". */
export function typesBlob(types: readonly (readonly number[])[]): Uint8Array {
  const words = types.flat();
  const strings = [0, "x".charCodeAt(0), 0];
  const image = new Uint8Array(24 + words.length * 4 + strings.length);
  const view = new DataView(image.buffer);
  const little = hostLittleEndian;
  view.setUint16(0, 0xeb9f, little);
  view.setUint8(2, 1);
  view.setUint32(4, 24, little);
  view.setUint32(12, words.length * 4, little);
  view.setUint32(16, words.length * 4, little);
  view.setUint32(20, strings.length, little);
  words.forEach((word, i) => {
    view.setUint32(24 + i * 4, word >>> 0, little);
  });
  image.set(strings, 24 + words.length * 4);
  return image;
}

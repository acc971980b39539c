import { hostLittleEndian } from "./byte-order.js";
import { INSTRUCTION_SIZE } from "./object/function.js";

export { hostLittleEndian };

/** An instruction in host byte order; see Documentation/bpf/standardization/instruction-set.rst. */
export function instruction(
  opcode: number,
  dst: number,
  src: number,
  offset: number,
  imm: number,
): Uint8Array {
  const bytes = new Uint8Array(INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, opcode);
  view.setUint8(1, hostLittleEndian ? (src << 4) | dst : (dst << 4) | src);
  view.setInt16(2, offset, hostLittleEndian);
  view.setInt32(4, imm, hostLittleEndian);
  return bytes;
}

/** Puts instructions one after the other. */
export function assemble(...instructions: readonly Uint8Array[]): Uint8Array {
  const code = new Uint8Array(instructions.length * INSTRUCTION_SIZE);
  instructions.forEach((bytes, i) => {
    code.set(bytes, i * INSTRUCTION_SIZE);
  });
  return code;
}

/** `dst = imm`, 64 bits. */
export function move(dst: number, imm: number): Uint8Array {
  return instruction(0xb7, dst, 0, 0, imm);
}

/** `*(u64 *)(dst + offset) = src`. */
export function store64(dst: number, offset: number, src: number): Uint8Array {
  return instruction(0x7b, dst, src, offset, 0);
}

/** An atomic operation on the 64 bits at dst + offset; `operation` as BPF_CMPXCHG (0xf1). */
export function atomic64(dst: number, offset: number, src: number, operation: number): Uint8Array {
  return instruction(0xdb, dst, src, offset, operation);
}

/** `call helper`. */
export function callHelper(id: number): Uint8Array {
  return instruction(0x85, 0, 0, 0, id);
}

/** `exit`. */
export function exit(): Uint8Array {
  return instruction(0x95, 0, 0, 0, 0);
}

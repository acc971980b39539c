import { BpfObjectError } from "../object/error.js";
import { INSTRUCTION_SIZE } from "../object/function.js";
import type { CoreValue } from "./values.js";

/** Instruction classes and modes of include/uapi/linux/bpf_common.h. */
const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, ALU64: 7 };
const SOURCE_REGISTER = 0x08;
const LOAD_64 = 0x18;
const CALL = 0x85;
/** Bytes by the size bits of an opcode: BPF_W, BPF_H, BPF_B, BPF_DW. */
const sizes = [4, 2, 1, 8];
/**
 * What a poisoned instruction calls: a helper that no kernel has ("bad relo", as libbpf), plus a number of ours that
 * says which relocation it was.
 */
export const POISON = 0xbad2310;

/** Replaces an instruction by one that the verifier refuses if it can be reached. */
export function poison(code: DataView, at: number, number: number, littleEndian: boolean): void {
  const write = (offset: number) => {
    code.setUint8(offset, CALL);
    code.setUint8(offset + 1, 0);
    code.setInt16(offset + 2, 0, littleEndian);
    code.setInt32(offset + 4, POISON + number, littleEndian);
  };
  const offset = at * INSTRUCTION_SIZE;
  // The second half of a 64-bit load would be an unknown opcode by itself.
  if (code.getUint8(offset) === LOAD_64 && offset + 2 * INSTRUCTION_SIZE <= code.byteLength)
    write(offset + INSTRUCTION_SIZE);
  write(offset);
}

/** What became of an instruction; `poison` asks for {@link poison} because it would access a field of another size. */
export type PatchResult = "patched" | "poison";

/**
 * Writes the kernel's value where the compiler wrote its own (bpf_core_patch_insn of libbpf).
 * @throws BpfObjectError for an instruction that a relocation cannot change, or one that holds another value
 */
export function patch(
  code: DataView,
  at: number,
  littleEndian: boolean,
  local: CoreValue,
  target: CoreValue,
  where: () => string,
): PatchResult {
  const offset = at * INSTRUCTION_SIZE;
  const opcode = code.getUint8(offset);
  const expect = (found: bigint | number) => {
    if (local.validate && BigInt(found) !== local.value) {
      throw failure(where, `holds ${found} where its own types say ${local.value}`);
    }
  };
  switch (opcode & 7) {
    case CLASS.ALU:
    case CLASS.ALU64:
      if ((opcode & SOURCE_REGISTER) !== 0) throw failure(where, "takes a register, not a number");
      expectNumber(code.getInt32(offset + 4, littleEndian), local, expect);
      if (BigInt.asIntN(33, target.value) !== target.value)
        throw failure(where, `cannot hold ${target.value}`);
      code.setInt32(offset + 4, Number(BigInt.asIntN(32, target.value)), littleEndian);
      return "patched";
    case CLASS.LDX:
    case CLASS.ST:
    case CLASS.STX: {
      expect(code.getInt16(offset + 2, littleEndian));
      if (target.value < -0x8000n || target.value > 0x7fffn)
        throw failure(where, `cannot hold the offset ${target.value}`);
      const size = target.access?.size;
      const adjust = local.access && target.access && size !== local.access.size;
      if (adjust) {
        if (!isSafeToResize(local, target)) return "poison";
        if (sizes[(opcode >> 3) & 3] !== local.access.size)
          throw failure(where, `does not access the ${local.access.size} bytes of its field`);
        const bits = sizes.indexOf(size!);
        if (bits < 0) throw failure(where, `cannot access ${size} bytes`);
        code.setUint8(offset, (opcode & ~0x18) | (bits << 3));
      }
      code.setInt16(offset + 2, Number(target.value), littleEndian);
      return "patched";
    }
    case CLASS.LD: {
      const second = offset + INSTRUCTION_SIZE;
      const plain =
        opcode === LOAD_64 &&
        second + INSTRUCTION_SIZE <= code.byteLength &&
        (code.getUint8(offset + 1) & (littleEndian ? 0xf0 : 0x0f)) === 0 &&
        code.getInt16(offset + 2) === 0 &&
        code.getUint32(second) === 0;
      if (!plain) throw failure(where, "is no load of a 64-bit number");
      const low = BigInt(code.getUint32(offset + 4, littleEndian));
      const found = (BigInt(code.getUint32(second + 4, littleEndian)) << 32n) | low;
      let { value } = target;
      if (local.validate && found === BigInt.asUintN(32, local.value) && local.value < 0n) {
        // The compiler took the enum for unsigned.
        value = BigInt.asUintN(32, value);
      } else {
        expect(local.value < 0n ? BigInt.asIntN(64, found) : found);
      }
      code.setUint32(offset + 4, Number(BigInt.asUintN(32, value)), littleEndian);
      code.setUint32(second + 4, Number(BigInt.asUintN(64, value) >> 32n), littleEndian);
      return "patched";
    }
    default:
      throw failure(where, `has the opcode 0x${opcode.toString(16)}`);
  }
}

/** A 32-bit number in an instruction may be meant as signed or not. */
function expectNumber(found: number, local: CoreValue, expect: (found: bigint | number) => void): void {
  expect(BigInt.asIntN(32, local.value) === BigInt(found) ? local.value : found);
}

// A load of another size reads the same number only if the rest is zero: of pointers, which BPF takes for 64 bits
// wherever it was compiled, and of unsigned integers.
function isSafeToResize(local: CoreValue, target: CoreValue): boolean {
  const [a, b] = [local.access!.type, target.access!.type];
  if (a.kind === "ptr" && b.kind === "ptr") return true;
  return a.kind === "int" && b.kind === "int" && !a.signed && !b.signed;
}

function failure(where: () => string, reason: string): BpfObjectError {
  return new BpfObjectError("BPF_RELOCATION", `${where()} ${reason}`);
}

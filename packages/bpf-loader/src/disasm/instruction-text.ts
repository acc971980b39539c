// Instructions as the LLVM assembler writes them. The encoding is that of
// Documentation/bpf/standardization/instruction-set.rst and include/uapi/linux/bpf.h.

/** An instruction's fields. */
export interface Fields {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
  /** The immediate of the second half of a 64-bit load; 0 for all else. */
  readonly nextImm: number;
}

/** An instruction as text. */
export interface InstructionText {
  /** "r1 = r2"; "<unknown>" for what is no instruction. */
  readonly text: string;
  /** Of a jump: how far it goes from the instruction behind it. */
  readonly jump?: number;
}

/** What the text of an instruction that cannot be is. */
export const UNKNOWN: InstructionText = { text: "<unknown>" };

/** `BPF_LD | BPF_IMM | BPF_DW`: the one instruction of 16 bytes. */
export const LOAD_IMMEDIATE_64 = 0x18;

const sizes: Readonly<Record<number, "u32" | "u16" | "u8" | "u64">> = {
  0: "u32",
  8: "u16",
  16: "u8",
  24: "u64",
};
const operators: Readonly<Record<number, string>> = {
  0: "+=",
  16: "-=",
  32: "*=",
  48: "/=",
  64: "|=",
  80: "&=",
  96: "<<=",
  112: ">>=",
  144: "%=",
  160: "^=",
  176: "=",
  192: "s>>=",
};
const comparisons: Readonly<Record<number, string>> = {
  16: "==",
  32: ">",
  48: ">=",
  64: "&",
  80: "!=",
  96: "s>",
  112: "s>=",
  160: "<",
  176: "<=",
  192: "s<",
  208: "s<=",
};
const atomics: Readonly<Record<number, readonly [name: string, operator: string]>> = {
  0: ["add", "+="],
  64: ["or", "|="],
  80: ["and", "&="],
  160: ["xor", "^="],
};

/** The text of one instruction, by its fields alone: calls and addresses are numbers. */
export function instructionText(fields: Fields): InstructionText {
  switch (fields.opcode & 7) {
    case 0:
      return load(fields);
    case 1:
      return loadRegister(fields);
    case 2:
      return storeImmediate(fields);
    case 3:
      return (fields.opcode & 0xe0) === 0xc0 ? atomic(fields) : storeRegister(fields);
    case 4:
      return arithmetic(fields, "w");
    case 7:
      return arithmetic(fields, "r");
    case 5:
      return jump(fields, "r");
    default:
      return jump(fields, "w");
  }
}

/** A distance with its sign: "+2". */
export function signed(value: number): string {
  return value < 0 ? `${value}` : `+${value}`;
}

function load({ opcode, dst, src, imm, nextImm }: Fields): InstructionText {
  if (opcode === LOAD_IMMEDIATE_64) {
    if (src !== 0) return { text: `ld_pseudo\tr${dst}, ${src}, ${imm}` };
    return { text: `r${dst} = ${BigInt.asIntN(64, (BigInt(nextImm) << 32n) | BigInt(imm >>> 0))} ll` };
  }
  // BPF_ABS and BPF_IND: what classic BPF left; there is none of 8 bytes.
  const size = sizes[opcode & 0x18]!;
  if (size === "u64") return UNKNOWN;
  if ((opcode & 0xe0) === 0x20) return { text: `r0 = *(${size} *)skb[${imm}]` };
  if ((opcode & 0xe0) === 0x40) return { text: `r0 = *(${size} *)skb[r${src}]` };
  return UNKNOWN;
}

function place(size: string, base: number, offset: number): string {
  return `(${size} *)(${sum(base, offset)})`;
}

function sum(base: number, offset: number): string {
  return offset < 0 ? `r${base} - ${-offset}` : `r${base} + ${offset}`;
}

function loadRegister({ opcode, dst, src, offset }: Fields): InstructionText {
  const size = sizes[opcode & 0x18]!;
  if ((opcode & 0xe0) === 0x60) return { text: `r${dst} = *${place(size, src, offset)}` };
  if ((opcode & 0xe0) === 0x80 && size !== "u64")
    return { text: `r${dst} = *${place(size.replace("u", "s"), src, offset)}` };
  return UNKNOWN;
}

function storeImmediate({ opcode, dst, offset, imm }: Fields): InstructionText {
  if ((opcode & 0xe0) !== 0x60) return UNKNOWN;
  return { text: `*${place(sizes[opcode & 0x18]!, dst, offset)} = ${imm}` };
}

function storeRegister({ opcode, dst, src, offset }: Fields): InstructionText {
  if ((opcode & 0xe0) !== 0x60) return UNKNOWN;
  return { text: `*${place(sizes[opcode & 0x18]!, dst, offset)} = r${src}` };
}

function atomic({ opcode, dst, src, offset, imm }: Fields): InstructionText {
  const size = sizes[opcode & 0x18]!;
  const width = size === "u64" ? "r" : "w";
  const register = `${width}${src}`;
  if (imm === 0x100) return { text: `${width}${dst} = load_acquire(${place(size, src, offset)})` };
  if (imm === 0x110) return { text: `store_release(${place(size, dst, offset)}, ${register})` };
  if (size !== "u32" && size !== "u64") return UNKNOWN;
  const suffix = size === "u64" ? "_64" : "32_32";
  if (imm === 0xe1) return { text: `${register} = xchg${suffix}(${sum(dst, offset)}, ${register})` };
  if (imm === 0xf1) {
    const old = `${width}0`;
    return { text: `${old} = cmpxchg${suffix}(${sum(dst, offset)}, ${old}, ${register})` };
  }
  const known = atomics[imm & ~1];
  if (!known) return UNKNOWN;
  const [name, operator] = known;
  const target = place(size, dst, offset);
  return imm & 1
    ? { text: `${register} = atomic_fetch_${name}(${target}, ${register})` }
    : { text: `lock *${target} ${operator} r${src}` };
}

function arithmetic(fields: Fields, width: "r" | "w"): InstructionText {
  const { opcode, dst, src, offset, imm } = fields;
  const operation = opcode & 0xf0;
  const target = `${width}${dst}`;
  const fromRegister = (opcode & 8) !== 0;
  if (operation === 0xd0) return byteSwap(fields, width);
  if (operation === 0x80) return fromRegister || offset !== 0 ? UNKNOWN : { text: `${target} = -${target}` };
  const operator = operators[operation];
  if (!operator) return UNKNOWN;
  const source = fromRegister ? `${width}${src}` : `${imm}`;
  if (offset === 0) return { text: `${target} ${operator} ${source}` };
  if (offset === 1 && (operation === 0x30 || operation === 0x90))
    return { text: `${target} s${operator} ${source}` };
  if (operation !== 0xb0 || !fromRegister) return UNKNOWN;
  if (offset === 8 || offset === 16 || (offset === 32 && width === "r"))
    return { text: `${target} = (s${offset})${source}` };
  if (width === "w") return UNKNOWN;
  // BPF_ADDR_SPACE_CAST and BPF_ADDR_PERCPU of include/linux/filter.h
  if (offset === 1) return { text: `${target} = addr_space_cast(${source}, ${imm >>> 16}, ${imm & 0xffff})` };
  return offset === -1 ? { text: `${target} = &(void __percpu *)(${source})` } : UNKNOWN;
}

function byteSwap({ opcode, dst, imm, offset }: Fields, width: "r" | "w"): InstructionText {
  const toBig = (opcode & 8) !== 0;
  if ((imm !== 16 && imm !== 32 && imm !== 64) || offset !== 0 || (width === "r" && toBig)) return UNKNOWN;
  const name = width === "r" ? "bswap" : toBig ? "be" : "le";
  return { text: `r${dst} = ${name}${imm} r${dst}` };
}

function jump({ opcode, dst, src, offset, imm }: Fields, width: "r" | "w"): InstructionText {
  const operation = opcode & 0xf0;
  const fromRegister = (opcode & 8) !== 0;
  const comparison = comparisons[operation];
  if (comparison) {
    const source = fromRegister ? `${width}${src}` : `${imm}`;
    return { text: `if ${width}${dst} ${comparison} ${source} goto ${signed(offset)}`, jump: offset };
  }
  if (opcode === 0x05) return { text: `goto ${signed(offset)}`, jump: offset };
  if (opcode === 0x06) return { text: `gotol ${signed(imm)}`, jump: imm };
  if (opcode === 0x85) return { text: `call ${imm}` };
  // LLVM before 19 has the register in the immediate (gcc in dst, as the kernel's documentation does).
  if (opcode === 0x8d) return { text: `callx r${dst === 0 && imm > 0 && imm < 11 ? imm : dst}` };
  if (opcode === 0x95) return { text: "exit" };
  if (opcode === 0x0d) return { text: `gotox r${dst}` };
  if (opcode === 0xe5 && src === 0) return { text: `may_goto ${signed(offset)}`, jump: offset };
  return UNKNOWN;
}

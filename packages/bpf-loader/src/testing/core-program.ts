import { assemble, instruction } from "../asm.js";
import { Btf } from "../btf/btf.js";
import { BtfBuilder } from "../btf/builder.js";
import type { BtfExt } from "../btf/ext.js";
import { type CoreRelocationKind, coreKinds } from "../core/kinds.js";
import { relocateCore } from "../core/relocate.js";
import { CoreTarget } from "../core/target.js";
import type { LinkedProgram } from "../object/link.js";

/** Types by hand. */
export function makeBtf(fill: (builder: BtfBuilder) => void, littleEndian?: boolean): Btf {
  const builder = new BtfBuilder(littleEndian);
  fill(builder);
  return Btf.parse(builder.build());
}

/** A relocation of the only instruction of a program. */
export interface CoreCase {
  readonly local: Btf;
  /** The kernel's types, and those of its modules. */
  readonly target: Btf;
  readonly modules?: readonly Btf[];
  readonly kind: CoreRelocationKind | number;
  readonly typeId: number;
  readonly access?: string;
  /** What is relocated: `r1 = 0` (32 bits, signed) with this number unless there is one. */
  readonly code?: Uint8Array;
  /** What the compiler wrote into the instruction. */
  readonly compiled?: number;
}

/** The code and the reasons for poisoning after relocation. Throws what {@link relocateCore} throws. */
export function relocateOne(test: CoreCase): {
  code: Uint8Array;
  view: DataView;
  reasons: readonly string[];
} {
  const { local, kind, typeId, access = "0", compiled = 0 } = test;
  const code = (test.code ?? instruction(0xb7, 1, 0, 0, compiled)).slice();
  // The access string must be among the strings of the object's BTF.
  const builder = new BtfBuilder(local.littleEndian);
  builder.copy(
    local,
    Array.from({ length: local.typeCount }, (_, i) => i + 1),
  );
  const accessOffset = builder.string(access);
  const btf = Btf.parse(builder.build());
  const record = new DataView(new ArrayBuffer(16));
  const number = typeof kind === "number" ? kind : coreKinds.indexOf(kind);
  [0, typeId, accessOffset, number].forEach((word, i) => {
    record.setUint32(i * 4, word, btf.littleEndian);
  });
  const ext: BtfExt = {
    functions: new Map(),
    lines: new Map(),
    coreRelocations: new Map([["tc", { recordSize: 16, offsets: new Uint32Array(1), data: record }]]),
  };
  const target = new CoreTarget(
    () => test.target,
    () => test.modules ?? [],
  );
  const program = {
    code,
    functions: [{ function: { name: "f", section: "tc", start: 0, code }, start: 0 }],
    references: [],
  } as unknown as LinkedProgram;
  const reasons = relocateCore(program, ext, btf, btf.littleEndian, target);
  return { code, view: new DataView(code.buffer), reasons };
}

/** The number that the instruction of a case holds after relocation. */
export function answer(test: CoreCase): number {
  return relocateOne(test).view.getInt32(4, test.local.littleEndian);
}

/** `r1 = number`, 64 bits. */
export function load64(number: bigint): Uint8Array {
  const low = Number(BigInt.asIntN(32, number));
  return assemble(
    instruction(0x18, 1, 0, 0, low),
    instruction(0, 0, 0, 0, Number(BigInt.asIntN(32, number >> 32n))),
  );
}

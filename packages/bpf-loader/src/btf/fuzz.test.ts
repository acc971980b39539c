import { ElfFile } from "@weir/elf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instruction } from "../asm.js";
import { coreKinds } from "../core/kinds.js";
import { localSpec } from "../core/spec.js";
import { BpfObjectError } from "../object/error.js";
import { relocateOne } from "../testing/core-program.js";
import { fixture, parseFixture } from "../testing/fixtures.js";
import { mutate, Random } from "../testing/random.js";
import { Btf } from "./btf.js";
import { BtfBuilder } from "./builder.js";
import { btfCodec } from "./codec.js";
import { BtfError } from "./error.js";
import { readBtfExt } from "./ext.js";
import { formatType } from "./format.js";
import { kernelImage, usedParts } from "./kernel-image.js";
import { sliceBtf } from "./slice.js";

const test = suite("mutated BTF");
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_123);

/** Small blobs with every kind of type: what parsers have to tell apart lies close together. */
const originals = [
  ...["core", "shape", "globals", "newer", "maps"].flatMap((name) =>
    pieces(parseFixture(name as "core").btf!),
  ),
  everyKind(),
];

function pieces(btf: Btf): Uint8Array[] {
  const roots = [...btf.typesOf("struct"), ...btf.typesOf("func")].map((type) => type.id);
  const found: Uint8Array[] = [];
  for (let i = 0; i < roots.length; i += 8) {
    const builder = new BtfBuilder(btf.littleEndian);
    builder.copy(btf, roots.slice(i, i + 8));
    const bytes = builder.build();
    if (bytes.length < 3000) found.push(bytes);
  }
  return found;
}

function everyKind(): Uint8Array {
  const builder = new BtfBuilder(true);
  builder.add({ kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, signed: true, bool: false });
  builder.add({ kind: "array", name: "", type: 1, indexType: 1, length: 3 });
  const member = { name: "b", type: 1, bitOffset: 3, bitSize: 5 };
  builder.add({ kind: "struct", name: "s", size: 16, members: [member, { ...member, name: "", type: 4 }] });
  builder.add({ kind: "union", name: "", size: 4, members: [{ ...member, bitSize: 0, bitOffset: 0 }] });
  builder.add({ kind: "enum", name: "e", size: 4, signed: true, values: [{ name: "A", value: -1 }] });
  builder.add({
    kind: "enum64",
    name: "f",
    size: 8,
    signed: false,
    values: [{ name: "B", value: 1n << 40n }],
  });
  builder.add({ kind: "fwd", name: "w", union: true });
  for (const kind of ["typedef", "volatile", "const", "restrict", "type_tag"] as const)
    builder.add({ kind, name: kind, type: builder.typeCount });
  builder.add({ kind: "ptr", name: "", type: 3 });
  builder.add({ kind: "func_proto", name: "", type: 1, parameters: [{ name: "p", type: 2 }] });
  builder.add({ kind: "func", name: "fn", type: 14, linkage: "global" });
  builder.add({ kind: "var", name: "v", type: 3, linkage: "static" });
  builder.add({ kind: "datasec", name: ".data", size: 16, entries: [{ type: 16, offset: 0, size: 16 }] });
  builder.add({ kind: "float", name: "double", size: 8 });
  builder.add({ kind: "decl_tag", name: "tag", type: 3, componentIndex: 0 });
  return builder.build();
}

/** Does some work, and lets the errors for malformed input pass: anything else fails, with what it takes to repeat it. */
function attempt<T>(what: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof BtfError || error instanceof BpfObjectError) return undefined;
    throw new Error(`${what}: ${(error as Error).stack}`);
  }
}

test("every use of it gives a result or a BtfError", () => {
  const random = new Random(SEED);
  const none = { float: false, declTag: false, typeTag: false, enum64: false };
  let parsed = 0;
  const CASES = 250_000;
  for (let i = 0; i < CASES; i++) {
    const bytes = random.pick(originals).slice();
    mutate(bytes, random, 3);
    const what = `case ${i} of seed ${SEED}`;
    const btf = attempt(what, () => Btf.parse(bytes));
    if (!btf) continue;
    parsed++;
    const id = 1 + random.below(btf.typeCount);
    attempt(what, () => btf.type(id));
    switch (random.below(7)) {
      case 0:
        attempt(what, () => btf.sizeOf(id));
        attempt(what, () => btf.find(btf.name(id), btf.kind(id)));
        break;
      case 1:
        attempt(what, () => formatType(btf, id));
        break;
      case 2: {
        const codec = attempt(what, () => btfCodec(btf, id));
        if (codec && codec.size < 4096) {
          const value = codec.decode(new Uint8Array(codec.size).fill(random.below(256)));
          assert.ok(value !== undefined);
        }
        break;
      }
      case 3:
        attempt(what, () => Btf.parse(kernelImage(btf, none)));
        attempt(what, () => usedParts(btf));
        break;
      case 4:
        attempt(what, () => sliceBtf(btf, [id], []));
        break;
      case 5:
        attempt(what, () => [...btf.types()]);
        break;
      default:
        attempt(what, () => Btf.parse(bytes, { base: btf }));
    }
  }
  assert.ok(parsed > CASES / 10, `${parsed}`);
});

test("as a program's types, or as the kernel's, it is relocated by or refused", () => {
  const random = new Random(SEED + 1);
  const little = originals.filter((bytes) => bytes[0] === 0x9f);
  let reached = 0;
  for (let i = 0; i < 30_000; i++) {
    const [local, target] = [random.pick(little).slice(), random.pick(little).slice()];
    mutate(random.below(2) === 0 ? local : target, random, 2);
    const what = `case ${i} of seed ${SEED + 1}`;
    attempt(what, () => {
      const btf = Btf.parse(local);
      const kind = random.below(coreKinds.length + 1);
      const typeId = random.below(3) > 0 ? pickComposite(btf, random) : random.below(btf.typeCount + 2);
      const access = random.pick(["0", "0:0", "0:1", "1", "0:0:0", "0:1:0", "2:1", "0:3", "-1", "0:0:1:0:2"]);
      localSpec(btf, coreKinds[kind] ?? "byte_off", typeId, access);
      reached++;
      const code = instruction(random.pick([0xb7, 0x61, 0x79, 0x7b, 0x18, 0x05]), 1, 1, 0, random.below(2));
      relocateOne({
        local: btf,
        target: random.below(2) === 0 ? btf : Btf.parse(target),
        kind,
        typeId,
        access,
        code,
      });
    });
  }
  // How many depends on the fixtures that there are.
  assert.ok(reached > 3000, `${reached}`);
});

test("mutated .BTF.ext gives records or a BtfError", () => {
  const random = new Random(SEED + 2);
  const { btf } = parseFixture("shape");
  const original = extOf();
  let read = 0;
  for (let i = 0; i < 50_000; i++) {
    const bytes = original.slice();
    mutate(bytes, random, 3);
    if (attempt(`case ${i} of seed ${SEED + 2}`, () => readBtfExt(bytes, btf!))) read++;
  }
  assert.ok(read > 1000);
});

test("what it takes is bounded by its size", () => {
  // Nothing but the smallest types there are, and nothing but members.
  const small = new BtfBuilder();
  for (let i = 0; i < 80_000; i++) small.add({ kind: "ptr", name: "", type: 1 });
  const members = Array.from({ length: 60_000 }, () => ({ name: "", type: 0, bitOffset: 0, bitSize: 0 }));
  const wide = new BtfBuilder();
  wide.add({ kind: "struct", name: "s", size: 4, members });
  for (const bytes of [small.build(), wide.build()]) {
    for (const unaligned of [0, 1]) {
      const input = new Uint8Array(bytes.length + 1).subarray(unaligned);
      input.set(bytes.subarray(0, input.length));
      const before = process.memoryUsage().arrayBuffers;
      Btf.parse(input.subarray(0, bytes.length));
      const taken = process.memoryUsage().arrayBuffers - before;
      assert.ok(taken < 8 * bytes.length, `${taken} bytes for ${bytes.length}`);
    }
  }
});

function pickComposite(btf: Btf, random: Random): number {
  const kinds = ["struct", "union", "enum", "enum64"];
  const ids = Array.from({ length: btf.typeCount }, (_, i) => i + 1);
  const composites = ids.filter((id) => kinds.includes(btf.kind(id)));
  return composites.length > 0 ? random.pick(composites) : 0;
}

/** Section .BTF.ext of a fixture. */
function extOf(): Uint8Array {
  return ElfFile.parse(fixture("shape")).section(".BTF.ext")!.data;
}

test.run();

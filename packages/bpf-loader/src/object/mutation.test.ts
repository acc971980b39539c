import { ElfError, ElfFile } from "@weir/elf";
import fc from "fast-check";
import { suite } from "uvu";
import { kernelImage, usedParts } from "../btf/kernel-image.js";
import { relocateCore } from "../core/relocate.js";
import { CoreTarget } from "../core/target.js";
import { BpfObject, BpfObjectError, Btf, BtfError, btfCodec } from "../index.js";
import { extInfo } from "../kernel/ext-info.js";
import { neededBtf } from "../kernel/needed-btf.js";
import { fixture, fixtureNames } from "../testing/fixtures.js";
import { link } from "./link.js";

const test = suite("mutated objects");
const originals = fixtureNames.map(fixture);
const own = [ElfError, BtfError, BpfObjectError];

/** Does all that can be done with an object without a kernel. */
function exercise(object: BpfObject): void {
  for (const map of [...object.maps, ...object.dataSections.map((section) => section.map)]) {
    attempt(() => [map.btfTypes, map.keyCodec(), map.valueCodec()]);
  }
  for (const variable of object.variables) {
    // A mutated size may be anything up to 4 GiB; the contents are as large as the section says.
    if (variable.size < 65_536) attempt(() => variable.codec);
  }
  for (const table of object.structOps) attempt(() => table.get());
  for (const program of object.programs) {
    attempt(() => {
      const linked = link(program.function, object.littleEndian);
      if (!object.btf || !object.btfExt) return;
      relocateCore(linked, object.btfExt, object.btf, object.littleEndian, new CoreTarget(() => object.btf!));
      const slice = neededBtf(object, [linked], object.maps);
      if (slice) extInfo(linked, object.btfExt, slice, object.littleEndian);
    });
  }
}

/** Lets the errors of this package and of the ELF parser pass, and no others. */
function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!own.some((kind) => error instanceof kind)) throw error;
  }
}

const numbers = fc.constantFrom(
  0,
  1,
  2,
  0x7f,
  0xff,
  0xffff,
  0x1_0000,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fff8,
  0xffff_ffff,
);
const place = fc.double({ min: 0, max: 1, noNaN: true });
const edits = fc.array(
  fc.record({
    place,
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => [...bytes]),
      numbers.map((number) => [...new Uint8Array(new Uint32Array([number]).buffer)]),
    ),
  }),
  { minLength: 1, maxLength: 5 },
);

function mutate(
  bytes: Uint8Array,
  start: number,
  length: number,
  changes: { place: number; bytes: number[] }[],
): void {
  for (const change of changes) {
    const at = Math.floor(start + change.place * Math.max(0, length - change.bytes.length));
    // Aligned, so that whole fields change more often than not.
    const aligned = change.bytes.length === 4 ? at & ~3 : at;
    if (aligned + change.bytes.length <= bytes.length) bytes.set(change.bytes, aligned);
  }
}

test("a mutated object gives one of the known errors or an object, never anything else", () => {
  fc.assert(
    fc.property(fc.nat(originals.length - 1), edits, (original, changes) => {
      const bytes = originals[original]!.slice();
      mutate(bytes, 0, bytes.length, changes);
      attempt(() => exercise(BpfObject.parse(bytes)));
    }),
    { numRuns: 3000 },
  );
});

for (const name of [".BTF", ".BTF.ext", ".symtab", ".reltc", "tc", ".rel.maps", ".rel.struct_ops", "maps"]) {
  const places = originals.flatMap((bytes) => {
    const section = ElfFile.parse(bytes).section(name);
    return section ? [{ bytes, offset: section.offset, size: section.size }] : [];
  });
  test(`an object whose ${name} is mutated gives one of the known errors or an object`, () => {
    fc.assert(
      fc.property(fc.nat(places.length - 1), edits, (which, changes) => {
        const { bytes, offset, size } = places[which]!;
        const copy = bytes.slice();
        mutate(copy, offset, size, changes);
        attempt(() => exercise(BpfObject.parse(copy)));
      }),
      { numRuns: 1000 },
    );
  });
}

test("mutated BTF gives a BtfError or types that can be decoded or refused", () => {
  const blobs = originals.map((bytes) => ElfFile.parse(bytes).section(".BTF")!.data);
  const nothing = { float: false, declTag: false, typeTag: false, enum64: false };
  fc.assert(
    fc.property(fc.nat(blobs.length - 1), edits, (which, changes) => {
      const bytes = blobs[which]!.slice();
      mutate(bytes, 0, bytes.length, changes);
      attempt(() => {
        const btf = Btf.parse(bytes);
        usedParts(btf);
        kernelImage(btf, nothing);
        for (let id = 0; id <= btf.typeCount; id++) {
          attempt(() => btf.type(id));
          attempt(() => btf.sizeOf(id));
          attempt(() => btfCodec(btf, id));
        }
      });
    }),
    { numRuns: 1000 },
  );
});

test.run();

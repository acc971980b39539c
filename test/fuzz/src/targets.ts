import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BpfObject } from "@weir/bpf-loader";
import { ElfFile, SectionFlag } from "@weir/elf";
import { exerciseBtf, exerciseElf, exerciseObject } from "./exercise.js";
import { balanced, btfFields, elfFields, instructionFields, wordFields } from "./fields.js";
import type { Original } from "./mutate.js";

/** What is fuzzed: files to begin with, and what is done with each mutation of one, given also the case's number. */
export interface Target {
  readonly originals: () => Original[];
  readonly run: (bytes: Uint8Array, number: number) => void;
}

export const targets = {
  elf: {
    // Small ones: what a mutation changes is looked at in less time.
    originals: () =>
      files(["elf", "bpf-loader"])
        .filter(({ bytes }) => bytes.length < 4096)
        .map(asElf),
    run: exerciseElf,
  },
  btf: { originals: () => files(["bpf-loader"]).map(asBtf), run: exerciseBtf },
  object: {
    originals: () => files(["bpf-loader"]).map(asObject),
    run: (bytes, number) => exerciseObject(BpfObject.parse(bytes), number),
  },
} as const satisfies Record<string, Target>;

export type TargetName = keyof typeof targets;

interface File {
  readonly name: string;
  readonly bytes: Uint8Array;
}

function files(packages: readonly string[]): File[] {
  return packages.flatMap((name) => {
    const folder = fileURLToPath(new URL(`../../../packages/${name}/fixtures/`, import.meta.url));
    return readdirSync(folder)
      .filter((file) => file.endsWith(".o"))
      .sort()
      .map((file) => ({ name: `${name}/${file}`, bytes: new Uint8Array(readFileSync(folder + file)) }));
  });
}

function asElf({ name, bytes }: File): Original {
  const elf = ElfFile.parse(bytes);
  return { name, bytes, littleEndian: elf.header.littleEndian, fields: elfFields(elf) };
}

function asBtf({ name, bytes: file }: File): Original {
  const elf = ElfFile.parse(file);
  const { littleEndian } = elf.header;
  const bytes = new Uint8Array(elf.section(".BTF")!.data);
  return { name, bytes, littleEndian, fields: btfFields(bytes, 0, littleEndian) };
}

function asObject({ name, bytes }: File): Original {
  const elf = ElfFile.parse(bytes);
  const { littleEndian } = elf.header;
  const btf = elf.section(".BTF");
  const ext = elf.section(".BTF.ext");
  const code = elf.sections.filter(({ flags }) => flags & SectionFlag.EXECINSTR);
  const fields = balanced([
    elfFields(elf),
    btf ? btfFields(bytes, btf.offset, littleEndian) : [],
    ext ? wordFields(ext) : [],
    code.flatMap(instructionFields),
  ]);
  return { name, bytes, littleEndian, fields };
}

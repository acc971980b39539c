import type { ElfFile, ElfSection } from "@weir/elf";
import type { Btf } from "../btf/btf.js";
import { type BtfValue, btfCodec, type Codec } from "../btf/codec.js";
import type { BtfTypeOf } from "../btf/types.js";
import { BpfObjectError } from "./error.js";
import { INSTRUCTION_SIZE } from "./function.js";
import { MapSpec } from "./map-spec.js";
import type { ProgramSpec } from "./program-spec.js";

/** Far more than any table of functions has. */
const MAX_SIZE = 1 << 16;

/** Whether a section holds tables of functions for the kernel. */
export function isStructOps(name: string): boolean {
  return /^\??\.struct_ops(\.link)?$/.test(name);
}

/**
 * A table of functions for the kernel to call, such as a congestion control: a variable in section ".struct_ops" or
 * ".struct_ops.link", whose struct resembles one of the kernel's. Members are matched by name when it is loaded.
 */
export class StructOpsSpec {
  /** The variable's name, which is the map's as well. */
  readonly name: string;
  /** The name of the struct in the kernel, without a flavour ("___v2"): "tcp_congestion_ops". */
  readonly structName: string;
  /** Whether it is put to use by a link: section ".struct_ops.link", Linux 6.4. May be changed before load. */
  linked: boolean;
  /** Whether `load` takes it when nobody names it; false at first in a section that begins with "?". */
  autoload: boolean;
  /** The map that it becomes. Its value size is the kernel's, known at load. */
  readonly map: MapSpec;
  /** The programs by the member that points to them; may be changed before load. */
  readonly programs: Map<string, ProgramSpec>;
  /** The struct as the object knows it. */
  readonly btf: Btf;
  readonly type: BtfTypeOf<"struct">;
  /** The first value in the object's own layout, without programs: writing to it changes what is loaded. */
  readonly contents: Uint8Array;
  #codec: Codec | undefined;

  /** Made by {@link BpfObject.parse}. */
  constructor(fields: {
    name: string;
    section: string;
    btf: Btf;
    type: BtfTypeOf<"struct">;
    contents: Uint8Array;
    programs: Map<string, ProgramSpec>;
  }) {
    const { name, section, btf, type } = fields;
    this.name = name;
    this.structName = type.name.replace(/(?<=.)___.*$/, "");
    this.linked = section.endsWith(".link");
    this.autoload = !section.startsWith("?");
    this.btf = btf;
    this.type = type;
    this.contents = fields.contents;
    this.programs = fields.programs;
    this.map = new MapSpec({
      name,
      type: "struct_ops",
      keySize: 4,
      valueSize: type.size,
      maxEntries: 1,
      flags: 0,
    });
  }

  /** Its value before load; members that are programs read as 0. */
  get(): BtfValue {
    return this.codec.decode(this.contents);
  }

  /** Gives it a value before load. Throws {@link BtfValueError} for a value that its type does not take. */
  set(value: BtfValue): void {
    this.contents.set(this.codec.encode(value));
  }

  /** Reads and writes it by its BTF type. */
  get codec(): Codec {
    this.#codec ??= btfCodec(this.btf, this.type.id);
    return this.#codec;
  }
}

/** Reads the variables of the struct_ops sections, and what their members point to. Throws {@link BpfObjectError}. */
export function readStructOps(
  elf: ElfFile,
  btf: Btf | undefined,
  types: ReadonlyMap<string, BtfTypeOf<"datasec">>,
  programs: readonly ProgramSpec[],
): StructOpsSpec[] {
  const sections = elf.sections.filter((section) => isStructOps(section.name) && section.size > 0);
  if (sections.length === 0) return [];
  const byPlace = new Map(
    programs.map((program) => [
      `${program.function.sectionIndex} ${program.function.start * INSTRUCTION_SIZE}`,
      program,
    ]),
  );
  return sections.flatMap((section) => {
    const datasec = types.get(section.name);
    if (!btf || !datasec)
      throw new BpfObjectError("BPF_OBJECT", `section ${section.name} has no BTF: compile with -g`);
    const variables = datasec.entries.map((entry) => readVariable(section, btf, entry));
    for (let i = 1; i < variables.length; i++) {
      if (variables[i]!.start < variables[i - 1]!.end)
        throw new BpfObjectError("BPF_OBJECT", `the variables of section ${section.name} overlap`);
    }
    readPrograms(elf, section, variables, byPlace);
    return variables.map((variable) => variable.spec);
  });
}

interface PlacedVariable {
  readonly spec: StructOpsSpec;
  readonly start: number;
  readonly end: number;
}

function readVariable(
  section: ElfSection,
  btf: Btf,
  entry: { type: number; offset: number },
): PlacedVariable {
  const variable = btf.type(entry.type);
  const type = variable.kind === "var" ? btf.resolve(variable.type) : variable;
  if (type.kind !== "struct" || type.name === "") {
    throw new BpfObjectError(
      "BPF_OBJECT",
      `"${variable.name}" of section ${section.name} is a ${type.kind}, not a struct with a name`,
    );
  }
  const start = entry.offset;
  const end = start + type.size;
  if (end > section.data.length || type.size > MAX_SIZE || type.size === 0) {
    throw new BpfObjectError(
      "BPF_OBJECT",
      `"${variable.name}" with its ${type.size} bytes does not fit section ${section.name}`,
    );
  }
  const contents = section.data.slice(start, end);
  const spec = new StructOpsSpec({
    name: variable.name,
    section: section.name,
    btf,
    type,
    contents,
    programs: new Map(),
  });
  return { spec, start, end };
}

function readPrograms(
  elf: ElfFile,
  section: ElfSection,
  variables: readonly PlacedVariable[],
  programs: ReadonlyMap<string, ProgramSpec>,
): void {
  for (const { offset, symbol, addend } of elf.relocations(section)) {
    const at = Number(offset);
    const variable = variables.find((one) => at >= one.start && at < one.end);
    const place = variable ? at - variable.start : 0;
    const member = variable?.spec.type.members.find((one) => one.bitOffset === place * 8);
    if (!variable || !member || place + 8 > variable.spec.contents.length) {
      throw new BpfObjectError(
        "BPF_RELOCATION",
        `section ${section.name} has an address at byte ${at}, where no member is`,
      );
    }
    const { contents } = variable.spec;
    const view = new DataView(contents.buffer, contents.byteOffset);
    const inPlace = addend ?? view.getBigUint64(place, elf.header.littleEndian);
    const program = symbol?.section && programs.get(`${symbol.section.index} ${symbol.value + inPlace}`);
    if (!program) {
      throw new BpfObjectError(
        "BPF_RELOCATION",
        `member "${member.name}" of "${variable.spec.name}" points to "${symbol?.name}", which is no program`,
      );
    }
    view.setBigUint64(place, 0n);
    variable.spec.programs.set(member.name, program);
  }
}

import { ElfFile, ElfMachine, type ElfSection, ElfType, SectionFlag, SectionType } from "@weir/elf";
import type { Btf } from "../btf/btf.js";
import type { BtfValue } from "../btf/codec.js";
import { type BtfExt, readBtfExt } from "../btf/ext.js";
import type { BtfTypeOf } from "../btf/types.js";
import { type CoreRelocation, describeRelocations } from "../core/records.js";
import { type LoadOptions, load } from "../kernel/load.js";
import type { LoadedObject } from "../kernel/loaded-object.js";
import { DataSection, isDataSection } from "./data-section.js";
import { BpfObjectError } from "./error.js";
import { type ExternSpec, kconfigSize } from "./externs.js";
import type { BpfFunction } from "./function.js";
import { readFunctions } from "./functions.js";
import { type LegacyMap, readLegacyMaps } from "./legacy-maps.js";
import { type PlacedMap, readMapContents } from "./map-contents.js";
import { readMapDefinition } from "./map-definitions.js";
import type { MapSpec } from "./map-spec.js";
import { readObjectBtf } from "./object-btf.js";
import { ProgramSpec } from "./program-spec.js";
import { readStructOps, type StructOpsSpec } from "./struct-ops.js";
import { VariableSpec } from "./variable.js";

/**
 * A BPF object file as clang writes it: what it defines, before any of it is in the kernel.
 *
 * Parsing is pure: no system call, no privilege, any operating system. Programs, maps and variables may be changed
 * before {@link load}, and one object may be loaded many times.
 */
export class BpfObject {
  /** The functions that are programs of their own, in the order of the file. */
  readonly programs: readonly ProgramSpec[];
  /** All functions: programs, and what they call. */
  readonly functions: readonly BpfFunction[];
  /** The maps that `.maps` and "maps" define, in the order of the file; data sections are not among them. */
  readonly maps: readonly MapSpec[];
  /** The data sections with something in them, and ".kconfig", which the loader fills in. */
  readonly dataSections: readonly DataSection[];
  /** The tables of functions that the kernel is to call, such as a congestion control. */
  readonly structOps: readonly StructOpsSpec[];
  /** What the kernel is to provide: options, symbols, functions. */
  readonly externs: readonly ExternSpec[];
  /** Section ".kconfig" among the data sections; undefined if there are no kernel options. */
  readonly kconfig: DataSection | undefined;
  /** The global variables that BTF describes. */
  readonly variables: readonly VariableSpec[];
  /** The license that programs are loaded with, from section "license"; "" if there is none. */
  license: string;
  /** The kernel version from section "version", for kprobes on kernels before 5.0; 0 if there is none. */
  readonly version: number;
  /** The type information, with the sections' sizes and offsets filled in; undefined if there is none. */
  readonly btf: Btf | undefined;
  /** What `.BTF.ext` says about instructions; undefined if there is none. */
  readonly btfExt: BtfExt | undefined;
  /** The byte order of its code and data. Only objects of the host's can be loaded. */
  readonly littleEndian: boolean;

  private constructor(bytes: Uint8Array) {
    const elf = ElfFile.parse(bytes);
    const { header } = elf;
    // clang sets EM_BPF; some old tools left it 0.
    if (header.class !== 64 || (header.machine !== ElfMachine.BPF && header.machine !== ElfMachine.NONE)) {
      throw new BpfObjectError(
        "BPF_OBJECT",
        `not a BPF object: the ELF file is for machine ${header.machine}, ${header.class} bit`,
      );
    }
    if (header.type !== ElfType.REL)
      throw new BpfObjectError("BPF_OBJECT", "not a relocatable object: compile it with -c");
    this.littleEndian = header.littleEndian;
    this.license = readLicense(elf);
    this.version = readVersion(elf);
    const { btf, sections: types, externs } = readObjectBtf(elf);
    this.btf = btf;
    this.externs = [...externs.values()];
    const ext = this.btf && elf.section(".BTF.ext");
    this.btfExt = this.btf && ext && readBtfExt(ext.data, this.btf);

    const placed = readMaps(elf, btf, types);
    const legacy = readLegacyMaps(elf, btf);
    this.maps = [...placed, ...legacy].map((map) => map.spec);
    const sections = readDataSections(elf, btf, types);
    this.dataSections = [...sections.values()];
    this.variables = readVariables(btf, types, this.dataSections);
    const kconfig = kconfigSection(this.externs, btf, types);
    if (kconfig) this.dataSections = [...this.dataSections, kconfig];
    this.kconfig = kconfig;
    this.functions = readFunctions(elf, {
      maps: mapsByPlace(elf, placed, legacy),
      dataMaps: new Map([...sections].map(([section, data]) => [section.index, data.map])),
      externs,
    });
    this.programs = this.functions
      .filter((function_) => function_.global && function_.section !== ".text")
      .map((function_) => new ProgramSpec(function_));
    const mapsSection = elf.section(".maps");
    if (mapsSection) readMapContents(elf, mapsSection, placed, this.programs);
    fillProgramArrays(legacy, this.programs);
    this.structOps = readStructOps(elf, btf, types, this.programs);
  }

  /**
   * Reads an object.
   * @param bytes the file, which must not change as long as the object is used
   * @throws ElfError, BtfError or BpfObjectError, and nothing else, whatever the bytes
   */
  static parse(bytes: Uint8Array): BpfObject {
    return new BpfObject(bytes);
  }

  /**
   * What its functions want to know about the types of the kernel that they will run on, in the order of the file;
   * {@link load} writes the answers into their instructions. Throws {@link BtfError} for a record that makes no sense.
   */
  get coreRelocations(): CoreRelocation[] {
    return this.btf && this.btfExt ? describeRelocations(this.functions, this.btfExt, this.btf) : [];
  }

  /** The program of that name. Throws {@link BpfObjectError} if there is none. */
  program(name: string): ProgramSpec {
    return find("program", this.programs, name);
  }

  /** The map of that name; a data section goes by its section's name, a struct_ops by its variable's. Throws {@link BpfObjectError} if there is none. */
  map(name: string): MapSpec {
    return find("map", allMaps(this), name);
  }

  /** The struct_ops variable of that name. Throws {@link BpfObjectError} if there is none. */
  structOp(name: string): StructOpsSpec {
    return find("struct_ops", this.structOps, name);
  }

  /**
   * The global variable of that name. Throws {@link BpfObjectError} if there is none.
   * @typeParam T what its value is in JavaScript
   */
  variable<T = BtfValue>(name: string): VariableSpec<T> {
    return find("variable", this.variables, name) as unknown as VariableSpec<T>;
  }

  /**
   * Creates the maps, fills the data sections and loads the programs: all of them, or those named and what they need.
   * Whatever goes wrong, nothing half-loaded stays behind.
   * @throws VerifierError for a program that the verifier refuses, with its whole log
   * @throws NotSupportedError for something that this kernel does not have
   * @throws MapMismatchError for a map to reuse that does not fit its definition
   * @throws BpfObjectError for something that this loader does not support, or a name that does not exist
   * @throws BtfError for type information, of the object or of the kernel that was given, that makes no sense
   * @throws SystemError for any other refusal
   */
  load(options: LoadOptions = {}): LoadedObject {
    return load(this, options);
  }
}

/** All maps that loading an object may create. */
export function allMaps(object: BpfObject): MapSpec[] {
  return [
    ...object.maps,
    ...object.dataSections.map((section) => section.map),
    ...object.structOps.map((table) => table.map),
  ];
}

function find<T extends { name: string }>(what: string, items: readonly T[], name: string): T {
  const found = items.find((item) => item.name === name);
  if (found) return found;
  const names = items.map((item) => item.name).join(", ") || "none";
  throw new BpfObjectError("BPF_NOT_FOUND", `the object has no ${what} named "${name}"; it has ${names}`);
}

const decoder = new TextDecoder();

function readLicense(elf: ElfFile): string {
  const bytes = elf.section("license")?.data;
  if (!bytes) return "";
  const end = bytes.indexOf(0);
  return decoder.decode(bytes.subarray(0, Math.min(end === -1 ? bytes.length : end, 128)));
}

function readVersion(elf: ElfFile): number {
  const bytes = elf.section("version")?.data;
  if (!bytes) return 0;
  if (bytes.length !== 4)
    throw new BpfObjectError("BPF_OBJECT", `section "version" has ${bytes.length} bytes instead of 4`);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, elf.header.littleEndian);
}

type SectionTypes = ReadonlyMap<string, BtfTypeOf<"datasec">>;

function readMaps(elf: ElfFile, btf: Btf | undefined, sectionTypes: SectionTypes): PlacedMap[] {
  const section = elf.section(".maps");
  if (!section) return [];
  const types = sectionTypes.get(".maps");
  if (!btf || !types) throw new BpfObjectError("BPF_MAP", "section .maps has no BTF: compile with -g");
  let end = 0;
  return types.entries.map((entry) => {
    const variable = btf.type(entry.type);
    if (variable.kind !== "var")
      throw new BpfObjectError("BPF_MAP", `a ${variable.kind} is listed among the maps`);
    const start = entry.offset;
    const overlaps = start < end;
    // What `values` is initialised with lies behind the struct, whose type does not count it.
    end = start + Math.max(entry.size, btf.sizeOf(variable.type), 1);
    if (end > section.size || overlaps) {
      throw new BpfObjectError("BPF_MAP", `map "${variable.name}" does not fit section .maps`);
    }
    const { spec, values } = readMapDefinition(btf, variable.name, variable.type);
    return { spec, values, start, end };
  });
}

function mapsByPlace(
  elf: ElfFile,
  placed: readonly PlacedMap[],
  legacy: readonly LegacyMap[],
): Map<number, Map<number, MapSpec>> {
  const places = new Map<number, Map<number, MapSpec>>();
  const section = elf.section(".maps");
  if (section) places.set(section.index, new Map(placed.map((map) => [map.start, map.spec])));
  for (const { section, offset, spec } of legacy) {
    const known = places.get(section.index);
    if (known) known.set(offset, spec);
    else places.set(section.index, new Map([[offset, spec]]));
  }
  return places;
}

// A section "ID/KEY" of iproute2 holds the program for an element of the program array with that id.
function fillProgramArrays(maps: readonly LegacyMap[], programs: readonly ProgramSpec[]): void {
  const arrays = new Map(maps.map((map) => [map.id, map.spec]));
  for (const program of maps.length > 0 ? programs : []) {
    const [, id, key] = /^(\d{1,9})\/(\d{1,9})$/.exec(program.section) ?? [];
    const array = id === undefined ? undefined : arrays.get(Number(id));
    if (array?.type === "prog_array") array.contents.push({ key: Number(key), program });
  }
}

function kconfigSection(
  externs: readonly ExternSpec[],
  btf: Btf | undefined,
  types: SectionTypes,
): DataSection | undefined {
  const size = kconfigSize(externs);
  const datasec = types.get(".kconfig");
  if (size === 0 || !btf || !datasec) return undefined;
  return new DataSection({ name: ".kconfig", size, data: new Uint8Array(), types: { btf, datasec } });
}

function readDataSections(
  elf: ElfFile,
  btf: Btf | undefined,
  sectionTypes: SectionTypes,
): Map<ElfSection, DataSection> {
  const sections = new Map<ElfSection, DataSection>();
  const names = new Set<string>();
  for (const section of elf.sections) {
    const holdsData = section.type === SectionType.PROGBITS || section.type === SectionType.NOBITS;
    const executable = (section.flags & SectionFlag.EXECINSTR) !== 0;
    if (!holdsData || executable || section.size === 0 || !isDataSection(section.name)) continue;
    if (names.has(section.name))
      throw new BpfObjectError("BPF_OBJECT", `there are two sections named ${section.name}`);
    names.add(section.name);
    const datasec = sectionTypes.get(section.name);
    const { name, size, data } = section;
    const types = btf && datasec && { btf, datasec };
    const needsRelocation = elf.relocations(section).length > 0;
    sections.set(section, new DataSection({ name, size, data, types, needsRelocation }));
  }
  return sections;
}

function readVariables(
  btf: Btf | undefined,
  sectionTypes: SectionTypes,
  sections: readonly DataSection[],
): VariableSpec[] {
  if (!btf) return [];
  return sections.flatMap((data) => {
    const types = sectionTypes.get(data.map.name);
    return (types?.entries ?? []).map((entry) => {
      const variable = btf.type(entry.type);
      if (variable.kind !== "var")
        throw new BpfObjectError("BPF_VARIABLE", `section ${data.map.name} lists a ${variable.kind}`);
      if (entry.offset + btf.sizeOf(variable.type) > data.map.valueSize) {
        throw new BpfObjectError(
          "BPF_VARIABLE",
          `variable "${variable.name}" ends outside section ${data.map.name}`,
        );
      }
      return new VariableSpec(variable.name, data, entry.offset, btf, variable.type);
    });
  });
}

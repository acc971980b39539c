import { ElfFile, ElfMachine, type ElfSection, ElfType, SectionFlag, SectionType } from "@weir/elf";
import type { Btf } from "../btf/btf.js";
import { type BtfExt, readBtfExt } from "../btf/ext.js";
import type { BtfTypeOf } from "../btf/types.js";
import { type CoreRelocation, describeRelocations } from "../core/records.js";
import { type LoadOptions, load } from "../kernel/load.js";
import type { LoadedObject } from "../kernel/loaded-object.js";
import { DataSection, isDataSection } from "./data-section.js";
import { BpfObjectError } from "./error.js";
import type { BpfFunction } from "./function.js";
import { readFunctions } from "./functions.js";
import { readMapDefinition } from "./map-definitions.js";
import type { MapSpec } from "./map-spec.js";
import { readObjectBtf } from "./object-btf.js";
import { ProgramSpec } from "./program-spec.js";
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
  /** The maps that `.maps` defines, in the order of the file; data sections are not among them. */
  readonly maps: readonly MapSpec[];
  /** The data sections with something in them. */
  readonly dataSections: readonly DataSection[];
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
    this.btf = readObjectBtf(elf);
    const ext = this.btf && elf.section(".BTF.ext");
    this.btfExt = this.btf && ext && readBtfExt(ext.data, this.btf);

    const types = readSectionTypes(this.btf);
    const mapsByOffset = readMaps(elf, this.btf, types);
    this.maps = [...mapsByOffset.values()];
    const sections = readDataSections(elf, this.btf, types);
    this.dataSections = [...sections.values()];
    this.variables = readVariables(this.btf, types, this.dataSections);
    this.functions = readFunctions(elf, {
      mapsSection: elf.section(".maps")?.index ?? -1,
      mapsByOffset,
      dataMaps: new Map([...sections].map(([section, data]) => [section.index, data.map])),
    });
    this.programs = this.functions
      .filter((function_) => function_.global && function_.section !== ".text")
      .map((function_) => new ProgramSpec(function_));
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

  /** The map of that name; a data section goes by its section's name. Throws {@link BpfObjectError} if there is none. */
  map(name: string): MapSpec {
    return find("map", [...this.maps, ...this.dataSections.map((section) => section.map)], name);
  }

  /** The global variable of that name. Throws {@link BpfObjectError} if there is none. */
  variable(name: string): VariableSpec {
    return find("variable", this.variables, name);
  }

  /**
   * Creates the maps, fills the data sections and loads the programs: all of them, or those named and what they need.
   * Whatever goes wrong, nothing half-loaded stays behind.
   * @throws VerifierError for a program that the verifier refuses, with its whole log
   * @throws NotSupportedError for something that this kernel does not have
   * @throws MapMismatchError for a map to reuse that does not fit its definition
   * @throws BpfObjectError for something that this loader does not support, or a name that does not exist
   * @throws SystemError for any other refusal
   */
  load(options: LoadOptions = {}): LoadedObject {
    return load(this, options);
  }
}

function find<T extends { name: string }>(what: string, items: readonly T[], name: string): T {
  const found = items.find((item) => item.name === name);
  if (found) return found;
  const names = items.map((item) => item.name).join(", ") || "none";
  throw new BpfObjectError("BPF_NOT_FOUND", `the object has no ${what} named "${name}"; it has ${names}`);
}

function readLicense(elf: ElfFile): string {
  const bytes = elf.section("license")?.data;
  if (!bytes) return "";
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, Math.min(end === -1 ? bytes.length : end, 128)));
}

function readVersion(elf: ElfFile): number {
  const bytes = elf.section("version")?.data;
  if (!bytes) return 0;
  if (bytes.length !== 4)
    throw new BpfObjectError("BPF_OBJECT", `section "version" has ${bytes.length} bytes instead of 4`);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, elf.header.littleEndian);
}

type SectionTypes = ReadonlyMap<string, BtfTypeOf<"datasec">>;

function readSectionTypes(btf: Btf | undefined): SectionTypes {
  const types = new Map<string, BtfTypeOf<"datasec">>();
  for (const type of btf?.typesOf("datasec") ?? []) if (!types.has(type.name)) types.set(type.name, type);
  return types;
}

function readMaps(elf: ElfFile, btf: Btf | undefined, sectionTypes: SectionTypes): Map<number, MapSpec> {
  const maps = new Map<number, MapSpec>();
  const section = elf.section(".maps");
  if (!section) return maps;
  const types = sectionTypes.get(".maps");
  if (!btf || !types) throw new BpfObjectError("BPF_MAP", "section .maps has no BTF: compile with -g");
  let end = 0;
  for (const entry of types.entries) {
    const variable = btf.type(entry.type);
    if (variable.kind !== "var")
      throw new BpfObjectError("BPF_MAP", `a ${variable.kind} is listed among the maps`);
    const start = entry.offset;
    const overlaps = start < end || maps.has(start);
    end = start + btf.sizeOf(variable.type);
    if (end > section.size || overlaps) {
      throw new BpfObjectError("BPF_MAP", `map "${variable.name}" does not fit section .maps`);
    }
    maps.set(start, readMapDefinition(btf, variable.name, variable.type));
  }
  return maps;
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
    const types = btf && datasec && { btf, datasec: datasec.id };
    sections.set(section, new DataSection(section, types, elf.relocations(section).length > 0));
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

import { type ElfFile, type ElfSection, SymbolType, SymbolVisibility } from "@weir/elf";
import { Btf } from "../btf/btf.js";
import { BtfError } from "../btf/error.js";
import { TYPE_SIZE } from "../btf/layout.js";
import { BtfKind, type BtfSectionEntry, type BtfTypeOf } from "../btf/types.js";
import { type ExternSpec, kconfigSize, readExterns } from "./externs.js";

/** An object's BTF, completed, and what was found on the way. */
export interface ObjectBtf {
  /** Undefined if the object has none. */
  readonly btf: Btf | undefined;
  /** The type that lists the variables of a section, by the section's name. */
  readonly sections: ReadonlyMap<string, BtfTypeOf<"datasec">>;
  readonly externs: ReadonlyMap<string, ExternSpec>;
}

/** BTF_VAR_STATIC, BTF_VAR_GLOBAL_ALLOCATED and BTF_FUNC_GLOBAL of include/uapi/linux/btf.h. */
const STATIC = 0;
const GLOBAL = 1;

/**
 * Reads `.BTF` and completes it: compilers leave the size of each data section, and the offsets of its global
 * variables, to the loader, which finds them in the ELF sections and symbols (btf_fixup_datasec of libbpf). The kernel
 * knows no externs, so that what declares them becomes what it does know, as in bpf_object__collect_externs of libbpf.
 */
export function readObjectBtf(elf: ElfFile): ObjectBtf {
  const section = elf.section(".BTF");
  if (!section) return { btf: undefined, sections: new Map(), externs: readExterns(elf, undefined) };
  const btf = Btf.parse(section.data.slice());
  if (btf.littleEndian !== elf.header.littleEndian) {
    throw new BtfError("BTF_HEADER", "the BTF has another byte order than the object");
  }
  const externs = readExterns(elf, btf);
  const fixer = new Fixer(btf, externs);
  const variables = new Variables(elf);
  const sections = new Map(elf.sections.map((section) => [section.name, section]));
  const ids = new Map<string, number>();
  for (const type of btf.typesOf("datasec")) {
    if (!ids.has(type.name)) ids.set(type.name, type.id);
    const target = sections.get(type.name);
    if (target) fixer.placeVariables(type, target, variables);
    else if (type.name === ".kconfig") fixer.placeOptions(type);
    else if (type.name === ".ksyms") fixer.hideSymbols(type);
    fixer.cleanName(type);
  }
  if (externs.size > 0) fixer.replaceExterns();
  btf.reread(fixer.changed);
  return {
    btf,
    sections: new Map([...ids].map(([name, id]) => [name, btf.type(id) as BtfTypeOf<"datasec">])),
    externs,
  };
}

interface SymbolPlace {
  readonly offset: number;
  readonly hidden: boolean;
}

/** Where the symbol table says that variables lie. */
class Variables {
  readonly #places = new Map<ElfSection, Map<string, SymbolPlace>>();

  constructor(elf: ElfFile) {
    for (const symbol of elf.symbols) {
      if (symbol.type !== SymbolType.OBJECT) continue;
      const { section, visibility } = symbol;
      if (!section || symbol.value > BigInt(section.size)) continue;
      let known = this.#places.get(section);
      if (!known) {
        known = new Map();
        this.#places.set(section, known);
      }
      const hidden = visibility === SymbolVisibility.HIDDEN || visibility === SymbolVisibility.INTERNAL;
      known.set(symbol.name, { offset: Number(symbol.value), hidden });
    }
  }

  find(section: ElfSection, name: string): SymbolPlace | undefined {
    return this.#places.get(section)?.get(name);
  }
}

/** Changes the bytes of a blob in place: no record changes its length, and none refers to what does not exist. */
class Fixer {
  readonly #view: DataView;
  readonly #btf: Btf;
  readonly #externs: ReadonlyMap<string, ExternSpec>;
  #someInt: BtfTypeOf<"int"> | undefined | null = null;
  /** The types whose records are no longer what they were. */
  readonly changed = new Set<number>();

  constructor(btf: Btf, externs: ReadonlyMap<string, ExternSpec>) {
    const { bytes } = btf;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#btf = btf;
    this.#externs = externs;
  }

  placeVariables(type: BtfTypeOf<"datasec">, target: ElfSection, variables: Variables): void {
    const entries = type.entries.map(({ type, offset, size }) => {
      const variable = this.#btf.type(type);
      // The offsets of static variables are right already: their relocations are against the section.
      const known = variable.kind === "var" && variable.linkage !== "static";
      const place = known ? variables.find(target, variable.name) : undefined;
      if (place?.hidden) this.#set(type, TYPE_SIZE, STATIC);
      return { type, offset: place?.offset ?? offset, size };
    });
    this.#writeSection(type, target.size, entries);
  }

  /** `.kconfig`, which is a section that the loader makes up. */
  placeOptions(type: BtfTypeOf<"datasec">): void {
    const entries = type.entries.map((entry) => {
      const { kconfig } = this.#externs.get(this.#btf.type(entry.type).name)!;
      return { type: entry.type, offset: kconfig!.offset, size: kconfig!.size };
    });
    this.#writeSection(type, kconfigSize(this.#externs.values()), entries);
  }

  /** `.ksyms` lists functions, which the kernel refuses in a section: it becomes a union, whose members are as long. */
  hideSymbols(type: BtfTypeOf<"datasec">): void {
    const int = this.#int;
    if (!int) return;
    this.#set(type.id, 0, 0);
    this.#set(type.id, 4, ((BtfKind.UNION << 24) | type.entries.length) >>> 0);
    this.#set(type.id, 8, int.size);
    for (let i = 0; i < type.entries.length; i++) {
      const member = TYPE_SIZE + i * 12;
      this.#set(type.id, member, 0);
      this.#set(type.id, member + 4, int.id);
      this.#set(type.id, member + 8, 0);
    }
  }

  /** "?.struct_ops": kernels before 6.9 take no question mark in a name. */
  cleanName(type: BtfTypeOf<"datasec">): void {
    if (type.name.startsWith("?.")) this.#set(type.id, 0, this.#get(type.id, 0) + 1);
  }

  /** Functions and variables of other files: the kernel takes global ones only. */
  replaceExterns(): void {
    for (const variable of this.#btf.typesOf("var")) {
      if (variable.linkage !== "extern") continue;
      this.#set(variable.id, TYPE_SIZE, GLOBAL);
      // A variable of type void has no size, which the kernel wants to know.
      if (this.#externs.get(variable.name)?.kind === "ksym" && this.#int)
        this.#set(variable.id, 8, this.#int.id);
    }
    for (const function_ of this.#btf.typesOf("func")) {
      if (function_.linkage !== "extern") continue;
      this.#set(function_.id, 4, ((BtfKind.FUNC << 24) | GLOBAL) >>> 0);
      this.#nameParameters(function_);
    }
  }

  // btf_func_check in kernel/bpf/btf.c wants names, which a declaration need not have; any will do.
  #nameParameters(function_: BtfTypeOf<"func">): void {
    const prototype = this.#btf.type(function_.type);
    if (prototype.kind !== "func_proto") return;
    const name = this.#get(function_.id, 0);
    prototype.parameters.forEach((parameter, i) => {
      if (parameter.type !== 0 && parameter.name === "") this.#set(prototype.id, TYPE_SIZE + i * 8, name);
    });
  }

  // The kernel wants the variables in ascending order (btf_datasec_check_meta, kernel/bpf/btf.c).
  #writeSection(type: BtfTypeOf<"datasec">, size: number, entries: BtfSectionEntry[]): void {
    entries.sort((a, b) => a.offset - b.offset);
    this.#set(type.id, 8, size);
    entries.forEach((entry, i) => {
      const body = TYPE_SIZE + i * 12;
      this.#set(type.id, body, entry.type);
      this.#set(type.id, body + 4, entry.offset);
      this.#set(type.id, body + 8, entry.size);
    });
  }

  /** Some integer: there is one wherever a function returns one. */
  get #int(): BtfTypeOf<"int"> | undefined {
    if (this.#someInt === null) {
      this.#someInt = undefined;
      for (const type of this.#btf.typesOf("int")) this.#someInt ??= type.size === 4 ? type : undefined;
    }
    return this.#someInt;
  }

  #get(id: number, offset: number): number {
    return this.#view.getUint32(this.#btf.offsetOf(id) + offset, this.#btf.littleEndian);
  }

  #set(id: number, offset: number, value: number): void {
    this.changed.add(id);
    this.#view.setUint32(this.#btf.offsetOf(id) + offset, value, this.#btf.littleEndian);
  }
}

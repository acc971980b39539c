import {
  type ElfFile,
  type ElfRelocation,
  type ElfSection,
  type ElfSymbol,
  SectionFlag,
  SectionType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "@weir/elf";
import { BpfObjectError } from "./error.js";
import type { ExternSpec } from "./externs.js";
import { type BpfFunction, INSTRUCTION_SIZE, type Reference } from "./function.js";
import type { MapSpec } from "./map-spec.js";

/** R_BPF_64_64 and R_BPF_64_32 (llvm's ELFRelocs/BPF.def): a 64-bit load, a call. */
const R_BPF_64_64 = 1;
const R_BPF_64_32 = 10;
/** `BPF_LD | BPF_IMM | BPF_DW` and `BPF_JMP | BPF_CALL`. */
const LOAD_64 = 0x18;
const CALL = 0x85;
const PSEUDO_CALL = 1;

/** Where relocations may point besides functions. */
export interface Targets {
  /** The maps by their section's index and their offset in the section. */
  readonly maps: ReadonlyMap<number, ReadonlyMap<number, MapSpec>>;
  /** The maps of data sections by section index. */
  readonly dataMaps: ReadonlyMap<number, MapSpec>;
  /** What this file does not define, by name. */
  readonly externs: ReadonlyMap<string, ExternSpec>;
}

/** Finds all functions and what their instructions refer to. Throws {@link BpfObjectError}. */
export function readFunctions(elf: ElfFile, targets: Targets): BpfFunction[] {
  const bySection = new Map<number, BpfFunction[]>();
  for (const [section, symbols] of functionSymbols(elf)) {
    bySection.set(section.index, symbols.length === 0 ? [] : splitSection(section, symbols));
  }
  const reader = new ReferenceReader(elf, targets, bySection);
  const all: BpfFunction[] = [];
  for (const [index, functions] of bySection) {
    if (functions.length > 0) reader.readSection(elf.sections[index]!, functions);
    for (const function_ of functions) all.push(function_);
  }
  return all;
}

interface FunctionSymbol {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly global: boolean;
  readonly hidden: boolean;
}

function functionSymbols(elf: ElfFile): Map<ElfSection, FunctionSymbol[]> {
  const found = new Map<ElfSection, FunctionSymbol[]>();
  for (const symbol of elf.symbols) {
    if (symbol.type !== SymbolType.FUNC) continue;
    const { section } = symbol;
    if (!section || !isCode(section)) continue;
    const function_: FunctionSymbol = {
      name: symbol.name,
      offset: sectionOffset(symbol.value, section),
      size: sectionOffset(symbol.size, section),
      global: symbol.binding !== SymbolBinding.LOCAL,
      hidden:
        symbol.visibility === SymbolVisibility.HIDDEN || symbol.visibility === SymbolVisibility.INTERNAL,
    };
    const known = found.get(section);
    if (known) known.push(function_);
    else found.set(section, [function_]);
  }
  return found;
}

function isCode(section: ElfSection): boolean {
  return section.type === SectionType.PROGBITS && (section.flags & SectionFlag.EXECINSTR) !== 0;
}

function splitSection(section: ElfSection, symbols: FunctionSymbol[]): BpfFunction[] {
  symbols.sort((a, b) => a.offset - b.offset);
  const functions: BpfFunction[] = [];
  const { data } = section;
  let end = 0;
  symbols.forEach((symbol, i) => {
    const next = symbols[i + 1]?.offset ?? section.size;
    const size = symbol.size || next - symbol.offset;
    const fail = (what: string) =>
      new BpfObjectError("BPF_FUNCTION", `function "${symbol.name}" of section ${section.name} ${what}`);
    if (symbol.offset < end) throw fail("overlaps the one before it");
    if (size === 0 || symbol.offset % INSTRUCTION_SIZE !== 0 || size % INSTRUCTION_SIZE !== 0) {
      throw fail("does not consist of whole instructions");
    }
    end = symbol.offset + size;
    if (end > section.size) throw fail("ends outside its section");
    functions.push({
      name: symbol.name,
      section: section.name,
      sectionIndex: section.index,
      start: symbol.offset / INSTRUCTION_SIZE,
      code: data.subarray(symbol.offset, end),
      global: symbol.global,
      hidden: symbol.global && symbol.hidden,
      references: [],
    });
  });
  return functions;
}

/** A symbol's value or size, as a number that can be an offset into the section. */
function sectionOffset(value: bigint, section: ElfSection): number {
  const offset = Number(value);
  // A value past 2^53 is rounded, but is larger than any section all the same.
  if (offset > section.size) {
    throw new BpfObjectError(
      "BPF_OBJECT",
      `a symbol of section ${section.name} lies at ${value}, outside its ${section.size} bytes`,
    );
  }
  return offset;
}

/** Fills in the references of functions, section by section. */
class ReferenceReader {
  readonly #elf: ElfFile;
  readonly #targets: Targets;
  readonly #functions: ReadonlyMap<number, BpfFunction[]>;
  /** Where symbols lie: a few are referred to again and again. */
  readonly #places = new Map<ElfSymbol, { section: ElfSection; value: number } | undefined>();

  constructor(elf: ElfFile, targets: Targets, functions: ReadonlyMap<number, BpfFunction[]>) {
    this.#elf = elf;
    this.#targets = targets;
    this.#functions = functions;
  }

  readSection(section: ElfSection, functions: BpfFunction[]): void {
    const relocations = this.#elf.relocations(section);
    // For each instruction 0, or 1 + the index of its relocation.
    const byInstruction = new Uint32Array(Math.floor(section.size / INSTRUCTION_SIZE) + 1);
    relocations.forEach((relocation, i) => {
      const offset = sectionOffset(relocation.offset, section);
      if (offset % INSTRUCTION_SIZE !== 0) {
        throw new BpfObjectError(
          "BPF_RELOCATION",
          `a relocation of section ${section.name} points into an instruction, at byte ${offset}`,
        );
      }
      byInstruction[offset / INSTRUCTION_SIZE] = i + 1;
    });
    for (const function_ of functions) this.#readFunction(function_, relocations, byInstruction);
  }

  #readFunction(
    function_: BpfFunction,
    relocations: readonly ElfRelocation[],
    byInstruction: Uint32Array,
  ): void {
    const { code, start } = function_;
    const count = code.length / INSTRUCTION_SIZE;
    for (let at = 0; at < count; at++) {
      const opcode = code[at * INSTRUCTION_SIZE]!;
      const number = byInstruction[start + at]!;
      // Most instructions refer to nothing.
      if (number === 0 && opcode !== CALL && opcode !== LOAD_64) continue;
      if (opcode === LOAD_64 && at + 1 >= count) {
        throw new BpfObjectError("BPF_FUNCTION", `function "${function_.name}" ends within a 64-bit load`);
      }
      const relocation = number === 0 ? undefined : relocations[number - 1];
      if (relocation) function_.references.push(this.#relocated(function_, at, relocation));
      else if (opcode === CALL && this.#sourceRegister(code, at) === PSEUDO_CALL) {
        const imm = this.#immediate(code, at);
        const target = this.#functionAt(function_, function_.sectionIndex, function_.start + at + imm + 1);
        function_.references.push({ at, kind: "call", target });
      }
      if (opcode === LOAD_64) at++;
    }
  }

  #relocated(function_: BpfFunction, at: number, relocation: ElfRelocation): Reference {
    const opcode = function_.code[at * INSTRUCTION_SIZE]!;
    const imm = this.#immediate(function_.code, at);
    const { symbol, type } = relocation;
    const fail = (what: string) =>
      new BpfObjectError("BPF_RELOCATION", `instruction ${at} of function "${function_.name}" ${what}`);
    if (!symbol) throw fail("has a relocation that names no symbol");
    const isLoad = type === R_BPF_64_64 && opcode === LOAD_64;
    const isCall = type === R_BPF_64_32 && opcode === CALL;
    if (!isLoad && !isCall) {
      throw fail(`(opcode 0x${opcode.toString(16)}) cannot have a relocation of type ${type}`);
    }
    const place = this.#placeOf(symbol);
    if (!place) {
      const { name } = symbol;
      const extern = this.#targets.externs.get(name);
      if (!extern) throw fail(`refers to "${name}", which is nowhere`);
      return { at, kind: "extern", name, extern };
    }
    const { section, value } = place;
    if (isCall) {
      const target = this.#functionAt(function_, section.index, value / INSTRUCTION_SIZE + imm + 1);
      return { at, kind: "call", target };
    }
    const offset = value + imm;
    const maps = this.#targets.maps.get(section.index);
    if (maps) {
      const map = maps.get(offset);
      if (!map) throw fail(`refers to byte ${offset} of ${section.name}, where no map begins`);
      return { at, kind: "map", map };
    }
    const data = this.#targets.dataMaps.get(section.index);
    if (data) {
      if (offset < 0 || offset > section.size) {
        throw fail(`refers to byte ${offset} of ${section.name}, outside its ${section.size}`);
      }
      return { at, kind: "map_value", map: data, offset };
    }
    if (isCode(section)) {
      return {
        at,
        kind: "function_address",
        target: this.#functionAt(function_, section.index, offset / INSTRUCTION_SIZE),
      };
    }
    throw fail(`refers to section ${section.name}, which is neither code, data nor maps`);
  }

  #placeOf(symbol: ElfSymbol): { section: ElfSection; value: number } | undefined {
    let place = this.#places.get(symbol);
    if (!place && !this.#places.has(symbol)) {
      const { section } = symbol;
      place = section && { section, value: sectionOffset(symbol.value, section) };
      this.#places.set(symbol, place);
    }
    return place;
  }

  #immediate(code: Uint8Array, at: number): number {
    const start = at * INSTRUCTION_SIZE + 4;
    return this.#elf.header.littleEndian
      ? code[start]! | (code[start + 1]! << 8) | (code[start + 2]! << 16) | (code[start + 3]! << 24)
      : code[start + 3]! | (code[start + 2]! << 8) | (code[start + 1]! << 16) | (code[start]! << 24);
  }

  #sourceRegister(code: Uint8Array, at: number): number {
    const registers = code[at * INSTRUCTION_SIZE + 1]!;
    return this.#elf.header.littleEndian ? registers >> 4 : registers & 0xf;
  }

  #functionAt(caller: BpfFunction, sectionIndex: number, start: number): BpfFunction {
    const functions = this.#functions.get(sectionIndex) ?? [];
    let [low, high] = [0, functions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (functions[middle]!.start < start) low = middle + 1;
      else high = middle;
    }
    const found = functions[low];
    if (found?.start === start) return found;
    const section = this.#elf.sections[sectionIndex]?.name;
    throw new BpfObjectError(
      "BPF_RELOCATION",
      `function "${caller.name}" refers to instruction ${start} of section ${section}, where no function begins`,
    );
  }
}

import { type ElfFile, SectionIndex, SymbolBinding } from "@weir/elf";
import type { Btf } from "../btf/btf.js";
import { BpfObjectError } from "./error.js";

/** More bytes of kernel options than any program has: a definition that asks for more is a mistake. */
const MAX_KCONFIG_SIZE = 1 << 20;

/** A symbol that a program uses and the kernel defines. */
export interface ExternSpec {
  readonly name: string;
  /**
   * - `kconfig`: an option of the kernel's configuration, or a fact about the kernel (`__kconfig`)
   * - `ksym`: a variable of the kernel, or the address of any symbol of it (`__ksym`)
   * - `kfunc`: a function of the kernel that programs may call (`__ksym`)
   * - `undeclared`: none of these, so that nobody can say what it is
   */
  readonly kind: "kconfig" | "ksym" | "kfunc" | "undeclared";
  /** Whether a program can do without it (`__weak`): then its address is 0, and its value too. */
  readonly weak: boolean;
  /** Id of its type in the object's BTF: of a variable's type, a function's prototype; 0 for a ksym of type void. */
  readonly type: number;
  /** For `kconfig`: what its type takes, and where its value lies in section ".kconfig". */
  readonly kconfig?: KconfigPlace;
}

/** A kernel option in section ".kconfig". */
export interface KconfigPlace {
  readonly type: "bool" | "tristate" | "char" | "int" | "string";
  /** In bytes from the start of the section. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  readonly signed: boolean;
}

/** The externs of an object by name: those that BTF declares and those that instructions refer to. Throws {@link BpfObjectError}. */
export function readExterns(elf: ElfFile, btf: Btf | undefined): Map<string, ExternSpec> {
  const weak = undefinedSymbols(elf);
  const externs = new Map<string, ExternSpec>();
  const options: { name: string; type: number; place: Omit<KconfigPlace, "offset"> }[] = [];
  for (const section of btf?.typesOf("datasec") ?? []) {
    if (section.name !== ".kconfig" && section.name !== ".ksyms") continue;
    for (const entry of section.entries) {
      const { kind, name, type } = declared(btf!, entry.type, section.name);
      if (kind !== "kconfig") externs.set(name, { name, kind, weak: weak.get(name) ?? false, type });
      else options.push({ name, type, place: kconfigType(btf!, name, type) });
    }
  }
  for (const { name, type, kconfig } of placeOptions(options)) {
    externs.set(name, { name, kind: "kconfig", weak: weak.get(name) ?? false, type, kconfig });
  }
  for (const [name, isWeak] of weak) {
    if (!externs.has(name)) externs.set(name, { name, kind: "undeclared", weak: isWeak, type: 0 });
  }
  return externs;
}

/** Whether each symbol that the file does not define is weak. */
function undefinedSymbols(elf: ElfFile): Map<string, boolean> {
  const found = new Map<string, boolean>();
  for (const symbol of elf.symbols) {
    if (symbol.sectionIndex !== SectionIndex.UNDEF) continue;
    const { binding } = symbol;
    if (binding === SymbolBinding.LOCAL) continue;
    if (symbol.name !== "") found.set(symbol.name, binding === SymbolBinding.WEAK);
  }
  return found;
}

function declared(
  btf: Btf,
  id: number,
  section: string,
): { kind: ExternSpec["kind"]; name: string; type: number } {
  const type = btf.type(id);
  if (section === ".kconfig" && type.kind === "var") {
    return { kind: "kconfig", name: type.name, type: type.type };
  }
  if (section === ".ksyms" && type.kind === "func")
    return { kind: "kfunc", name: type.name, type: type.type };
  if (section === ".ksyms" && type.kind === "var") {
    const untyped = btf.resolve(type.type).kind === "void";
    return { kind: "ksym", name: type.name, type: untyped ? 0 : type.type };
  }
  throw new BpfObjectError("BPF_OBJECT", `section ${section} lists a ${type.kind} "${type.name}"`);
}

// The types that libbpf takes for kernel options (find_kcfg_type).
function kconfigType(btf: Btf, name: string, id: number): Omit<KconfigPlace, "offset"> {
  const type = btf.resolve(id);
  if (type.kind === "int") {
    const { size, signed } = type;
    if (type.bool && size === 1) return { type: "bool", size, signed: false };
    if (!type.bool && size === 1) return { type: "char", size, signed };
    if (!type.bool && size <= 8) return { type: "int", size, signed };
  }
  if ((type.kind === "enum" || type.kind === "enum64") && type.name === "libbpf_tristate" && type.size === 4)
    return { type: "tristate", size: 4, signed: false };
  if (type.kind === "array" && type.length > 0) {
    const element = btf.resolve(type.type);
    if (element.kind === "int" && element.size === 1 && !element.bool)
      return { type: "string", size: btf.sizeOf(id), signed: false };
  }
  throw new BpfObjectError(
    "BPF_VARIABLE",
    `"${name}" is a kernel option of a type that no option can have (${type.kind} "${type.name}")`,
  );
}

// In libbpf's order (cmp_externs), so that the section looks the same: large alignment first, then small size, then name.
function placeOptions(
  options: { name: string; type: number; place: Omit<KconfigPlace, "offset"> }[],
): { name: string; type: number; kconfig: KconfigPlace }[] {
  const alignment = (place: Omit<KconfigPlace, "offset">) => (place.type === "string" ? 1 : place.size);
  options.sort(
    (a, b) =>
      alignment(b.place) - alignment(a.place) ||
      a.place.size - b.place.size ||
      (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  let end = 0;
  return options.map(({ name, type, place }) => {
    const align = alignment(place);
    const offset = Math.ceil(end / align) * align;
    end = offset + place.size;
    if (end > MAX_KCONFIG_SIZE)
      throw new BpfObjectError("BPF_VARIABLE", `the kernel options up to "${name}" take ${end} bytes`);
    return { name, type, kconfig: { ...place, offset } };
  });
}

/** Bytes of section ".kconfig"; 0 if there are no options. */
export function kconfigSize(externs: Iterable<ExternSpec>): number {
  let size = 0;
  for (const { kconfig } of externs) if (kconfig) size = Math.max(size, kconfig.offset + kconfig.size);
  return size;
}

import { type ElfFile, type ElfSection, SymbolType } from "@weir/elf";
import type { Btf } from "../btf/btf.js";
import type { BtfTypeOf } from "../btf/types.js";
import { mapTypeTable } from "../names/tables.js";
import { BpfObjectError } from "./error.js";
import { MapSpec } from "./map-spec.js";

/** `struct bpf_map_def`: type, key size, value size, entries, flags, each of 32 bits. */
const PLAIN_SIZE = 20;
/** `struct bpf_elf_map` of iproute2 (include/bpf_elf.h) goes on with id, pinning, inner id and inner index. */
const IPROUTE2_SIZE = 36;
/** The fields of `struct bpf_elf_map` that came first, without the inner map's. */
const OLD_IPROUTE2_SIZE = 28;

/** More maps in maps than any object has; iproute2 itself takes 64 maps. */
const MAX_SLOTS = 10_000;

/** A map of a "maps" section, with the numbers by which iproute2's maps refer to each other; 0 is none. */
export interface LegacyMap {
  readonly spec: MapSpec;
  readonly section: ElfSection;
  readonly offset: number;
  readonly id: number;
  readonly innerId: number;
  readonly innerIndex: number;
}

/** Whether a section holds map definitions from before BTF. */
export function isLegacyMaps(section: ElfSection): boolean {
  return section.name === "maps" || section.name.startsWith("maps/");
}

/**
 * Reads the maps of "maps" sections: an array of `struct bpf_map_def`, or of iproute2's `struct bpf_elf_map`. Maps of
 * maps are connected as iproute2 does (bpf_maps_attach_all and bpf_fill_prog_arrays of lib/bpf_legacy.c).
 * Throws {@link BpfObjectError}.
 */
export function readLegacyMaps(elf: ElfFile, btf: Btf | undefined): LegacyMap[] {
  const sections = elf.sections.filter(isLegacyMaps);
  if (sections.length === 0) return [];
  const types = new LegacyTypes(btf);
  const maps = sections.flatMap((section) => readSection(elf, section, types));
  connect(maps);
  return maps;
}

function connect(maps: readonly LegacyMap[]): void {
  const byId = new Map<number, LegacyMap[]>();
  for (const map of maps) {
    const same = byId.get(map.id);
    if (same) same.push(map);
    else byId.set(map.id, [map]);
  }
  let slots = 0;
  for (const { spec, innerId } of maps) {
    if (innerId === 0 || (spec.type !== "array_of_maps" && spec.type !== "hash_of_maps")) continue;
    for (const inner of byId.get(innerId) ?? []) {
      if (inner.spec === spec) continue;
      spec.innerMap ??= inner.spec;
      if (inner.innerId !== 0 || inner.innerIndex === -1) continue;
      if (++slots > MAX_SLOTS)
        throw new BpfObjectError("BPF_MAP", `the maps of maps hold more than ${MAX_SLOTS} maps`);
      spec.contents.push({ key: inner.innerIndex, map: inner.spec });
    }
  }
}

function readSection(elf: ElfFile, section: ElfSection, types: LegacyTypes): LegacyMap[] {
  const symbols = elf.symbols
    .filter(
      (symbol) =>
        symbol.section === section &&
        (symbol.type === SymbolType.OBJECT || symbol.type === SymbolType.NOTYPE) &&
        symbol.name !== "",
    )
    .map((symbol) => ({ name: symbol.name, value: symbol.value }))
    .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
  return symbols.map(({ name, value }, i) => {
    const next = symbols[i + 1]?.value ?? BigInt(section.size);
    const size = next - value;
    if (value > BigInt(section.data.length) || size < 16n || next > BigInt(section.data.length)) {
      throw new BpfObjectError(
        "BPF_MAP",
        `map "${name}" of section ${section.name} has ${size} bytes, too few for a definition`,
      );
    }
    return readDefinition(elf, section, name, Number(value), Number(size), types);
  });
}

function readDefinition(
  elf: ElfFile,
  section: ElfSection,
  name: string,
  offset: number,
  size: number,
  types: LegacyTypes,
): LegacyMap {
  const bytes = section.data.subarray(offset, offset + size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  const u32 = (at: number) => (at + 4 <= size ? view.getUint32(at, elf.header.littleEndian) : 0);
  const type = mapTypeTable.name(u32(0));
  if (!type || type === "unspec")
    throw new BpfObjectError("BPF_MAP", `map "${name}" has the unknown type ${u32(0)}`);
  const spec = new MapSpec(
    { name, type, keySize: u32(4), valueSize: u32(8), maxEntries: u32(12), flags: u32(16) },
    types.annotated(name),
  );
  const iproute2 = size === IPROUTE2_SIZE || (size === OLD_IPROUTE2_SIZE && types.isElfMap(name));
  if (!iproute2) {
    spec.extra = bytes.slice(PLAIN_SIZE);
    return { spec, section, offset, id: 0, innerId: 0, innerIndex: -1 };
  }
  // PIN_OBJECT_NS and PIN_GLOBAL_NS differ in the folder that iproute2 chooses; here whoever loads chooses it.
  spec.pinning = u32(24) === 0 ? "none" : "by_name";
  return { spec, section, offset, id: u32(20), innerId: u32(28), innerIndex: u32(32) | 0 };
}

/** What BTF says about maps from before `.maps`. */
class LegacyTypes {
  readonly #btf: Btf | undefined;
  readonly #annotations = new Map<string, BtfTypeOf<"struct">>();
  readonly #variables = new Map<string, number>();

  constructor(btf: Btf | undefined) {
    this.#btf = btf;
    for (const type of btf?.typesOf("struct") ?? []) this.#annotations.set(type.name, type);
    for (const type of btf?.typesOf("var") ?? []) this.#variables.set(type.name, type.type);
  }

  /** Key and value as BPF_ANNOTATE_KV_PAIR gave them: struct ____btf_map_NAME { key; value; }. */
  annotated(name: string): { btf: Btf; key: number; value: number } | undefined {
    const [key, value] = this.#annotations.get(`____btf_map_${name}`)?.members ?? [];
    return this.#btf && key && value ? { btf: this.#btf, key: key.type, value: value.type } : undefined;
  }

  /** Whether a variable is a `struct bpf_elf_map`. */
  isElfMap(name: string): boolean {
    const type = this.#variables.get(name);
    return type !== undefined && this.#btf!.resolve(type).name === "bpf_elf_map";
  }
}

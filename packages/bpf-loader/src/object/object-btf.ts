import { type ElfFile, type ElfSection, SymbolType } from "@weir/elf";
import { Btf } from "../btf/btf.js";
import { BtfError } from "../btf/error.js";
import { TYPE_SIZE } from "../btf/layout.js";

/**
 * Reads `.BTF` and completes it: compilers leave the size of each data section, and the offsets of its global
 * variables, to the loader, which finds them in the ELF sections and symbols (btf_fixup_datasec of libbpf).
 * Gives undefined if the object has none.
 */
export function readObjectBtf(elf: ElfFile): Btf | undefined {
  const section = elf.section(".BTF");
  if (!section) return undefined;
  const bytes = section.data.slice();
  const raw = Btf.parse(bytes);
  if (raw.littleEndian !== elf.header.littleEndian) {
    throw new BtfError("BTF_HEADER", "the BTF has another byte order than the object");
  }
  const offsets = variableOffsets(elf);
  const sections = new Map(elf.sections.map((section) => [section.name, section]));
  let changed = false;
  for (const type of raw.typesOf("datasec")) {
    const target = sections.get(type.name);
    if (!target) continue;
    const entries = type.entries.map((entry) => {
      const variable = raw.type(entry.type);
      // The offsets of static variables are right already: their relocations are against the section.
      const known = variable.kind === "var" && variable.linkage !== "static";
      return {
        ...entry,
        offset: (known ? offsets.get(target)?.get(variable.name) : undefined) ?? entry.offset,
      };
    });
    writeSection(bytes, raw, type.id, target.size, entries);
    changed = true;
  }
  return changed ? Btf.parse(bytes) : raw;
}

function variableOffsets(elf: ElfFile): Map<ElfSection, Map<string, number>> {
  const offsets = new Map<ElfSection, Map<string, number>>();
  for (const symbol of elf.symbols) {
    const { section } = symbol;
    if (!section || symbol.type !== SymbolType.OBJECT || symbol.value > BigInt(section.size)) continue;
    let known = offsets.get(section);
    if (!known) {
      known = new Map();
      offsets.set(section, known);
    }
    known.set(symbol.name, Number(symbol.value));
  }
  return offsets;
}

// The kernel wants the variables in ascending order (btf_datasec_check_meta, kernel/bpf/btf.c).
function writeSection(
  bytes: Uint8Array,
  btf: Btf,
  id: number,
  size: number,
  entries: { type: number; offset: number; size: number }[],
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = btf.offsetOf(id);
  entries.sort((a, b) => a.offset - b.offset);
  view.setUint32(at + 8, size, btf.littleEndian);
  entries.forEach((entry, i) => {
    const body = at + TYPE_SIZE + i * 12;
    view.setUint32(body, entry.type, btf.littleEndian);
    view.setUint32(body + 4, entry.offset, btf.littleEndian);
    view.setUint32(body + 8, entry.size, btf.littleEndian);
  });
}

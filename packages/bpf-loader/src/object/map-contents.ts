import type { ElfFile, ElfSection } from "@weir/elf";
import { BpfObjectError } from "./error.js";
import { INSTRUCTION_SIZE } from "./function.js";
import type { MapDefinition } from "./map-definitions.js";
import type { MapSpec } from "./map-spec.js";
import type { ProgramSpec } from "./program-spec.js";

/** Bytes of a pointer in BPF, whatever the machine. */
const POINTER_SIZE = 8;

/** A map of `.maps` and the bytes of the variable that defines it. */
export interface PlacedMap extends MapDefinition {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads what maps are filled with: the initialiser of `values`, whose elements are relocations against other maps of
 * `.maps` or against programs (bpf_object__collect_map_relos of libbpf). Throws {@link BpfObjectError}.
 */
export function readMapContents(
  elf: ElfFile,
  section: ElfSection,
  maps: readonly PlacedMap[],
  programs: readonly ProgramSpec[],
): void {
  const relocations = elf.relocations(section);
  if (relocations.length === 0) return;
  const starts = new Map(maps.map((map) => [map.start, map.spec]));
  const byPlace = new Map(programs.map((program) => [placeOf(program), program]));
  const { data } = section;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (const { offset, symbol, addend } of relocations) {
    const at = Number(offset);
    const { spec, values, start } = mapAt(maps, at);
    const place = at - start - (values?.offset ?? 0);
    if (!values || place < 0 || place % POINTER_SIZE !== 0)
      throw problem(spec, `has an address at byte ${at - start}, where none can be`);
    if (!symbol?.section || at + POINTER_SIZE > data.length)
      throw problem(spec, `is to hold "${symbol?.name}", which this object does not define`);
    const key = place / POINTER_SIZE;
    const target = symbol.value + (addend ?? view.getBigUint64(at, elf.header.littleEndian));
    if (values.kind === "maps") {
      if (spec.keySize !== 4) throw problem(spec, "has values, but its keys are no 32-bit numbers");
      const map = symbol.section === section ? starts.get(Number(target)) : undefined;
      if (!map) throw problem(spec, `is to hold "${symbol.name}" at ${key}, which is no map`);
      spec.contents.push({ key, map });
    } else {
      const program = byPlace.get(`${symbol.section.index} ${target}`);
      if (!program) throw problem(spec, `is to hold "${symbol.name}" at ${key}, which is no program`);
      spec.contents.push({ key, program });
    }
  }
}

function placeOf({ function: { sectionIndex, start } }: ProgramSpec): string {
  return `${sectionIndex} ${start * INSTRUCTION_SIZE}`;
}

/** Maps are in ascending order and do not overlap. */
function mapAt(maps: readonly PlacedMap[], at: number): PlacedMap {
  let [low, high] = [0, maps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (maps[middle]!.end <= at) low = middle + 1;
    else high = middle;
  }
  const found = maps[low];
  if (found && at >= found.start) return found;
  throw new BpfObjectError("BPF_MAP", `section .maps has an address at byte ${at}, which is in no map`);
}

function problem(map: MapSpec, what: string): BpfObjectError {
  return new BpfObjectError("BPF_MAP", `map "${map.name}" ${what}`);
}

import { type BtfSlice, sliceBtf } from "../btf/slice.js";
import { coreRecords } from "../core/records.js";
import type { BpfObject } from "../object/bpf-object.js";
import type { LinkedProgram } from "../object/link.js";
import type { MapSpec } from "../object/map-spec.js";
import { extReferences } from "./ext-info.js";

/**
 * The part of an object's BTF that some of its programs and maps need: what their functions, keys and values refer
 * to, and their source lines. What CO-RE looked for in the kernel, and the definitions of maps, are left out.
 * Undefined for an object without BTF.
 */
export function neededBtf(
  { btf, btfExt }: BpfObject,
  programs: readonly LinkedProgram[],
  maps: readonly MapSpec[],
): BtfSlice | undefined {
  if (!btf) return undefined;
  const types: number[] = [];
  const strings: number[] = [];
  let keepIds = false;
  const addMap = (map: MapSpec | undefined) => {
    if (!map) return;
    if (map.btfTypes) types.push(map.btfTypes.key, map.btfTypes.value);
    addMap(map.innerMap);
  };
  for (const map of maps) addMap(map);
  for (const program of btfExt ? programs : []) {
    for (const { function: function_ } of program.functions) {
      if (btfExt!.coreRelocations.size === 0) continue;
      for (const { kind, typeId } of coreRecords(function_, btfExt!, btf)) {
        if (kind !== "local_type_id") continue;
        types.push(typeId);
        keepIds = true;
      }
    }
    extReferences(
      program,
      btfExt!,
      btf.littleEndian,
      (id) => types.push(id),
      (offset) => strings.push(offset),
    );
  }
  return sliceBtf(btf, types, strings, keepIds);
}

import type { BpfObject, Reference } from "../index.js";
import { variableAt } from "../index.js";

/** What an instruction refers to, and which the loader fills in. */
export interface RelocationReport {
  /** The function that the instruction is in. */
  readonly function: string;
  readonly section: string;
  /** Counted in 8-byte instructions from the start of the function. */
  readonly instruction: number;
  readonly kind: Reference["kind"];
  /** The name of the map, section, function or symbol. */
  readonly target: string;
  /** Of a data section: where in it. */
  readonly offset?: number;
  /** Of a data section: the variable there. */
  readonly variable?: string;
}

/** All references of all functions, in the order of the file. */
export function reportRelocations(object: BpfObject): RelocationReport[] {
  return object.functions.flatMap((function_) =>
    function_.references.map((reference): RelocationReport => {
      const base = {
        function: function_.name,
        section: function_.section,
        instruction: reference.at,
        kind: reference.kind,
      };
      if (reference.kind !== "map_value") return { ...base, target: targetName(reference) };
      const { map, offset } = reference;
      const variable = variableAt(object, map.name, offset);
      return { ...base, target: map.name, offset, ...(variable !== undefined && { variable }) };
    }),
  );
}

function targetName(reference: Reference): string {
  if ("map" in reference) return reference.map.name;
  if ("target" in reference) return reference.target.name;
  return "name" in reference ? reference.name : "";
}

import {
  type Btf,
  type ExternSpec,
  formatDeclaration,
  MapFlag,
  type MapSpec,
  type ProgramSpec,
  type VariableSpec,
} from "../index.js";

/** A map in the JSON of `inspect` and `load`. */
export interface MapReport {
  readonly name: string;
  /** As bpftool names it: "percpu_hash". */
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** A sum of {@link MapFlag}. */
  readonly flags: number;
  readonly [more: string]: unknown;
}

/** A program in the JSON of `inspect` and `load`. */
export interface ProgramReport {
  readonly name: string;
  readonly section: string;
  /** Null where neither the section nor the command line says. */
  readonly type: string | null;
  readonly loaded: boolean;
  /** Why it is not loaded; null if it is, or if nobody tried. */
  readonly error: string | null;
  readonly [more: string]: unknown;
}

/** A global variable in the JSON of `inspect` and `load`. */
export interface VariableReport {
  readonly name: string;
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  readonly [more: string]: unknown;
}

/** What `inspect` and `load` print as JSON. */
export interface Report {
  readonly maps: readonly MapReport[];
  readonly programs: readonly ProgramReport[];
  readonly variables: readonly VariableReport[];
  /** What a test run gave; null without one. */
  readonly run: { readonly returnValue: number | null; readonly [more: string]: unknown } | null;
}

/** A map before it is created. */
export function reportMap(spec: MapSpec): MapReport {
  const types = spec.btfTypes;
  return {
    name: spec.name,
    type: spec.type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    flags: spec.flags,
    keyType: types?.key ? declaration(types.btf, types.key) : null,
    valueType: types?.value ? declaration(types.btf, types.value) : null,
    pinning: spec.pinning,
    ...(spec.mapExtra !== 0n && { mapExtra: spec.mapExtra }),
    ...(spec.numaNode !== undefined && { numaNode: spec.numaNode }),
    ...(spec.innerMap && { innerMap: reportMap(spec.innerMap) }),
    ...(spec.contents.length > 0 && {
      contents: spec.contents.map((slot) => ({
        key: slot.key,
        name: "map" in slot ? slot.map.name : slot.program.name,
      })),
    }),
  };
}

/** A program before it is loaded. */
export function reportProgram(spec: ProgramSpec): ProgramReport {
  return {
    name: spec.name,
    section: spec.section,
    type: spec.type ?? null,
    loaded: false,
    error: null,
    attachType: spec.expectedAttachType ?? null,
    attachTarget: spec.attachTarget === "" ? null : spec.attachTarget,
    autoload: spec.autoload,
    instructions: spec.function.code.length / 8,
  };
}

/** A variable with its value before load. */
export function reportVariable(spec: VariableSpec, btf: Btf | undefined): VariableReport {
  return {
    name: spec.name,
    section: spec.section,
    offset: spec.offset,
    size: spec.size,
    declaration: btf ? declaration(btf, spec.typeId, spec.name) : null,
    value: currentValue(spec),
  };
}

/** The flags of a map by name, as they stand in C without BPF_F_; bits without a name as a number. */
export function mapFlagNames(flags: number): string {
  let rest = flags;
  const names = Object.entries(MapFlag).flatMap(([name, bit]) => {
    if ((flags & bit) === 0) return [];
    rest &= ~bit;
    return [name.toLowerCase()];
  });
  if (rest !== 0) names.push(`0x${(rest >>> 0).toString(16)}`);
  return names.join(",");
}

/** A declaration in C on one line; null for a data section, which C has no word for. */
function declaration(btf: Btf, typeId: number, name?: string): string | null {
  if (btf.type(typeId).kind === "datasec") return null;
  return formatDeclaration(btf, typeId, name).replace(/\s+/g, " ");
}

/** A variable whose type has no values in JavaScript is given as its bytes. */
function currentValue(spec: VariableSpec): unknown {
  try {
    return spec.get();
  } catch {
    return spec.bytes;
  }
}

/** A symbol of the kernel that an object uses. */
export function reportExtern(spec: ExternSpec, btf: Btf | undefined): Record<string, unknown> {
  return {
    name: spec.name,
    kind: spec.kind,
    weak: spec.weak,
    declaration: btf && spec.type !== 0 ? declaration(btf, spec.type, spec.name) : null,
  };
}

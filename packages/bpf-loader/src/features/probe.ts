import { helperNames } from "../names/helpers.js";
import { type MapType, mapTypeTable, type ProgramType, programTypeTable } from "../names/tables.js";
import { mapType } from "./map-probe.js";
import { type MiscFeature, misc, miscFeatures, miscSince } from "./misc.js";
import { helper, helpers, helpersAreKnown, loads, programType } from "./program-probe.js";
import { mapTypeSince, programTypeSince } from "./since.js";
import { type SystemConfig, systemConfig } from "./system.js";

/** All that {@link features} can find out, as `bpftool feature probe full` lists it. */
export interface FeatureReport {
  readonly system: SystemConfig;
  /** By program type, without "unspec". */
  readonly programTypes: Readonly<Record<string, boolean>>;
  /** By map type, without "unspec". */
  readonly mapTypes: Readonly<Record<string, boolean>>;
  /**
   * The helpers that programs of a type may call, by program type. Types whose helpers depend on what they attach to
   * (tracing, lsm, ext, struct_ops) are left out.
   */
  readonly helpers: Readonly<Record<string, readonly string[]>>;
  readonly misc: Readonly<Record<MiscFeature, boolean>>;
}

/**
 * What the running kernel can do, found out by trying. Each answer is kept for the life of the process.
 * Every probe throws SystemError (EPERM, naming the capability) where the process may not ask.
 */
export const features = {
  /** Atomic operations beyond a plain add: fetch, exchange, compare and exchange. Linux 5.12, on most machines. */
  atomics(): boolean {
    return misc("atomics");
  },

  /** tcx links: BPF programs at a device's ingress and egress without a qdisc. Linux 6.6. */
  tcx(): boolean {
    return misc("tcx");
  },

  /**
   * Whether programs of a type may call a helper.
   * @param type the program type; RangeError for types whose helpers depend on what they attach to
   * @param helperOrName its name, "bpf_skb_set_tstamp", or its number in `enum bpf_func_id`, 192
   */
  helper(type: ProgramType, helperOrName: number | string): boolean {
    const number = typeof helperOrName === "number" ? helperOrName : helperNames().indexOf(helperOrName);
    if (number < 0) throw new RangeError(`"${helperOrName}" is no helper`);
    return helper(type, number);
  },

  /** The names of all helpers that programs of a type may call; empty for types that {@link features.helper} refuses. */
  helpers(type: ProgramType): string[] {
    return helpers(type);
  },

  /** Whether the kernel has a program type. */
  programType(type: ProgramType): boolean {
    return programType(type);
  },

  /** Whether the kernel has a map type. */
  mapType(type: MapType): boolean {
    return mapType(type);
  },

  /** Whether the kernel has a feature that is neither a type nor a helper, such as "tcx" or "bpf_cookie". */
  misc(name: MiscFeature): boolean {
    return misc(name);
  },

  /** Whether the kernel loads these instructions, in host byte order, as a program of a type. Not remembered. */
  instructions(code: Uint8Array, type: ProgramType = "socket_filter"): boolean {
    return loads(code, type);
  },

  /** How the machine is configured for BPF; read anew each time. Needs no privilege. */
  system(): SystemConfig {
    return systemConfig();
  },

  /**
   * The Linux version that brought something, "6.6"; undefined for what every kernel since 5.4 has. Configuration may
   * leave out of a newer kernel what it could have.
   */
  since(
    what: { programType: ProgramType } | { mapType: MapType } | { misc: MiscFeature },
  ): string | undefined {
    if ("programType" in what) return programTypeSince(what.programType);
    return "mapType" in what ? mapTypeSince(what.mapType) : miscSince(what.misc);
  },

  /** Everything at once: some thousands of attempts, which take a fraction of a second. */
  report(): FeatureReport {
    const programTypes = programTypeTable.names.filter((type) => type !== "unspec");
    const mapTypes = mapTypeTable.names.filter((type) => type !== "unspec");
    return {
      system: systemConfig(),
      programTypes: byName(programTypes, programType),
      mapTypes: byName(mapTypes, mapType),
      helpers: byName(programTypes.filter(helpersAreKnown), helpers),
      misc: byName(miscFeatures(), misc),
    };
  },
};

function byName<Name extends string, Value>(
  names: readonly Name[],
  ask: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, ask(name)])) as Record<Name, Value>;
}

import type { BtfValue } from "../btf/codec.js";
import type { BpfMap } from "../maps/map.js";
import { BpfObjectError } from "../object/error.js";
import { type LoadedSection, LoadedVariable, type VariablePlace } from "./loaded-variable.js";
import type { BpfProgram } from "./program.js";
import type { LoadedStructOps } from "./struct-ops.js";

/** What a load made. */
export interface LoadedParts {
  readonly programs: readonly BpfProgram[];
  readonly maps: readonly BpfMap[];
  readonly structOps: readonly LoadedStructOps[];
  readonly sections: ReadonlyMap<string, LoadedSection>;
  /** The variables of the object, those of sections that were not loaded among them. */
  readonly variables: () => Iterable<VariablePlace>;
}

/** An object's programs and maps in the kernel. Disposing it closes all of them; what is pinned or attached lives on. */
export class LoadedObject implements Disposable {
  /** The programs that were loaded, in the order of the object. */
  readonly programs: readonly BpfProgram[];
  /** The maps that were created or reused; data sections go by the names of their sections, struct_ops by their variables'. */
  readonly maps: readonly BpfMap[];
  /** The tables of functions that were loaded; nothing calls them until they are registered. */
  readonly structOps: readonly LoadedStructOps[];
  readonly #sections: ReadonlyMap<string, LoadedSection>;
  readonly #places: () => Iterable<VariablePlace>;
  #variables: LoadedVariable[] | undefined;

  /**
   * Made by {@link BpfObject.load}.
   * @internal
   */
  constructor(parts: LoadedParts) {
    this.programs = parts.programs;
    this.maps = parts.maps;
    this.structOps = parts.structOps;
    this.#sections = parts.sections;
    this.#places = parts.variables;
  }

  /** The program of that name. Throws {@link BpfObjectError} if it was not loaded. */
  program(name: string): BpfProgram {
    return find("program", this.programs, name);
  }

  /**
   * The map of that name. Throws {@link BpfObjectError} if it was not created.
   * @typeParam K what a key is in JavaScript
   * @typeParam V what a value is in JavaScript
   */
  map<K = BtfValue, V = BtfValue>(name: string): BpfMap<K, V> {
    return find("map", this.maps, name) as unknown as BpfMap<K, V>;
  }

  /** The struct_ops of that name. Throws {@link BpfObjectError} if it was not loaded. */
  structOp(name: string): LoadedStructOps {
    return find("struct_ops", this.structOps, name);
  }

  /** The global variables in the sections that were loaded, kernel options among them. */
  get variables(): readonly LoadedVariable[] {
    this.#variables ??= [...this.#places()].flatMap((place) => {
      const section = this.#sections.get(place.section);
      return section ? new LoadedVariable(place, section) : [];
    });
    return this.#variables;
  }

  /**
   * The global variable of that name, live: what it is set to is seen by programs at once.
   * Throws {@link BpfObjectError} if it is in no section that was loaded.
   * @typeParam T what its value is in JavaScript
   */
  variable<T = BtfValue>(name: string): LoadedVariable<T> {
    return find("variable", this.variables, name) as unknown as LoadedVariable<T>;
  }

  /** Closes all programs and maps. */
  close(): void {
    for (const resource of [...this.#sections.values(), ...this.programs, ...this.maps]) resource.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function find<T extends { name: string }>(what: string, items: readonly T[], name: string): T {
  const found = items.find((item) => item.name === name);
  if (found) return found;
  const names = items.map((item) => item.name).join(", ") || "none";
  throw new BpfObjectError("BPF_NOT_FOUND", `no ${what} named "${name}" was loaded; loaded: ${names}`);
}

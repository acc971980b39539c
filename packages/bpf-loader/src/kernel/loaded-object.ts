import type { BtfValue } from "../btf/codec.js";
import type { BpfMap } from "../maps/map.js";
import { BpfObjectError } from "../object/error.js";
import type { BpfProgram } from "./program.js";

/** An object's programs and maps in the kernel. Disposing it closes all of them; what is pinned or attached lives on. */
export class LoadedObject implements Disposable {
  /** The programs that were loaded, in the order of the object. */
  readonly programs: readonly BpfProgram[];
  /** The maps that were created or reused; data sections go by the names of their sections. */
  readonly maps: readonly BpfMap[];

  /** Made by {@link BpfObject.load}. */
  constructor(programs: readonly BpfProgram[], maps: readonly BpfMap[]) {
    this.programs = programs;
    this.maps = maps;
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

  /** Closes all programs and maps. */
  close(): void {
    for (const resource of [...this.programs, ...this.maps]) resource.close();
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

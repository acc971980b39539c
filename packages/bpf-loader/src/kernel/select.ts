import type { BpfObject } from "../object/bpf-object.js";
import { BpfObjectError } from "../object/error.js";
import { type LinkedProgram, link } from "../object/link.js";
import type { MapSpec } from "../object/map-spec.js";
import type { ProgramSpec } from "../object/program-spec.js";
import type { StructOpsSpec } from "../object/struct-ops.js";

/** A program and all that it calls. */
export interface PreparedProgram {
  readonly spec: ProgramSpec;
  readonly linked: LinkedProgram;
}

/** What is to be loaded, each in the order of the object. */
export interface Selection {
  readonly programs: readonly PreparedProgram[];
  readonly maps: readonly MapSpec[];
  readonly structOps: readonly StructOpsSpec[];
}

/** What to load; undefined for all that loads by itself. */
export interface Wanted {
  readonly programs?: readonly string[] | undefined;
  readonly structOps?: readonly string[] | undefined;
}

/**
 * Chooses the programs, maps and struct_ops that are wanted and all that they need: the maps that programs use, the
 * maps and programs that those are filled with, the programs of struct_ops.
 * @throws BpfObjectError for names that do not exist, and for a program without a type
 */
export function select(object: BpfObject, wanted: Wanted): Selection {
  const everything = wanted.programs === undefined && wanted.structOps === undefined;
  const needs = new Needs(object);
  const tables = wanted.structOps
    ? wanted.structOps.map((name) => created(object.structOp(name)))
    : object.structOps.filter((table) => table.autoload && table.map.autocreate && everything);
  for (const table of tables) needs.addTable(table);
  const programs = wanted.programs
    ? wanted.programs.map((name) => object.program(name))
    : everything
      ? object.programs.filter((program) => program.autoload && !belongsElsewhere(object, program, tables))
      : [];
  for (const program of programs) needs.addProgram(program);
  if (everything) {
    for (const map of object.maps) needs.addMap(map);
    for (const section of object.dataSections) needs.addMap(section.map);
  }
  return needs.selection(tables);
}

function created(table: StructOpsSpec): StructOpsSpec {
  if (table.map.autocreate) return table;
  throw new BpfObjectError("BPF_MAP", `struct_ops "${table.name}" is not to be created (autocreate)`);
}

/** Whether a program serves only struct_ops that are not loaded. */
function belongsElsewhere(
  object: BpfObject,
  program: ProgramSpec,
  tables: readonly StructOpsSpec[],
): boolean {
  const users = object.structOps.filter((table) => [...table.programs.values()].includes(program));
  return users.length > 0 && !users.some((table) => tables.includes(table));
}

class Needs {
  readonly #object: BpfObject;
  readonly #programs = new Map<ProgramSpec, PreparedProgram>();
  readonly #maps = new Set<MapSpec>();
  /** Programs that are yet to be linked: a stack, as tail calls may chain as many as the object has. */
  readonly #waiting: ProgramSpec[] = [];

  constructor(object: BpfObject) {
    this.#object = object;
  }

  addTable(table: StructOpsSpec): void {
    this.#needMap(table.map);
    for (const program of table.programs.values()) this.addProgram(program);
  }

  addProgram(program: ProgramSpec): void {
    this.#waiting.push(program);
    for (let next = this.#waiting.pop(); next; next = this.#waiting.pop()) {
      if (this.#programs.has(next)) continue;
      const prepared = prepare(this.#object, next);
      this.#programs.set(next, prepared);
      for (const reference of prepared.linked.references) {
        if (reference.kind !== "extern") this.#needMap(reference.map);
        else if (reference.extern.kconfig && this.#object.kconfig) this.#needMap(this.#object.kconfig.map);
      }
    }
  }

  addMap(map: MapSpec): void {
    this.#needMap(map);
    const next = this.#waiting.pop();
    if (next) this.addProgram(next);
  }

  selection(tables: readonly StructOpsSpec[]): Selection {
    const { programs, maps, dataSections, structOps } = this.#object;
    const all = [
      ...maps,
      ...dataSections.map((section) => section.map),
      ...structOps.map((table) => table.map),
    ];
    return {
      programs: programs.flatMap((program) => this.#programs.get(program) ?? []),
      maps: all.filter((map) => this.#maps.has(map)),
      structOps: structOps.filter((table) => tables.includes(table)),
    };
  }

  #needMap(map: MapSpec): void {
    const maps = [map];
    for (let next = maps.pop(); next; next = maps.pop()) {
      if (this.#maps.has(next) || !next.autocreate) continue;
      this.#maps.add(next);
      for (const slot of next.contents) {
        if ("map" in slot) maps.push(slot.map);
        else this.#waiting.push(slot.program);
      }
    }
  }
}

function prepare(object: BpfObject, spec: ProgramSpec): PreparedProgram {
  if (!spec.type) {
    throw new BpfObjectError(
      "BPF_UNSUPPORTED",
      `section "${spec.section}" does not say what type program "${spec.name}" has; assign its type`,
    );
  }
  return { spec, linked: link(spec.function, object.littleEndian) };
}

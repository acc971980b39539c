import type { BpfMap, BpfObject, BpfProgram, LoadedObject, LoadOptions, ProgramSpec } from "../index.js";
import { VerifierError } from "../index.js";

/** What came of loading an object, program by program where it does not load as a whole. */
export class LoadResult implements Disposable {
  readonly programs = new Map<string, BpfProgram>();
  readonly maps = new Map<string, BpfMap>();
  /** Why a program did not load. */
  readonly errors = new Map<string, Error>();
  /** Why the object as a whole did not load although each of the programs did: a map that none of them uses. */
  objectError: Error | undefined;
  readonly #parts: LoadedObject[] = [];

  /** Everything that was loaded, in one piece or in several that share their maps. */
  add(part: LoadedObject): void {
    this.#parts.push(part);
    for (const program of part.programs)
      if (!this.programs.has(program.name)) this.programs.set(program.name, program);
    for (const map of part.maps) if (!this.maps.has(map.name)) this.maps.set(map.name, map);
  }

  /** All that the verifier wrote about a program; "" if it wrote nothing. */
  logOf(program: string): string {
    const error = this.errors.get(program);
    if (error instanceof VerifierError) return error.log;
    return this.programs.get(program)?.log ?? "";
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts) part.close();
  }
}

/**
 * Loads programs of an object and its maps. Where one program fails the others are loaded one by one, with the same maps.
 * @param all whether these are all programs that load by themselves; then maps that none of them uses are created as well
 * @throws what {@link BpfObject.load} throws if there is no program that the error could belong to
 */
export function loadPrograms(
  object: BpfObject,
  specs: readonly ProgramSpec[],
  all: boolean,
  options: Pick<LoadOptions, "pinPath" | "logLevel">,
): LoadResult {
  const result = new LoadResult();
  try {
    result.add(object.load(all ? options : { ...options, programs: specs.map((spec) => spec.name) }));
    return result;
  } catch (error) {
    if (specs.length === 0) throw error;
    result.objectError = error as Error;
  }
  for (const unit of units(object, specs, all)) {
    try {
      const maps = Object.fromEntries(result.maps);
      result.add(object.load({ ...options, ...unit.wanted, maps }));
    } catch (error) {
      for (const { name } of unit.programs)
        if (!result.programs.has(name)) result.errors.set(name, error as Error);
    }
  }
  if (result.errors.size > 0) result.objectError = undefined;
  return result;
}

/** What loads or fails by itself: a program, or a table of functions with the programs in it. */
interface Unit {
  readonly wanted: Pick<LoadOptions, "programs" | "structOps">;
  readonly programs: readonly ProgramSpec[];
}

function units(object: BpfObject, specs: readonly ProgramSpec[], all: boolean): Unit[] {
  const tables = all ? object.structOps : [];
  const inTables = new Set(tables.flatMap((table) => [...table.programs.values()]));
  return [
    ...specs
      .filter((spec) => !inTables.has(spec))
      .map((spec) => ({ wanted: { programs: [spec.name] }, programs: [spec] })),
    ...tables
      .filter((table) => table.autoload)
      .map((table) => ({
        wanted: { programs: [], structOps: [table.name] },
        programs: [...table.programs.values()],
      })),
  ];
}

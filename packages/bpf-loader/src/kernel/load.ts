import { rmSync } from "node:fs";
import { join } from "node:path";
import { errno, possibleCpus, SystemError } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import type { Btf } from "../btf/btf.js";
import type { CoreTarget } from "../core/target.js";
import { BpfMap } from "../maps/map.js";
import type { BpfObject } from "../object/bpf-object.js";
import type { DataSection } from "../object/data-section.js";
import { BpfObjectError } from "../object/error.js";
import { INSTRUCTION_SIZE } from "../object/function.js";
import { type LinkedProgram, link, setSourceRegister } from "../object/link.js";
import type { MapSpec } from "../object/map-spec.js";
import type { ProgramSpec } from "../object/program-spec.js";
import { type LoadedBtf, loadBtf } from "./btf-load.js";
import { coreTarget, fitToKernel } from "./core.js";
import { extInfo } from "./ext-info.js";
import { LoadedObject } from "./loaded-object.js";
import { createFromSpec } from "./map-from-spec.js";
import { pinExists } from "./pin.js";
import { BpfProgram } from "./program.js";

/** How to load an object. */
export interface LoadOptions {
  /** The folder of a BPF filesystem where maps that are pinned by name lie; it must exist. */
  readonly pinPath?: string;
  /** Load just these programs, and the maps that they use. Without it all programs that load by themselves, and all maps. */
  readonly programs?: readonly string[];
  /** Maps to use in place of the object's own, by name. They must fit, and still belong to whoever gave them. */
  readonly maps?: Readonly<Record<string, BpfMap>>;
  /** What CO-RE relocations are resolved against in place of the running kernel's own BTF and its modules'. */
  readonly kernelBtf?: Btf | undefined;
  /** 1 or 2 ask the verifier for its log, which {@link BpfProgram.log} then has. */
  readonly logLevel?: number;
}

/** BPF_PSEUDO_MAP_FD and BPF_PSEUDO_MAP_VALUE of include/uapi/linux/bpf.h. */
const PSEUDO_MAP_FD = 1;
const PSEUDO_MAP_VALUE = 2;

/** What {@link BpfObject.load} does. */
export function load(object: BpfObject, options: LoadOptions): LoadedObject {
  if (object.littleEndian !== hostLittleEndian) {
    throw new BpfObjectError(
      "BPF_UNSUPPORTED",
      "the object has the other byte order: compile it for this machine (-target bpf)",
    );
  }
  // All that can fail without the kernel comes first.
  const target = coreTarget(options.kernelBtf);
  const programs = choosePrograms(object, options.programs).map((spec) => prepare(object, spec, target));
  const maps = chooseMaps(object, programs, options);
  using loading = new Loading(object, options);
  for (const spec of maps) loading.addMap(spec);
  for (const program of programs) loading.addProgram(program);
  return loading.finish();
}

interface PreparedProgram {
  readonly spec: ProgramSpec;
  readonly linked: LinkedProgram;
  /** Names what a refused program misses in this kernel. */
  readonly explain: ((log: string) => string | undefined) | undefined;
}

function choosePrograms(object: BpfObject, names: readonly string[] | undefined): ProgramSpec[] {
  if (!names) return object.programs.filter((program) => program.autoload);
  return [...new Set(names)].map((name) => object.program(name));
}

function prepare(object: BpfObject, spec: ProgramSpec, target: CoreTarget): PreparedProgram {
  if (!spec.type) {
    throw new BpfObjectError(
      "BPF_UNSUPPORTED",
      `section "${spec.section}" does not say what type program "${spec.name}" has; assign its type`,
    );
  }
  const linked = link(spec.function, object.littleEndian);
  return { spec, linked, explain: fitToKernel(object, linked, target) };
}

function chooseMaps(
  object: BpfObject,
  programs: readonly PreparedProgram[],
  options: LoadOptions,
): MapSpec[] {
  const all = [...object.maps, ...object.dataSections.map((section) => section.map)];
  for (const name of Object.keys(options.maps ?? {})) object.map(name);
  if (!options.programs) return all;
  const used = new Set(programs.flatMap(({ linked }) => linked.references.map((reference) => reference.map)));
  return all.filter((map) => used.has(map));
}

/** What has been loaded so far; disposing it before {@link finish} undoes all of it. */
class Loading implements Disposable {
  readonly #object: BpfObject;
  readonly #options: LoadOptions;
  readonly #sections: ReadonlyMap<MapSpec, DataSection>;
  readonly #maps = new Map<MapSpec, BpfMap>();
  readonly #programs: BpfProgram[] = [];
  readonly #pins: string[] = [];
  #btf: LoadedBtf | undefined;
  #finished = false;

  constructor(object: BpfObject, options: LoadOptions) {
    this.#object = object;
    this.#options = options;
    this.#sections = new Map(object.dataSections.map((section) => [section.map, section]));
  }

  addMap(spec: MapSpec): void {
    const given = this.#options.maps?.[spec.name];
    if (given) {
      given.requireMatch(spec);
      this.#maps.set(spec, given);
      return;
    }
    if (spec.pinning === "none") {
      this.#create(spec);
      return;
    }
    const path = this.#pinPathOf(spec);
    if (!pinExists(path) && this.#createPinned(spec, path)) return;
    this.#maps.set(spec, BpfMap.open(path, { like: withDefaults(spec) }));
  }

  addProgram({ spec, linked, explain }: PreparedProgram): void {
    const code = linked.code.slice();
    const view = new DataView(code.buffer);
    for (const reference of linked.references) {
      const { fd } = this.#maps.get(reference.map)!;
      const isValue = reference.kind === "map_value";
      setSourceRegister(view, reference.at, isValue ? PSEUDO_MAP_VALUE : PSEUDO_MAP_FD, hostLittleEndian);
      view.setInt32(reference.at * INSTRUCTION_SIZE + 4, fd.number, hostLittleEndian);
      // The upper half of the load is the offset into the value.
      view.setUint32(reference.at * INSTRUCTION_SIZE + 12, isValue ? reference.offset : 0, hostLittleEndian);
    }
    this.#programs.push(
      BpfProgram.load({
        name: spec.name,
        type: spec.type!,
        instructions: code,
        license: this.#object.license,
        expectedAttachType: spec.expectedAttachType,
        flags: spec.flags,
        section: spec.section,
        target: spec.attachTarget,
        version: this.#object.version,
        btf: this.#programBtf(linked),
        logLevel: spec.logLevel ?? this.#options.logLevel,
        explain,
      }),
    );
  }

  finish(): LoadedObject {
    this.#finished = true;
    this.#btf?.fd?.close();
    // Whoever gave a map still owns it: the loaded object has a descriptor of its own.
    const given = new Set(Object.values(this.#options.maps ?? {}));
    const maps = [...this.#maps].map(([spec, map]) => (given.has(map) ? map.share(spec) : map));
    return new LoadedObject(this.#programs, maps);
  }

  [Symbol.dispose](): void {
    if (this.#finished) return;
    const given = new Set(Object.values(this.#options.maps ?? {}));
    for (const path of this.#pins) rmSync(path, { force: true });
    for (const program of this.#programs) program.close();
    for (const map of this.#maps.values()) if (!given.has(map)) map.close();
    this.#btf?.fd?.close();
  }

  #create(spec: MapSpec): BpfMap {
    const map = createFromSpec(withDefaults(spec), () => this.#loadedBtf());
    this.#maps.set(spec, map);
    const section = this.#sections.get(spec);
    if (section) this.#fill(map, section);
    return map;
  }

  /** Gives false where another process has pinned its own in the meantime. */
  #createPinned(spec: MapSpec, path: string): boolean {
    const map = this.#create(spec);
    try {
      map.pin(path);
    } catch (error) {
      if (!(error instanceof SystemError && error.errno === errno.EEXIST)) throw error;
      this.#maps.delete(spec);
      map.close();
      return false;
    }
    this.#pins.push(path);
    return true;
  }

  #fill(map: BpfMap, section: DataSection): void {
    if (section.needsRelocation) {
      throw new BpfObjectError(
        "BPF_UNSUPPORTED",
        `section ${map.name} holds addresses of other data, which is not supported yet`,
      );
    }
    if (section.initialised) map.raw.set(new Uint8Array(4), section.contents);
    if (section.readOnly) map.freeze();
  }

  #pinPathOf(spec: MapSpec): string {
    if (this.#options.pinPath !== undefined) return join(this.#options.pinPath, spec.name);
    throw new BpfObjectError(
      "BPF_MAP",
      `map "${spec.name}" is pinned by name, but load was given no pinPath`,
    );
  }

  /** Loaded when something first needs it; the same for all maps and programs of the object. */
  #loadedBtf(): LoadedBtf | undefined {
    if (!this.#btf && this.#object.btf) {
      const hidden = this.#object.functions
        .filter((function_) => function_.hidden)
        .map((function_) => function_.name);
      this.#btf = loadBtf(this.#object.btf, hidden);
    }
    return this.#btf;
  }

  // A kernel that refuses the BTF still loads the program: only names and source lines are lost.
  #programBtf(linked: LinkedProgram) {
    if (!this.#object.btf || !this.#object.btfExt) return undefined;
    const { functions, lines } = extInfo(linked, this.#object.btfExt, this.#object.littleEndian);
    if (!functions) return undefined;
    const fd = this.#loadedBtf()?.fd;
    return fd && { fd, functions, lines };
  }
}

/** A perf event array without a size has one slot for each CPU, as libbpf does. */
function withDefaults(spec: MapSpec): MapSpec {
  if (spec.type === "perf_event_array" && spec.maxEntries === 0) spec.maxEntries = possibleCpus();
  return spec;
}

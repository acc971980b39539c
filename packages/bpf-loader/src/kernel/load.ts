import { rmSync } from "node:fs";
import { join } from "node:path";
import { errno, type Fd, SystemError } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import type { Btf } from "../btf/btf.js";
import { btfCodec } from "../btf/codec.js";
import { BpfMap } from "../maps/map.js";
import type { BpfObject } from "../object/bpf-object.js";
import type { DataSection } from "../object/data-section.js";
import { BpfObjectError } from "../object/error.js";
import { INSTRUCTION_SIZE } from "../object/function.js";
import { type LinkedProgram, type LoadReference, setSourceRegister } from "../object/link.js";
import type { MapSpec } from "../object/map-spec.js";
import type { ProgramSpec } from "../object/program-spec.js";
import type { StructOpsSpec } from "../object/struct-ops.js";
import { type AttachTarget, findAttachTarget } from "./attach-target.js";
import { type LoadedBtf, loadBtf } from "./btf-load.js";
import { coreTarget, fitToKernel } from "./core.js";
import { extInfo } from "./ext-info.js";
import { Externs } from "./externs.js";
import { KernelTypes } from "./kernel-types.js";
import { LoadedObject } from "./loaded-object.js";
import { LoadedSection, type VariablePlace } from "./loaded-variable.js";
import { createFromSpec, withDefaults } from "./map-from-spec.js";
import { neededBtf } from "./needed-btf.js";
import { pinExists } from "./pin.js";
import { BpfProgram } from "./program.js";
import { type PreparedProgram, type Selection, select } from "./select.js";
import { LoadedStructOps, StructOpsTable } from "./struct-ops.js";

/** How to load an object. */
export interface LoadOptions {
  /** The folder of a BPF filesystem where maps that are pinned by name lie; it must exist. */
  readonly pinPath?: string;
  /** Load just these programs, and what they need. Without it, all programs that load by themselves and all maps. */
  readonly programs?: readonly string[];
  /** Load just these struct_ops variables, and what they need. Without it, all that load by themselves, unless `programs` is given. */
  readonly structOps?: readonly string[];
  /** Maps to use in place of the object's own, by name. They must fit, and still belong to whoever gave them. */
  readonly maps?: Readonly<Record<string, BpfMap>>;
  /** The kernel's types, by which CO-RE relocations are resolved and attach targets and functions are found, in place of the running kernel's own. */
  readonly kernelBtf?: Btf | undefined;
  /** 1 or 2 ask the verifier for its log, which {@link BpfProgram.log} then has. */
  readonly logLevel?: number;
  /** Kernel options for `__kconfig` variables, as lines ("CONFIG_HZ=250"): they go before the running kernel's own. */
  readonly kconfig?: string;
}

/** BPF_PSEUDO_MAP_FD and BPF_PSEUDO_MAP_VALUE of include/uapi/linux/bpf.h. */
const PSEUDO_MAP_FD = 1;
const PSEUDO_MAP_VALUE = 2;
const CALL = 0x85;
/** A helper that no kernel has, as libbpf puts in the place of maps that are not created. */
const POISON_MAP = 2_001_000_000;

/** What {@link BpfObject.load} does. */
export function load(object: BpfObject, options: LoadOptions): LoadedObject {
  if (object.littleEndian !== hostLittleEndian) {
    throw new BpfObjectError(
      "BPF_UNSUPPORTED",
      "the object has the other byte order: compile it for this machine (-target bpf)",
    );
  }
  // All that can fail without making anything in the kernel comes first.
  for (const name of Object.keys(options.maps ?? {})) object.map(name);
  const selection = select(object, options);
  using types = new KernelTypes(options.kernelBtf);
  using loading = new Loading(object, options, selection, types);
  loading.addMaps();
  for (const program of selection.programs) loading.addProgram(program);
  loading.fillProgramArrays();
  return loading.finish();
}

/** What has been loaded so far; disposing it before {@link finish} undoes all of it. */
class Loading implements Disposable {
  readonly #object: BpfObject;
  readonly #options: LoadOptions;
  readonly #selection: Selection;
  readonly #types: KernelTypes;
  readonly #externs: Externs;
  readonly #sections: ReadonlyMap<MapSpec, DataSection>;
  readonly #tables = new Map<StructOpsSpec, StructOpsTable>();
  readonly #maps = new Map<MapSpec, BpfMap>();
  /** Those that were neither given nor pinned before. */
  readonly #created = new Set<MapSpec>();
  /** Maps that programs refer to, though they were not to be created. */
  readonly #missing: MapSpec[] = [];
  /** What a refused program misses in the types of this kernel. */
  readonly #explanations = new Map<LinkedProgram, (log: string) => string | undefined>();
  readonly #programs = new Map<ProgramSpec, BpfProgram>();
  readonly #pins: string[] = [];
  #btf: LoadedBtf | undefined;
  #finished = false;

  constructor(object: BpfObject, options: LoadOptions, selection: Selection, types: KernelTypes) {
    this.#object = object;
    this.#options = options;
    this.#selection = selection;
    this.#types = types;
    this.#sections = new Map(object.dataSections.map((section) => [section.map, section]));
    const linked = selection.programs.map((program) => program.linked);
    const target = coreTarget(options.kernelBtf);
    for (const program of linked) {
      const explain = fitToKernel(object, program, target);
      if (explain) this.#explanations.set(program, explain);
    }
    this.#externs = new Externs(object, linked, types, options.kconfig);
    for (const table of selection.structOps) this.#table(table);
  }

  addMaps(): void {
    const { maps } = this.#selection;
    // Maps of maps come last: the kernel wants one of those that they hold.
    for (const spec of maps) if (!holdsMaps(spec)) this.#addMap(spec);
    for (const spec of maps) {
      if (!holdsMaps(spec)) continue;
      this.#addMap(spec);
      if (!this.#created.has(spec)) continue;
      for (const slot of spec.contents) {
        const map = "map" in slot ? this.#maps.get(slot.map) : undefined;
        if (map) this.#put(spec, slot.key, map);
      }
    }
  }

  addProgram({ spec, linked }: PreparedProgram): void {
    // Linked for this load alone: what only the kernel has a number for is filled in where it stands.
    const { code } = linked;
    const view = new DataView(code.buffer);
    const modules: Fd[] = [];
    for (const reference of linked.references) this.#complete(view, reference, modules);
    const target = this.#attachTarget(spec);
    this.#programs.set(
      spec,
      BpfProgram.load({
        name: spec.name,
        type: spec.type!,
        instructions: code,
        license: this.#object.license,
        expectedAttachType: target?.index ?? spec.expectedAttachType,
        attachBtfId: target?.id,
        attachTarget: target?.fd,
        // Place 0 stands for the kernel itself, whatever is there.
        fdArray: modules.length > 0 ? [modules[0]!, ...modules] : undefined,
        flags: spec.flags,
        section: spec.section,
        target: spec.attachTarget,
        version: this.#object.version,
        btf: this.#programBtf(linked),
        logLevel: spec.logLevel ?? this.#options.logLevel,
        explain: (log) =>
          this.#explanations.get(linked)?.(log) ?? this.#explainMissingMap(log) ?? this.#externs.explain(log),
      }),
    );
  }

  fillProgramArrays(): void {
    for (const [spec] of this.#maps) {
      for (const slot of spec.contents) {
        if ("program" in slot) this.#put(spec, slot.key, this.#programs.get(slot.program)!);
      }
    }
  }

  finish(): LoadedObject {
    // Whoever gave a map still owns it: the loaded object has a descriptor of its own.
    const given = new Set(Object.values(this.#options.maps ?? {}));
    const maps = new Map<MapSpec, BpfMap>();
    for (const spec of this.#selection.maps) {
      const map = this.#maps.get(spec)!;
      maps.set(spec, given.has(map) ? map.share(spec) : map);
    }
    this.#finished = true;
    this.#btf?.fd?.close();
    const sections = [...this.#sections].flatMap(([spec, section]) => {
      const map = maps.get(spec);
      return map ? [[spec.name, new LoadedSection(map, section.readOnly)] as const] : [];
    });
    const object = this.#object;
    return new LoadedObject({
      programs: [...this.#programs.values()],
      maps: [...maps.values()],
      structOps: this.#selection.structOps.map(
        (spec) => new LoadedStructOps(spec, maps.get(spec.map)!, this.#table(spec).value(this.#programs)),
      ),
      sections: new Map(sections),
      variables: () => [...object.variables, ...kernelOptions(object)],
    });
  }

  [Symbol.dispose](): void {
    if (this.#finished) return;
    const given = new Set(Object.values(this.#options.maps ?? {}));
    for (const path of this.#pins) rmSync(path, { force: true });
    for (const program of this.#programs.values()) program.close();
    for (const map of this.#maps.values()) if (!given.has(map)) map.close();
    this.#btf?.fd?.close();
  }

  #addMap(spec: MapSpec): void {
    const given = this.#options.maps?.[spec.name];
    if (given) {
      given.requireMatch(withDefaults(spec));
      this.#maps.set(spec, given);
      return;
    }
    const path = this.#pinPathOf(spec);
    if (path === undefined) {
      this.#create(spec);
      return;
    }
    if (!pinExists(path) && this.#createPinned(spec, path)) return;
    this.#maps.set(spec, BpfMap.open(path, { like: withDefaults(spec) }));
  }

  #create(spec: MapSpec): BpfMap {
    const first = spec.contents[0];
    const table = this.#object.structOps.find((one) => one.map === spec);
    const map = createFromSpec(withDefaults(spec), {
      loadBtf: () => this.#loadedBtf(),
      innerMap: first && "map" in first ? this.#maps.get(first.map)?.fd : undefined,
      table: table && this.#table(table),
    });
    this.#maps.set(spec, map);
    this.#created.add(spec);
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
      this.#created.delete(spec);
      map.close();
      return false;
    }
    this.#pins.push(path);
    return true;
  }

  #fill(map: BpfMap, section: DataSection): void {
    if (section === this.#object.kconfig) map.raw.set(new Uint8Array(4), this.#externs.kconfig);
    else if (section.initialised) map.raw.set(new Uint8Array(4), section.contents);
    if (section.readOnly) map.freeze();
  }

  /** Puts a map or a program into an element of another map. */
  #put(spec: MapSpec, key: number, what: { readonly fd: Fd }): void {
    this.#maps
      .get(spec)!
      .raw.set(
        new Uint8Array(Uint32Array.of(key).buffer),
        new Uint8Array(Uint32Array.of(what.fd.number).buffer),
      );
  }

  #pinPathOf(spec: MapSpec): string | undefined {
    if (spec.pinPath !== undefined || spec.pinning === "none") return spec.pinPath;
    if (this.#options.pinPath !== undefined) return join(this.#options.pinPath, spec.name);
    throw new BpfObjectError(
      "BPF_MAP",
      `map "${spec.name}" is pinned by name, but load was given no pinPath`,
    );
  }

  #complete(view: DataView, reference: LoadReference, modules: Fd[]): void {
    const { at } = reference;
    if (reference.kind === "map") this.#refer(view, at, reference.map, undefined);
    else if (reference.kind === "map_value") this.#refer(view, at, reference.map, reference.offset);
    else if (reference.extern.kconfig)
      this.#refer(view, at, this.#object.kconfig!.map, reference.extern.kconfig.offset);
    else this.#externs.complete(view, at, reference.extern, modules);
  }

  /** Completes a 64-bit load of a map, or of the address of a byte in its value. */
  #refer(view: DataView, at: number, map: MapSpec, valueOffset: number | undefined): void {
    const loaded = this.#maps.get(map);
    if (!loaded) {
      this.#poison(view, at, map);
      return;
    }
    const source = valueOffset === undefined ? PSEUDO_MAP_FD : PSEUDO_MAP_VALUE;
    setSourceRegister(view, at, source, hostLittleEndian);
    view.setInt32(at * INSTRUCTION_SIZE + 4, loaded.fd.number, hostLittleEndian);
    // The upper half of the load is the offset into the value.
    view.setUint32(at * INSTRUCTION_SIZE + 12, valueOffset ?? 0, hostLittleEndian);
  }

  /** Makes an instruction that loads a map which was not to be created into calls that the verifier refuses to reach. */
  #poison(view: DataView, at: number, map: MapSpec): void {
    let index = this.#missing.indexOf(map);
    if (index === -1) index = this.#missing.push(map) - 1;
    for (const offset of [at * INSTRUCTION_SIZE, (at + 1) * INSTRUCTION_SIZE]) {
      view.setBigUint64(offset, 0n);
      view.setUint8(offset, CALL);
      view.setInt32(offset + 4, POISON_MAP + index, hostLittleEndian);
    }
  }

  #explainMissingMap(log: string): string | undefined {
    const number = /unknown#(20010\d{5})/.exec(log)?.[1];
    const map = number === undefined ? undefined : this.#missing[Number(number) - POISON_MAP];
    return map && `it uses map "${map.name}", which was not to be created (autocreate)`;
  }

  #table(spec: StructOpsSpec): StructOpsTable {
    const known = this.#tables.get(spec);
    if (known) return known;
    const table = new StructOpsTable(spec, this.#types);
    this.#tables.set(spec, table);
    return table;
  }

  #attachTarget(spec: ProgramSpec): (AttachTarget & { readonly index?: number }) | undefined {
    if (spec.type !== "struct_ops") return findAttachTarget(spec, this.#types);
    const users = this.#object.structOps.filter((table) => [...table.programs.values()].includes(spec));
    const [first, ...others] = users.flatMap((table) => this.#table(table).attachTargets(spec));
    if (!first) {
      throw new BpfObjectError(
        "BPF_FUNCTION",
        `program "${spec.name}" is for struct_ops, but no struct_ops variable points to it`,
      );
    }
    if (
      others.some((other) => other.id !== first.id || other.index !== first.index || other.fd !== first.fd)
    ) {
      throw new BpfObjectError(
        "BPF_FUNCTION",
        `program "${spec.name}" serves several members of struct_ops; the kernel wants one program for each`,
      );
    }
    return first;
  }

  /** Loaded when something first needs it; the same for all maps and programs of the object. */
  #loadedBtf(): LoadedBtf | undefined {
    if (this.#btf) return this.#btf;
    const linked = this.#selection.programs.map((program) => program.linked);
    const slice = neededBtf(this.#object, linked, this.#selection.maps);
    const hidden = this.#object.functions
      .filter((function_) => function_.hidden)
      .map((function_) => function_.name);
    this.#btf = slice && loadBtf(slice, hidden);
    return this.#btf;
  }

  // A kernel that refuses the BTF still loads the program: only names and source lines are lost.
  #programBtf(linked: LinkedProgram) {
    const { btfExt, littleEndian } = this.#object;
    const { fd, slice } = (btfExt && this.#loadedBtf()) ?? {};
    if (!fd) return undefined;
    const { functions, lines } = extInfo(linked, btfExt!, slice!, littleEndian);
    return functions && { fd, functions, lines };
  }
}

function holdsMaps(spec: MapSpec): boolean {
  return spec.type === "array_of_maps" || spec.type === "hash_of_maps";
}

/** The variables of section ".kconfig". */
function* kernelOptions({ btf, externs }: BpfObject): IterableIterator<VariablePlace> {
  for (const { name, type, kconfig } of externs) {
    if (!kconfig || !btf) continue;
    const { offset, size } = kconfig;
    yield { name, section: ".kconfig", offset, size, codec: btfCodec(btf, type) };
  }
}

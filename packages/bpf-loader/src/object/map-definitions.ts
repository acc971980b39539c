import type { Btf } from "../btf/btf.js";
import type { BtfMember, BtfTypeOf } from "../btf/types.js";
import { mapTypeTable } from "../names/tables.js";
import { BpfObjectError } from "./error.js";
import { MapSpec } from "./map-spec.js";

/** LIBBPF_PIN_BY_NAME of bpf_helpers.h. */
const PIN_BY_NAME = 1;
/** Far more members than there are to know. */
const MAX_MEMBERS = 64;

/** The definition of a map, and where its first elements stand. */
export interface MapDefinition {
  readonly spec: MapSpec;
  /** What its elements are, and where the array of them begins in the variable, in bytes; undefined if it has none. */
  readonly values: { readonly kind: "maps" | "programs"; readonly offset: number } | undefined;
}

/**
 * Reads the definition of one map in `.maps`: a struct whose members encode numbers as the length of an array that
 * they point to (`__uint`) and types as what they point to (`__type`). See Documentation/bpf/libbpf in the kernel's
 * tree and parse_btf_map_def of libbpf. Throws {@link BpfObjectError}.
 */
export function readMapDefinition(btf: Btf, name: string, typeId: number): MapDefinition {
  return readStruct(btf, name, typeId, false);
}

function readStruct(btf: Btf, name: string, typeId: number, inner: boolean): MapDefinition {
  const type = btf.resolve(typeId);
  if (type.kind !== "struct") throw problem(name, `is defined by a ${type.kind}, not a struct`);
  if (type.members.length > MAX_MEMBERS) throw problem(name, `is defined by ${type.members.length} members`);
  const definition = new Definition(btf, name, type);

  const typeNumber = definition.number("type");
  if (typeNumber === undefined) throw problem(name, "has no type");
  const mapType = mapTypeTable.name(typeNumber);
  if (!mapType || mapType === "unspec") throw problem(name, `has the unknown type ${typeNumber}`);
  const key = definition.type("key");
  const value = definition.type("value");
  const spec = new MapSpec(
    {
      name,
      type: mapType,
      keySize: definition.size("key_size", key),
      valueSize: definition.size("value_size", value),
      maxEntries: definition.number("max_entries") ?? 0,
      flags: definition.number("map_flags") ?? 0,
    },
    { btf, key, value },
  );
  spec.mapExtra = definition.wideNumber("map_extra") ?? 0n;
  spec.numaNode = definition.number("numa_node");
  const pinning = definition.number("pinning") ?? 0;
  if (pinning !== 0 && pinning !== PIN_BY_NAME) throw problem(name, `has the unknown pinning ${pinning}`);
  spec.pinning = pinning === PIN_BY_NAME ? "by_name" : "none";
  const values = readValues(btf, spec, definition, inner);
  definition.refuseRest();
  return { spec, values };
}

// `__array(values, X)`: X is a struct that defines the inner map, or a function type for a program array.
function readValues(
  btf: Btf,
  spec: MapSpec,
  definition: Definition,
  inner: boolean,
): MapDefinition["values"] {
  const elements = definition.elements("values");
  const ofMaps = spec.type === "array_of_maps" || spec.type === "hash_of_maps";
  // The kernel stores a descriptor of 32 bits in all of them.
  if (ofMaps || spec.type === "prog_array" || spec.type === "perf_event_array") {
    spec.keySize ||= 4;
    spec.valueSize ||= 4;
  }
  if (elements === undefined) return undefined;
  if (inner) throw problem(spec.name, "is a map in a map in a map");
  const pointer = btf.resolve(elements.type);
  const target = pointer.kind === "ptr" ? btf.resolve(pointer.type) : pointer;
  if (ofMaps && target.kind === "struct") {
    spec.innerMap = readStruct(btf, `${spec.name}.inner`, target.id, true).spec;
    return { kind: "maps", offset: elements.offset };
  }
  if (spec.type === "prog_array" && target.kind === "func_proto")
    return { kind: "programs", offset: elements.offset };
  throw problem(spec.name, `has values, which a map of type ${spec.type} cannot have`);
}

/** The members of a map's defining struct; whatever nobody asks for is an error, as a typing mistake would be. */
class Definition {
  readonly #btf: Btf;
  readonly #map: string;
  readonly #members: Map<string, BtfMember>;

  constructor(btf: Btf, map: string, type: BtfTypeOf<"struct">) {
    this.#btf = btf;
    this.#map = map;
    this.#members = new Map(type.members.map((member) => [member.name, member]));
  }

  /** A number: `__uint(name, N)`. */
  number(name: string): number | undefined {
    const wide = this.wideNumber(name);
    if (wide === undefined) return undefined;
    if (wide > 0xffff_ffffn) throw problem(this.#map, `has a ${name} of ${wide}, more than 32 bits`);
    return Number(wide);
  }

  /** A number of 64 bits: `__uint(name, N)`, or `__ulong(name, N)`, which is an enum with one value. */
  wideNumber(name: string): bigint | undefined {
    const member = this.#take(name);
    if (!member) return undefined;
    const type = this.#btf.resolve(member.type);
    if ((type.kind === "enum" || type.kind === "enum64") && type.values.length === 1) {
      return BigInt.asUintN(64, BigInt(type.values[0]!.value));
    }
    const target = type.kind === "ptr" ? this.#btf.resolve(type.type) : type;
    if (type.kind !== "ptr" || target.kind !== "array")
      throw problem(this.#map, `has a ${name} that is no __uint()`);
    return BigInt(target.length);
  }

  /** The id of a type: `__type(name, T)`; 0 if there is none. */
  type(name: string): number {
    const member = this.#take(name);
    if (!member) return 0;
    const pointer = this.#btf.resolve(member.type);
    if (pointer.kind !== "ptr") throw problem(this.#map, `has a ${name} that is no __type()`);
    return pointer.type;
  }

  /** A size given by number, or by the type; both must agree. */
  size(name: string, type: number): number {
    const given = this.number(name);
    if (type === 0) return given ?? 0;
    const size = this.#btf.sizeOf(type);
    if (given !== undefined && given !== size)
      throw problem(this.#map, `has a ${name} of ${given}, but its type has ${size}`);
    return size;
  }

  /** The type of an array's elements, and where in the struct it begins, in bytes: `__array(name, T)`. */
  elements(name: string): { type: number; offset: number } | undefined {
    const member = this.#take(name);
    if (!member) return undefined;
    const type = this.#btf.resolve(member.type);
    if (type.kind !== "array") throw problem(this.#map, `has ${name} that are no __array()`);
    return { type: type.type, offset: member.bitOffset / 8 };
  }

  refuseRest(): void {
    for (const name of this.#members.keys())
      throw problem(this.#map, `has a member "${name}" that means nothing to this loader`);
  }

  #take(name: string): BtfMember | undefined {
    const member = this.#members.get(name);
    this.#members.delete(name);
    return member;
  }
}

function problem(map: string, what: string): BpfObjectError {
  return new BpfObjectError("BPF_MAP", `map "${map}" ${what}`);
}

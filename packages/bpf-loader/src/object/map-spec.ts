import type { Btf } from "../btf/btf.js";
import { btfCodec, type Codec, indexCodec, rawCodec } from "../btf/codec.js";
import type { MapType } from "../names/tables.js";
import type { ProgramSpec } from "./program-spec.js";

const NOTHING = new Uint8Array();

/** One element of a map when it is new: a map of a map of maps, or a program of a program array. */
export type MapSlot =
  | { readonly key: number; readonly map: MapSpec }
  | { readonly key: number; readonly program: ProgramSpec };

/** What a map is to be. Everything may be changed before the object is loaded. */
export class MapSpec {
  /** The variable's name in C; a data section has the section's name: ".rodata". */
  readonly name: string;
  type: MapType;
  /** Bytes of a key. Changing it drops the key's BTF. */
  keySize: number;
  /** Bytes of a value; for per-CPU maps, on one CPU. Changing it drops the value's BTF. */
  valueSize: number;
  maxEntries: number;
  /** A sum of {@link MapFlag}. */
  flags: number;
  /** `map_extra`: depends on the type, such as the number of a bloom filter's hash functions. */
  mapExtra = 0n;
  /** The NUMA node to allocate on; undefined leaves it to the kernel. */
  numaNode: number | undefined;
  /** `by_name`: pinned under `pinPath` by its name, and taken from there if it exists (LIBBPF_PIN_BY_NAME). */
  pinning: "none" | "by_name" = "none";
  /** Where it is pinned, and taken from if it exists; undefined leaves that to `pinning`. */
  pinPath: string | undefined;
  /**
   * Whether `load` creates it at all; false for a map that a kernel may lack. A program that refers to it is still
   * loaded where the verifier finds that it never gets there.
   */
  autocreate = true;
  /** For a map of maps: the template of those that it holds. If undefined, the first map of `contents` is one. */
  innerMap: MapSpec | undefined;
  /** What a map of maps, or an array of programs, is filled with when it has been created. */
  contents: MapSlot[] = [];
  /** What a definition in a "maps" section has behind the fields that this loader knows: bytes for whoever wrote it. */
  extra: Uint8Array = NOTHING;
  readonly #btf: Btf | undefined;
  readonly #keyType: number;
  readonly #valueType: number;

  /** Made by {@link BpfObject.parse}; `types` names the BTF types of key and value, 0 for none. */
  constructor(
    fields: {
      name: string;
      type: MapType;
      keySize: number;
      valueSize: number;
      maxEntries: number;
      flags: number;
    },
    types?: { btf: Btf; key: number; value: number },
  ) {
    this.name = fields.name;
    this.type = fields.type;
    this.keySize = fields.keySize;
    this.valueSize = fields.valueSize;
    this.maxEntries = fields.maxEntries;
    this.flags = fields.flags;
    this.#btf = types?.btf;
    this.#keyType = types?.key ?? 0;
    this.#valueType = types?.value ?? 0;
  }

  /** BTF and the types in it, 0 for a side that has none or whose size was changed; undefined without either. */
  get btfTypes(): { btf: Btf; key: number; value: number } | undefined {
    if (!this.#btf) return undefined;
    const key = this.#sized(this.#keyType, this.keySize);
    const value = this.#sized(this.#valueType, this.valueSize);
    return key || value ? { btf: this.#btf, key, value } : undefined;
  }

  /** Reads and writes keys: by BTF; without it array indexes are numbers, other keys bytes. */
  keyCodec(): Codec {
    const type = this.#sized(this.#keyType, this.keySize);
    if (type === 0 && (this.type === "array" || this.type === "percpu_array"))
      return indexCodec as unknown as Codec;
    return this.#codec(type, this.keySize);
  }

  /** Reads and writes values: by BTF, or as bytes if there is none. */
  valueCodec(): Codec {
    return this.#codec(this.#sized(this.#valueType, this.valueSize), this.valueSize);
  }

  /** Both codecs, for the sizes that the definition has now; each is made when somebody first asks for it. @internal */
  codecs(): { readonly key: Codec; readonly value: Codec } {
    const { type, keySize, valueSize } = this;
    return new LazyCodecs(
      new MapSpec(
        { name: "", type, keySize, valueSize, maxEntries: 0, flags: 0 },
        this.#btf && { btf: this.#btf, key: this.#keyType, value: this.#valueType },
      ),
    );
  }

  #sized(type: number, size: number): number {
    return this.#btf && type !== 0 && this.#btf.sizeOf(type) === size ? type : 0;
  }

  #codec(type: number, size: number): Codec {
    return this.#btf && type !== 0 ? btfCodec(this.#btf, type) : (rawCodec(size) as unknown as Codec);
  }
}

class LazyCodecs {
  readonly #spec: MapSpec;

  constructor(spec: MapSpec) {
    this.#spec = spec;
  }

  get key(): Codec {
    return this.#spec.keyCodec();
  }

  get value(): Codec {
    return this.#spec.valueCodec();
  }
}

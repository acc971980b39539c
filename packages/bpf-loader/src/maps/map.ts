import { BpfCommand, errno, Fd, possibleCpus, tryBpf } from "@weir/syscall";
import { type BtfValue, btfCodec, type Codec, indexCodec, rawCodec } from "../btf/codec.js";
import { descriptor, mapCreate, mapInfo } from "../kernel/attributes.js";
import { bpfError, callBpf } from "../kernel/call.js";
import { missingForMap } from "../kernel/explain.js";
import { readKernelBtf } from "../kernel/kernel-btf.js";
import { kernelName, objectInfo, openPin, pinObject } from "../kernel/pin.js";
import { MapFlag, type MapType, mapTypeTable } from "../names/tables.js";
import type { MapSpec } from "../object/map-spec.js";
import { type MapDifference, MapMismatchError } from "./map-mismatch.js";
import { type GetOptions, RawMap, type SetOptions } from "./raw-map.js";

/** What the kernel says about a map. */
export interface MapInfo {
  readonly id: number;
  /** Undefined for a type that is newer than this library. */
  readonly type: MapType | undefined;
  /** At most 15 characters. */
  readonly name: string;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value; for per-CPU maps, on one CPU. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** A sum of {@link MapFlag}. */
  readonly flags: number;
  readonly mapExtra: bigint;
  /** Id of its BTF; 0 if it has none. */
  readonly btfId: number;
  /** Ids in that BTF; 0 for none. */
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
}

/** A map to create without an object. */
export interface MapCreateOptions {
  /** Shown by the kernel; cut to 15 characters. */
  readonly name?: string;
  readonly type: MapType;
  /** Bytes of a key; 0 where the type has none. */
  readonly keySize: number;
  /** Bytes of a value; for per-CPU maps, on one CPU. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** A sum of {@link MapFlag}. */
  readonly flags?: number;
  readonly mapExtra?: bigint;
  readonly numaNode?: number;
  /** Type information in the kernel, and the types of key and value in it. A value with a spin lock needs it. */
  readonly btf?: { readonly fd: Fd; readonly key: number; readonly value: number } | undefined;
  /** For a map of maps: a map like those that it is to hold. */
  readonly innerMap?: Fd | undefined;
  /** For struct_ops: the value's type in the kernel's BTF, or in that of a module, whose descriptor is `btf`. */
  readonly kernelValueType?: { readonly id: number; readonly btf?: Fd | undefined } | undefined;
}

/** How keys and values are read and written. */
export interface MapCodecs {
  readonly key: Codec;
  /** Of one value; per-CPU maps have one for each CPU. */
  readonly value: Codec;
}

const perCpuTypes = new Set<MapType>([
  "percpu_hash",
  "percpu_array",
  "lru_percpu_hash",
  "percpu_cgroup_storage",
]);
const indexedTypes = new Set<MapType>(["array", "percpu_array"]);

/**
 * A map in the kernel. It lives while this is open, or a program uses it, or it is pinned.
 *
 * Keys and values are decoded by BTF (see {@link BtfValue}); without BTF, array indexes are numbers and everything else
 * is Uint8Array. The value of a per-CPU map is an array with one element for each possible CPU.
 *
 * @typeParam K what a key is in JavaScript
 * @typeParam V what a value is in JavaScript
 */
export class BpfMap<K = BtfValue, V = BtfValue> implements Disposable {
  readonly fd: Fd;
  /** Its name in its object, or as the kernel knows it. */
  readonly name: string;
  /** Undefined for a type that is newer than this library. */
  readonly type: MapType | undefined;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value; for per-CPU maps, on one CPU. */
  readonly valueSize: number;
  /** The number of elements that it can hold. */
  readonly maxEntries: number;
  /** Whether each CPU has values of its own. */
  readonly perCpu: boolean;
  /** The elements as bytes. */
  readonly raw: RawMap;
  readonly #codecs: () => MapCodecs;
  #cachedCodecs: MapCodecs | undefined;

  private constructor(fd: Fd, info: MapInfo, name: string, codecs: () => MapCodecs) {
    this.fd = fd;
    this.name = name;
    this.type = info.type;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.maxEntries = info.maxEntries;
    this.perCpu = info.type !== undefined && perCpuTypes.has(info.type);
    this.raw = new RawMap(fd, {
      name,
      keySize: info.keySize,
      valueSize: this.perCpu ? this.valueStride * possibleCpus() : info.valueSize,
      maxEntries: info.maxEntries,
      indexed: info.type !== undefined && indexedTypes.has(info.type),
    });
    this.#codecs = codecs;
  }

  /** Creates a map. Throws NotSupportedError for a type that the kernel does not have, else SystemError. */
  static create<K = BtfValue, V = BtfValue>(options: MapCreateOptions, codecs?: MapCodecs): BpfMap<K, V> {
    return BpfMap.adopt(createMap(options), options.name ?? "", codecs);
  }

  /**
   * Takes over the descriptor of a map, and closes it if anything goes wrong.
   * @param name its name; the kernel's if it is empty
   * @param codecs how keys and values are read; by the map's own BTF if absent
   */
  static adopt<K = BtfValue, V = BtfValue>(fd: Fd, name = "", codecs?: MapCodecs): BpfMap<K, V> {
    try {
      const info = readInfo(fd);
      return new BpfMap(fd, info, name || info.name, codecs ? () => codecs : () => kernelCodecs(info));
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /**
   * Opens a pinned map.
   * @param options.like a definition that the map must fit, and by whose BTF it is read; without it the map's own BTF
   *   is fetched from the kernel when a typed method is first called, which takes CAP_SYS_ADMIN
   * @throws SystemError, also if what is pinned is no map; MapMismatchError if it does not fit
   */
  static open<K = BtfValue, V = BtfValue>(path: string, options: { like?: MapSpec } = {}): BpfMap<K, V> {
    const fd = openPin(path, "map");
    const { like } = options;
    try {
      if (like) requireMatch(fd, like, `map pinned at ${path}`);
      const codecs = like && { key: like.keyCodec(), value: like.valueCodec() };
      return BpfMap.adopt(fd, like?.name ?? "", codecs);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** What the kernel says about it now. */
  get info(): MapInfo {
    return readInfo(this.fd);
  }

  /** Bytes from one CPU's value to the next in the bytes of a per-CPU value: the kernel rounds up to 8. */
  get valueStride(): number {
    return Math.ceil(this.valueSize / 8) * 8;
  }

  /** The value of a key, or undefined if there is none. Throws SystemError; BtfValueError for a key of another shape. */
  get(key: K, options?: GetOptions): V | undefined {
    const bytes = this.raw.get(this.#encodeKey(key), options);
    return bytes && this.#decodeValue(bytes);
  }

  /** Writes a value. Throws SystemError (see {@link RawMap.set}); BtfValueError for a key or value of another shape. */
  set(key: K, value: V, options?: SetOptions): void {
    this.raw.set(this.#encodeKey(key), this.#encodeValue(value), options);
  }

  /** Removes an element; false if there was none. Throws SystemError, EINVAL for arrays. */
  delete(key: K): boolean {
    return this.raw.delete(this.#encodeKey(key));
  }

  /** The keys, under the conditions of {@link RawMap.keys}. */
  *keys(): IterableIterator<K> {
    for (const key of this.raw.keys()) yield this.#codec.key.decode(key) as K;
  }

  /** Keys and values, under the conditions of {@link RawMap.keys}. */
  *entries(options?: GetOptions): IterableIterator<[key: K, value: V]> {
    for (const [key, value] of this.raw.entries(options)) {
      yield [this.#codec.key.decode(key) as K, this.#decodeValue(value)];
    }
  }

  /** Forbids further writes from user space for ever (Linux 5.2). Throws SystemError. */
  freeze(): void {
    const result = tryBpf(BpfCommand.MAP_FREEZE, descriptor.build({ fd: this.fd.number }));
    if (result < 0) throw bpfError(BpfCommand.MAP_FREEZE, -result, `freeze map "${this.name}"`, ["CAP_BPF"]);
  }

  /** Pins it in a BPF filesystem, so that it outlives this process. Throws SystemError. */
  pin(path: string): void {
    pinObject(this.fd, path);
  }

  /** The same map with a descriptor of its own, under the name and types of a definition. */
  share(spec: MapSpec): BpfMap {
    return BpfMap.adopt(this.fd.duplicate(), spec.name, { key: spec.keyCodec(), value: spec.valueCodec() });
  }

  /** Throws {@link MapMismatchError} unless it is what a definition wants. */
  requireMatch(spec: MapSpec): void {
    requireMatch(this.fd, spec, `map "${this.name}"`);
  }

  /** Lets go of it. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #codec(): MapCodecs {
    this.#cachedCodecs ??= this.#codecs();
    return this.#cachedCodecs;
  }

  #encodeKey(key: K): Uint8Array {
    return this.#codec.key.encode(key as BtfValue);
  }

  #encodeValue(value: V): Uint8Array {
    const { value: codec } = this.#codec;
    if (!this.perCpu) return codec.encode(value as BtfValue);
    const cpus = possibleCpus();
    if (!Array.isArray(value) || value.length !== cpus) {
      throw new RangeError(
        `a value of map "${this.name}" is an array with one element for each of ${cpus} possible CPUs`,
      );
    }
    const bytes = new Uint8Array(this.valueStride * cpus);
    value.forEach((one, cpu) => {
      bytes.set(codec.encode(one), cpu * this.valueStride);
    });
    return bytes;
  }

  #decodeValue(bytes: Uint8Array): V {
    const { value: codec } = this.#codec;
    if (!this.perCpu) return codec.decode(bytes) as V;
    const cpus = bytes.length / this.valueStride;
    return Array.from({ length: cpus }, (_, cpu) =>
      codec.decode(bytes.subarray(cpu * this.valueStride)),
    ) as V;
  }
}

/** BPF_MAP_CREATE. Throws NotSupportedError for a type that the kernel does not have, else SystemError. */
export function createMap(options: MapCreateOptions): Fd {
  const attr = mapCreate.build({
    mapType: mapTypeTable.number(options.type),
    keySize: options.keySize,
    valueSize: options.valueSize,
    maxEntries: options.maxEntries,
    mapFlags: options.flags ?? 0,
    numaNode: options.numaNode ?? 0,
    mapName: kernelName(options.name ?? ""),
    mapExtra: options.mapExtra ?? 0n,
    btfFd: options.btf?.fd.number ?? 0,
    btfKeyTypeId: options.btf?.key ?? 0,
    btfValueTypeId: options.btf?.value ?? 0,
    innerMapFd: options.innerMap?.number ?? 0,
    btfVmlinuxValueTypeId: options.kernelValueType?.id ?? 0,
    valueTypeBtfObjFd: options.kernelValueType?.btf?.number ?? 0,
  });
  const name = options.name ?? "";
  const result = callBpf(BpfCommand.MAP_CREATE, attr);
  if (result >= 0) return Fd.adopt(result, `map ${name}`.trimEnd());
  const missing = result === -errno.EINVAL! ? missingForMap(options.type) : undefined;
  if (missing) throw missing;
  const { type, keySize, valueSize, maxEntries, flags = 0 } = options;
  const what = `${type}, key ${keySize}, value ${valueSize}, max_entries ${maxEntries}, flags 0x${flags.toString(16)}`;
  throw bpfError(BpfCommand.MAP_CREATE, -result, `create map "${name}" (${what})`, [
    "CAP_BPF",
    "CAP_NET_ADMIN",
  ]);
}

function readInfo(fd: Fd): MapInfo {
  const raw = objectInfo(fd, mapInfo);
  return {
    id: raw.id,
    type: mapTypeTable.name(raw.type),
    name: raw.name,
    keySize: raw.keySize,
    valueSize: raw.valueSize,
    maxEntries: raw.maxEntries,
    flags: raw.mapFlags,
    mapExtra: raw.mapExtra,
    btfId: raw.btfId,
    btfKeyTypeId: raw.btfKeyTypeId,
    btfValueTypeId: raw.btfValueTypeId,
  };
}

function requireMatch(fd: Fd, spec: MapSpec, where: string): void {
  const info = readInfo(fd);
  const readOnlyAlways = spec.type === "devmap" || spec.type === "devmap_hash";
  const found = {
    ...info,
    // dev_map_init_map adds it to the flags of every such map, and refuses it in those that are asked for.
    flags: readOnlyAlways ? info.flags & ~MapFlag.RDONLY_PROG : info.flags,
  };
  const differences = (["type", "keySize", "valueSize", "maxEntries", "flags", "mapExtra"] as const)
    .filter((field) => found[field] !== spec[field])
    .map((field): MapDifference => ({ field, wanted: spec[field], found: found[field] ?? "unknown" }));
  if (differences.length > 0) throw new MapMismatchError(spec.name, where, differences);
}

/** Codecs from the map's own BTF. */
function kernelCodecs(info: MapInfo): MapCodecs {
  const btf = info.btfId === 0 ? undefined : readKernelBtf(info.btfId);
  const codec = (type: number, size: number) =>
    btf && type !== 0 ? btfCodec(btf, type) : (rawCodec(size) as unknown as Codec);
  const indexed = info.type !== undefined && indexedTypes.has(info.type);
  return {
    key:
      info.btfKeyTypeId === 0 && indexed
        ? (indexCodec as unknown as Codec)
        : codec(info.btfKeyTypeId, info.keySize),
    value: codec(info.btfValueTypeId, info.valueSize),
  };
}

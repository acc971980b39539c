import { BpfCommand, errno, type Fd, possibleCpus, tryBpf } from "@weir/syscall";
import type { BtfValue } from "../btf/codec.js";
import { descriptor } from "../kernel/attributes.js";
import { bpfError } from "../kernel/call.js";
import { objectIds } from "../kernel/ids.js";
import { openPin, pinObject } from "../kernel/pin.js";
import { MapFlag, type MapType } from "../names/tables.js";
import type { MapSpec } from "../object/map-spec.js";
import type { MapBatch } from "./batch.js";
import type { Descriptor } from "./descriptor.js";
import { MapElements } from "./elements.js";
import { codecsOf, type MapCodecs, perCpuStride } from "./map-codecs.js";
import { createMap, type MapCreateOptions } from "./map-create.js";
import { type MapInfo, type MapUsage, openMapId, readMapInfo, readMapUsage } from "./map-info.js";
import { isIndexed, isPerCpu } from "./map-kinds.js";
import { MapMemory } from "./map-memory.js";
import { type MapDifference, MapMismatchError } from "./map-mismatch.js";
import { chunkSize, Packer } from "./packer.js";
import {
  type BatchOptions,
  type GetOptions,
  getFlags,
  type PushOptions,
  RawMap,
  type SetOptions,
  setFlags,
} from "./raw-map.js";

type MapShape = Pick<MapInfo, "type" | "keySize" | "valueSize" | "maxEntries">;

/** Types of which the kernel makes what it was asked for, so that it need not be asked what it made; an LRU map may be larger. */
const keepsShape: ReadonlySet<MapType> = new Set<MapType>([
  "hash",
  "array",
  "percpu_hash",
  "percpu_array",
  "prog_array",
  "perf_event_array",
  "ringbuf",
]);

/**
 * A map in the kernel. It lives while this is open, or a program uses it, or it is pinned.
 *
 * Keys and values are decoded by BTF (see {@link BtfValue}); without BTF, array indexes are numbers and everything else
 * is Uint8Array. The value of a per-CPU map is an array with one element for each possible CPU. Maps that hold
 * descriptors (of maps, programs, sockets, perf events, cgroups), and storage that belongs to a socket, inode, task or
 * cgroup, take a {@link Descriptor} there; where the kernel lets such a value be read it is an id, or a socket's cookie.
 *
 * Calls that the kernel refuses throw SystemError; keys and values of another shape throw BtfValueError or RangeError.
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
  #cachedInfo: MapInfo | undefined;
  readonly #givenCodecs: MapCodecs | undefined;
  #cachedCodecs: MapCodecs | undefined;
  #cachedElements: MapElements | undefined;
  #cachedRaw: RawMap | undefined;

  private constructor(fd: Fd, info: MapShape, name: string, codecs: MapCodecs | undefined) {
    this.fd = fd;
    this.name = name;
    this.type = info.type;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.maxEntries = info.maxEntries;
    this.perCpu = isPerCpu(info.type);
    this.#givenCodecs = codecs;
  }

  /** Creates a map. Throws NotSupportedError for a type that the kernel does not have, else SystemError. */
  static create<K = BtfValue, V = BtfValue>(options: MapCreateOptions, codecs?: MapCodecs): BpfMap<K, V> {
    const fd = createMap(options);
    return keepsShape.has(options.type)
      ? new BpfMap(fd, options, options.name ?? "", codecs)
      : BpfMap.adopt(fd, options.name ?? "", codecs);
  }

  /**
   * Takes over the descriptor of a map, and closes it if anything goes wrong.
   * @param name its name; the kernel's if it is empty
   * @param codecs how keys and values are read; by the map's own BTF if absent
   */
  static adopt<K = BtfValue, V = BtfValue>(fd: Fd, name = "", codecs?: MapCodecs): BpfMap<K, V> {
    try {
      const info = readMapInfo(fd);
      const map = new BpfMap<K, V>(fd, info, name || info.name, codecs);
      map.#cachedInfo = info;
      return map;
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /**
   * Opens a pinned map.
   * @param options.like a definition that the map must fit, and by whose BTF it is read; without it the map's own BTF
   *   is fetched from the kernel when a typed method is first called, which takes CAP_SYS_ADMIN
   * @param options.readOnly refuse all that would change it; for this the file's mode need only allow reading
   * @throws SystemError, also if what is pinned is no map; MapMismatchError if it does not fit
   */
  static open<K = BtfValue, V = BtfValue>(
    path: string,
    options: { like?: MapSpec; readOnly?: boolean } = {},
  ): BpfMap<K, V> {
    const { like, readOnly = false } = options;
    const fd = openPin(path, "map", readOnly ? MapFlag.RDONLY : 0);
    try {
      if (like) requireMatch(fd, like, `map pinned at ${path}`);
      const codecs = like && { key: like.keyCodec(), value: like.valueCodec() };
      return BpfMap.adopt(fd, like?.name ?? "", codecs);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /**
   * Opens the map of an id: one of {@link BpfMap.ids}, or what a map of maps gives. It takes CAP_SYS_ADMIN.
   * @param codecs how keys and values are read; by the map's own BTF if absent
   */
  static openById<K = BtfValue, V = BtfValue>(id: number, codecs?: MapCodecs): BpfMap<K, V> {
    return BpfMap.adopt(openMapId(id), "", codecs);
  }

  /** The ids of all maps in the kernel, in rising order. One may be gone when it is opened (ENOENT). Takes CAP_SYS_ADMIN. */
  static ids(): IterableIterator<number> {
    return objectIds(BpfCommand.MAP_GET_NEXT_ID, "maps");
  }

  /** What does not change. */
  get #info(): MapInfo {
    this.#cachedInfo ??= readMapInfo(this.fd);
    return this.#cachedInfo;
  }

  /** What the kernel says about it now. */
  get info(): MapInfo {
    return readMapInfo(this.fd);
  }

  /** What it takes up, and whether it is frozen. */
  get usage(): MapUsage {
    return readMapUsage(this.fd);
  }

  /** Bytes from one CPU's value to the next in the bytes of a per-CPU value: the kernel rounds up to 8. */
  get valueStride(): number {
    return perCpuStride(this.valueSize);
  }

  /** The elements as bytes. */
  get raw(): RawMap {
    this.#cachedRaw ??= new RawMap(this.#elements);
    return this.#cachedRaw;
  }

  /** The value of a key, or undefined if there is none. */
  get(key: K | Descriptor, options?: GetOptions): V | undefined {
    const elements = this.#elements;
    this.#writeKey(key);
    return elements.lookup(getFlags(options)) ? this.#readValue() : undefined;
  }

  /** Whether there is such a key; in a bloom filter, whether the value may have been added. */
  has(keyOrValue: K | V | Descriptor): boolean {
    if (this.keySize === 0) this.#writeValue(keyOrValue as V);
    else this.#writeKey(keyOrValue as K);
    return this.#elements.lookup(0);
  }

  /**
   * Writes a value.
   * @throws SystemError: EEXIST or ENOENT as the flag asks, E2BIG if the map is full or has no such index
   */
  set(key: K | Descriptor, value: V | Descriptor, options?: SetOptions): void {
    this.#writeKey(key);
    this.#writeValue(value);
    this.#elements.update(setFlags(options));
  }

  /** Removes an element; false if there was none. Throws SystemError, EINVAL for arrays. */
  delete(key: K | Descriptor): boolean {
    this.#writeKey(key);
    return this.#elements.remove();
  }

  /** Removes an element and gives its value, under the conditions of {@link RawMap.take}; undefined if there was none. */
  take(key: K | Descriptor, options?: GetOptions): V | undefined {
    this.#writeKey(key);
    return this.#elements.take(getFlags(options)) ? this.#readValue() : undefined;
  }

  /** Puts a value into a queue or stack. Throws SystemError (E2BIG) if it is full. */
  push(value: V, options?: PushOptions): void {
    this.#writeValue(value);
    this.#elements.update(setFlags(options?.overwrite ? { flag: "exist" } : undefined));
  }

  /** Takes the next value from a queue (the oldest) or a stack (the newest); undefined if it is empty. */
  pop(): V | undefined {
    return this.#elements.take(0) ? this.#readValue() : undefined;
  }

  /** The value that {@link pop} would take; undefined if there is none. */
  peek(): V | undefined {
    return this.#elements.lookup(0) ? this.#readValue() : undefined;
  }

  /** Adds a value to a bloom filter. */
  add(value: V): void {
    this.push(value);
  }

  /** The keys, under the conditions of {@link RawMap.batches}. */
  *keys(): IterableIterator<K> {
    const { key } = this.#codecs;
    for (const bytes of this.raw.keys()) yield key.decode(bytes) as K;
  }

  /** The values, under the conditions of {@link RawMap.batches}. */
  *values(options?: BatchOptions): IterableIterator<V> {
    for (const [, value] of this.entries(options)) yield value;
  }

  /**
   * Keys and values, under the conditions of {@link RawMap.batches}. They are read some at a time, so that an element
   * may be older than the moment in which it is given.
   */
  entries(options?: BatchOptions): IterableIterator<[key: K, value: V]> {
    return this.#decoded(this.raw.batches(options));
  }

  /** The same, ordered like a Map's iterator. */
  [Symbol.iterator](): IterableIterator<[key: K, value: V]> {
    return this.entries();
  }

  /** Removes all elements and gives them, under the conditions of {@link RawMap.takeBatches}. */
  takeEntries(options?: BatchOptions): IterableIterator<[key: K, value: V]> {
    return this.#decoded(this.raw.takeBatches(options));
  }

  /**
   * Writes many elements, some at a time. It is not all or nothing: an error says how many of the last some were
   * written.
   */
  setBatch(
    entries: Iterable<readonly [key: K | Descriptor, value: V | Descriptor]>,
    options?: SetOptions,
  ): void {
    const { key: keyCodec, value: valueCodec } = this.#codecs;
    const { valueSize } = this.#elements.shape;
    const capacity = chunkSize(this.keySize + valueSize);
    const keys = new Packer(this.keySize, capacity, keyCodec);
    const values = new Packer(valueSize, capacity, valueCodec);
    const flush = () => this.raw.setBatch(keys.take(), values.take(), options);
    for (const [key, value] of entries) {
      keys.add(key as BtfValue);
      values.add(value as BtfValue);
      if (keys.count === capacity) flush();
    }
    if (keys.count > 0) flush();
  }

  /** Deletes many elements. @returns how many of the keys there were */
  deleteBatch(keys: Iterable<K | Descriptor>): number {
    const capacity = chunkSize(this.keySize);
    const packer = new Packer(this.keySize, capacity, this.#codecs.key);
    let deleted = 0;
    for (const key of keys) {
      packer.add(key as BtfValue);
      if (packer.count === capacity) deleted += this.raw.deleteBatch(packer.take());
    }
    return packer.count > 0 ? deleted + this.raw.deleteBatch(packer.take()) : deleted;
  }

  /**
   * The values as memory shared with programs: of arrays made with MapFlag.MMAPABLE, and of arenas. Whoever asks for it
   * closes it.
   * @param options.writable false for maps that are frozen (true by default)
   */
  mmap(options: { writable?: boolean } = {}): MapMemory {
    return MapMemory.of({ ...this.#info, name: this.name, fd: this.fd }, options.writable ?? true);
  }

  /** Forbids further writes from user space for ever (Linux 5.2). Throws SystemError. */
  freeze(): void {
    const result = tryBpf(BpfCommand.MAP_FREEZE, descriptor.build({ fd: this.fd.number }));
    if (result >= 0) return;
    const hint =
      result === -errno.EBUSY! ? "It is frozen already, or mapped somewhere to be written." : undefined;
    throw bpfError(BpfCommand.MAP_FREEZE, -result, `freeze map "${this.name}"`, ["CAP_BPF"], hint);
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

  get #codecs(): MapCodecs {
    this.#cachedCodecs ??= codecsOf(this.#info, this.#givenCodecs, this.perCpu);
    return this.#cachedCodecs;
  }

  get #elements(): MapElements {
    this.#cachedElements ??= new MapElements(this.fd, {
      name: this.name,
      type: this.type,
      keySize: this.keySize,
      valueSize: this.perCpu ? this.valueStride * possibleCpus() : this.valueSize,
      maxEntries: this.maxEntries,
      indexed: isIndexed(this.type),
    });
    return this.#cachedElements;
  }

  #writeKey(key: K | Descriptor): void {
    const elements = this.#elements;
    elements.key.fill(0);
    this.#codecs.key.write(elements.keyView, 0, key as BtfValue);
  }

  #writeValue(value: V | Descriptor): void {
    const elements = this.#elements;
    elements.value.fill(0);
    this.#codecs.value.write(elements.valueView, 0, value as BtfValue);
  }

  #readValue(): V {
    return this.#codecs.value.read(this.#elements.valueView, 0) as V;
  }

  *#decoded(batches: Iterable<MapBatch>): Generator<[key: K, value: V], void, undefined> {
    const { key: keyCodec, value: valueCodec } = this.#codecs;
    const { keySize, valueSize } = this.#elements.shape;
    for (const { count, keys, values } of batches) {
      const keyView = new DataView(keys.buffer, keys.byteOffset, keys.byteLength);
      const valueView = new DataView(values.buffer, values.byteOffset, values.byteLength);
      for (let i = 0; i < count; i++) {
        // Throws once the map is closed.
        this.fd.number;
        yield [keyCodec.read(keyView, i * keySize) as K, valueCodec.read(valueView, i * valueSize) as V];
      }
    }
  }
}

function requireMatch(fd: Fd, spec: MapSpec, where: string): void {
  const info = readMapInfo(fd);
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

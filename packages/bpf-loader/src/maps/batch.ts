import { BpfCommand, errno, type Struct, tryBpf } from "@weir/syscall";
import { mapBatch } from "../kernel/attributes.js";
import { isMissingOperation, type MapElements } from "./elements.js";
import { Bound, walkKeys } from "./walk.js";

/** Some elements of a map: keys and values, each packed one after the other. */
export interface MapBatch {
  /** How many elements. */
  readonly count: number;
  /** `count` keys. */
  readonly keys: Uint8Array;
  /** `count` values; for per-CPU maps each of them all CPUs' values. */
  readonly values: Uint8Array;
}

/** Bytes that a batch takes if nobody says how many elements it is to have, and the most elements it then has. */
const BATCH_BYTES = 1 << 16;
const BATCH_ELEMENTS = 1024;

/** Reads (and with `take` removes) all elements, some at a time, into the same bytes each time. */
export function* readBatches(
  map: MapElements,
  options: { size: number | undefined; take: boolean; flags: number },
): Generator<MapBatch, void, undefined> {
  const { take, flags } = options;
  const command = take ? BpfCommand.MAP_LOOKUP_AND_DELETE_BATCH : BpfCommand.MAP_LOOKUP_BATCH;
  const { maxEntries } = map.shape;
  let room = new Room(map, batchSize(map, options.size));
  // The kernel writes where it stopped: a bucket's number, or a key.
  const position = new Uint8Array(Math.max(8, map.shape.keySize));
  const attr = room.attribute(flags).pointer(mapBatch.offset.outBatch, position);
  const bound = new Bound(map);
  for (let first = true; ; ) {
    map.fd.number;
    const result = tryBpf(command, attr.u32(mapBatch.offset.count, room.capacity));
    if (first && isMissingOperation(result)) return yield* readSingly(map, room, take, flags);
    if (result === -errno.ENOSPC! && room.capacity < maxEntries * 4 + 64) {
      // A bucket of a hash is read whole or not at all.
      room = new Room(map, room.capacity * 2);
      room.point(attr);
      continue;
    }
    // EINTR: elements went while the kernel looked at them; what it found before counts.
    if (result < 0 && result !== -errno.ENOENT! && result !== -errno.EINTR!)
      throw map.error(command, result, take ? "take elements of" : "read elements of");
    const count = attr.getU32(mapBatch.offset.count);
    if (first && count > 0) {
      attr.pointer(mapBatch.offset.inBatch, position);
      first = false;
    }
    bound.add(Math.max(count, 1), command);
    if (count > 0) yield room.batch(count);
    if (result === -errno.ENOENT!) return;
  }
}

/** Writes packed elements. */
export function writeBatch(map: MapElements, keys: Uint8Array, values: Uint8Array, flags: number): void {
  const count = packedCount(map, keys, values);
  if (count === 0) return;
  const attr = mapBatch.build({ keys, values, count, mapFd: map.fd.number, elemFlags: flags });
  const result = tryBpf(BpfCommand.MAP_UPDATE_BATCH, attr);
  if (result >= 0) return;
  if (!isMissingOperation(result)) {
    // Before it begins to write, the kernel leaves the count as it was.
    const done = attr.getU32(mapBatch.offset.count);
    throw writeError(map, BpfCommand.MAP_UPDATE_BATCH, result, done < count ? done : 0, count);
  }
  writeSingly(map, keys, values, flags);
}

/** The same, one element at a time: for flags and types that batches do not take. */
export function writeSingly(map: MapElements, keys: Uint8Array, values: Uint8Array, flags: number): void {
  const { keySize, valueSize } = map.shape;
  const count = packedCount(map, keys, values);
  for (let i = 0; i < count; i++) {
    map.key.set(keys.subarray(i * keySize, (i + 1) * keySize));
    map.value.set(values.subarray(i * valueSize, (i + 1) * valueSize));
    const result = map.call(BpfCommand.MAP_UPDATE_ELEM, flags);
    if (result < 0) throw writeError(map, BpfCommand.MAP_UPDATE_ELEM, result, i, count);
  }
}

/** Deletes elements by packed keys; how many there were. */
export function deleteBatch(map: MapElements, keys: Uint8Array): number {
  const { keySize } = map.shape;
  const count = wholeNumber(map, "keys", keys.length, keySize);
  let deleted = 0;
  for (let at = 0; at < count; ) {
    const rest = keys.subarray(at * keySize);
    const attr = mapBatch.build({ keys: rest, count: count - at, mapFd: map.fd.number });
    const result = tryBpf(BpfCommand.MAP_DELETE_BATCH, attr);
    if (result >= 0) return deleted + count - at;
    if (isMissingOperation(result)) return deleted + deleteSingly(map, rest);
    if (result !== -errno.ENOENT!) throw map.error(BpfCommand.MAP_DELETE_BATCH, result, "delete elements of");
    // It stops at a key that is not there.
    const done = attr.getU32(mapBatch.offset.count);
    deleted += done;
    at += done + 1;
  }
  return deleted;
}

function deleteSingly(map: MapElements, keys: Uint8Array): number {
  const { keySize } = map.shape;
  let deleted = 0;
  for (let at = 0; at < keys.length; at += keySize) {
    map.key.set(keys.subarray(at, at + keySize));
    if (map.remove()) deleted++;
  }
  return deleted;
}

/** What {@link readBatches} does where the kernel has no batches for the type. */
function* readSingly(
  map: MapElements,
  room: Room,
  take: boolean,
  flags: number,
): Generator<MapBatch, void, undefined> {
  let count = 0;
  for (const key of walkKeys(map, take)) {
    map.key.set(key);
    if (!(take ? map.take(flags) : map.lookup(flags))) continue;
    room.put(count++, key, map.value);
    if (count < room.capacity) continue;
    yield room.batch(count);
    count = 0;
  }
  if (count > 0) yield room.batch(count);
}

/** The bytes of one batch. */
class Room {
  readonly capacity: number;
  readonly #map: MapElements;
  readonly #keys: Uint8Array;
  readonly #values: Uint8Array;

  constructor(map: MapElements, capacity: number) {
    this.#map = map;
    this.capacity = capacity;
    this.#keys = new Uint8Array(capacity * map.shape.keySize);
    this.#values = new Uint8Array(capacity * map.shape.valueSize);
  }

  attribute(flags: number): Struct {
    return this.point(mapBatch.build({ mapFd: this.#map.fd.number, elemFlags: flags }));
  }

  point(attr: Struct): Struct {
    return attr.pointer(mapBatch.offset.keys, this.#keys).pointer(mapBatch.offset.values, this.#values);
  }

  put(index: number, key: Uint8Array, value: Uint8Array): void {
    this.#keys.set(key, index * key.length);
    this.#values.set(value, index * value.length);
  }

  batch(count: number): MapBatch {
    const { keySize, valueSize } = this.#map.shape;
    return {
      count,
      keys: this.#keys.subarray(0, count * keySize),
      values: this.#values.subarray(0, count * valueSize),
    };
  }
}

function batchSize(map: MapElements, wanted: number | undefined): number {
  if (wanted !== undefined) {
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > 0xffff_ffff)
      throw new RangeError(`a batch has 1 or more elements, not ${wanted}`);
    return Math.min(wanted, Math.max(map.shape.maxEntries, 1));
  }
  const fits = Math.floor(BATCH_BYTES / Math.max(1, map.shape.keySize + map.shape.valueSize));
  return Math.max(1, Math.min(fits, BATCH_ELEMENTS, map.shape.maxEntries));
}

function packedCount(map: MapElements, keys: Uint8Array, values: Uint8Array): number {
  const count = wholeNumber(map, "keys", keys.length, map.shape.keySize);
  const valueCount = wholeNumber(map, "values", values.length, map.shape.valueSize);
  if (count === valueCount) return count;
  throw new RangeError(`${count} keys and ${valueCount} values of map "${map.shape.name}"`);
}

function wholeNumber(map: MapElements, what: string, length: number, size: number): number {
  if (size > 0 && length % size === 0) return length / size;
  throw new RangeError(`the ${what} of map "${map.shape.name}" have ${size} bytes; ${length} is no multiple`);
}

function writeError(map: MapElements, command: number, result: number, done: number, count: number): Error {
  return map.error(command, result, `write ${count} elements (${done} are written) of`);
}

import { errno, type Fd, MemoryMap, pageSize } from "@weir/syscall";
import { MapFlag, type MapType } from "../names/tables.js";

/** What {@link MapMemory} has to know of a map. */
export interface MappedMap {
  readonly fd: Fd;
  readonly name: string;
  readonly type: MapType | undefined;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly mapExtra: bigint;
}

/**
 * A map's values as memory that this process shares with BPF programs: of an array made with MapFlag.MMAPABLE
 * (Linux 5.5; the data sections of objects are such arrays), or of an arena (6.9). A store is seen by programs at once,
 * and the other way round; for counters use Atomics on a view of {@link buffer}.
 *
 * It is valid until it is closed, whether or not the map is. Later accesses read zeros.
 */
export class MapMemory implements Disposable {
  /** All of it. Writing to it ends the process unless the mapping is {@link writable}. */
  readonly bytes: Uint8Array;
  /** A view of the same memory. */
  readonly view: DataView;
  /** Bytes from one value of an array to the next: its size rounded up to 8. For an arena, all of it. */
  readonly stride: number;
  /** Whether it may be written. */
  readonly writable: boolean;
  readonly #memory: MemoryMap;

  private constructor(memory: MemoryMap, stride: number, writable: boolean) {
    this.#memory = memory;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.stride = stride;
    this.writable = writable;
  }

  /** @internal Made by {@link BpfMap.mmap}. */
  static of(map: MappedMap, writable: boolean): MapMemory {
    const arena = map.type === "arena";
    // array_map_mmap and arena_map_mmap in kernel/bpf: values lie as array_map_elem_size says.
    const stride = Math.ceil(map.valueSize / 8) * 8;
    const length = arena ? map.maxEntries * pageSize() : stride * map.maxEntries;
    const memory = MemoryMap.map(map.fd, length, {
      writable,
      // An arena that names the place where programs see it can be mapped only there.
      ...(arena && { address: Number(map.mapExtra) }),
      hint: (number) => hint(map, number),
    });
    return new MapMemory(memory, arena ? length : stride, writable);
  }

  /** The memory itself, for views of other kinds. */
  get buffer(): ArrayBuffer {
    return this.#memory.buffer;
  }

  /** Where it begins in this process. Pointers that programs keep in an arena count from there. */
  get address(): bigint {
    return BigInt(this.#memory.address);
  }

  /** A view of one value of an array. Throws RangeError beyond its end. */
  value(index: number): Uint8Array {
    const count = Math.floor(this.bytes.length / this.stride);
    if (!Number.isInteger(index) || index < 0 || index >= count)
      throw new RangeError(`there are ${count} values, and none with index ${index}`);
    return this.bytes.subarray(index * this.stride, (index + 1) * this.stride);
  }

  /** Ends the sharing; a second call does nothing. */
  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function hint(map: MappedMap, number: number): string | undefined {
  if (map.type === "arena") {
    if (number === errno.EBUSY!)
      return "An arena is mapped at one place only; use the mapping that there is.";
    return undefined;
  }
  if (number === errno.EPERM! || number === errno.EACCES!)
    return "The map is frozen or for reading only; ask for a mapping that is not writable.";
  if ((map.flags & MapFlag.MMAPABLE) === 0) return "Only an array made with MapFlag.MMAPABLE can be mapped.";
  return undefined;
}

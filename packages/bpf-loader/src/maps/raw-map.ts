import { deleteBatch, type MapBatch, readBatches, writeBatch, writeSingly } from "./batch.js";
import { BPF_F_LOCK, type MapElements } from "./elements.js";
import { walkKeys } from "./walk.js";

/** How to read an element. */
export interface GetOptions {
  /** Take the value's spin lock while it is copied (BPF_F_LOCK), so that no half-written value is read. */
  readonly lock?: boolean;
}

/** How to write an element. */
export interface SetOptions extends GetOptions {
  /** `any` (the default) creates or replaces, `noexist` only creates, `exist` only replaces. */
  readonly flag?: "any" | "noexist" | "exist";
}

/** How to read many elements. */
export interface BatchOptions extends GetOptions {
  /** Elements that are read at once; by default as many as fit 64 KiB, at most 1024. */
  readonly size?: number;
}

/** How to put a value into a queue or stack. */
export interface PushOptions {
  /** Where it is full, drop the oldest value (BPF_EXIST) instead of failing with E2BIG. */
  readonly overwrite?: boolean;
}

/** BPF_ANY, BPF_NOEXIST and BPF_EXIST of include/uapi/linux/bpf.h. */
const flagNumbers = { any: 0, noexist: 1, exist: 2 } as const;

/** The number of a set's flags. */
export function setFlags(options: SetOptions | undefined): number {
  return options ? flagNumbers[options.flag ?? "any"] | (options.lock ? BPF_F_LOCK : 0) : 0;
}

/** The number of a get's flags. */
export function getFlags(options: GetOptions | undefined): number {
  return options?.lock ? BPF_F_LOCK : 0;
}

/**
 * A map's elements as bytes. The value of a per-CPU map has the values of all possible CPUs, each at a multiple of
 * 8 bytes. Keys and values of another size throw RangeError; calls that the kernel refuses throw SystemError.
 */
export class RawMap {
  readonly #elements: MapElements;

  /** @internal Made by {@link BpfMap}. */
  constructor(elements: MapElements) {
    this.#elements = elements;
  }

  /** A copy of the value, or undefined if there is none. */
  get(key: Uint8Array, options?: GetOptions): Uint8Array | undefined {
    const elements = this.#elements;
    elements.setKey(key);
    // Copied by the constructor: slice() takes three times as long.
    return elements.lookup(getFlags(options)) ? new Uint8Array(elements.value) : undefined;
  }

  /** Whether there is such a key; in a bloom filter, whether the value may have been added. */
  has(keyOrValue: Uint8Array): boolean {
    const elements = this.#elements;
    if (elements.shape.keySize === 0) elements.setValue(keyOrValue);
    else elements.setKey(keyOrValue);
    return elements.lookup(0);
  }

  /** Writes a value. Throws EEXIST or ENOENT as the flag asks, E2BIG if the map is full or has no such index. */
  set(key: Uint8Array, value: Uint8Array, options?: SetOptions): void {
    const elements = this.#elements;
    elements.setKey(key);
    elements.setValue(value);
    elements.update(setFlags(options));
  }

  /** Removes an element; false if there was none. Throws EINVAL for arrays. */
  delete(key: Uint8Array): boolean {
    this.#elements.setKey(key);
    return this.#elements.remove();
  }

  /**
   * Removes an element and gives its value; undefined if there was none. Where the kernel cannot do so at once (hash
   * maps before Linux 5.14, tries) it is read and then deleted: what somebody writes in between is lost.
   */
  take(key: Uint8Array, options?: GetOptions): Uint8Array | undefined {
    const elements = this.#elements;
    elements.setKey(key);
    return elements.take(getFlags(options)) ? new Uint8Array(elements.value) : undefined;
  }

  /** Puts a value into a queue, stack or bloom filter. Throws E2BIG if a queue or stack is full. */
  push(value: Uint8Array, options?: PushOptions): void {
    this.#elements.setValue(value);
    this.#elements.update(options?.overwrite ? flagNumbers.exist : 0);
  }

  /** Takes the next value from a queue or stack; undefined if it is empty. */
  pop(): Uint8Array | undefined {
    return this.#elements.take(0) ? new Uint8Array(this.#elements.value) : undefined;
  }

  /** The next value of a queue or stack, which stays there; undefined if it is empty. */
  peek(): Uint8Array | undefined {
    return this.#elements.lookup(0) ? new Uint8Array(this.#elements.value) : undefined;
  }

  /**
   * The keys, under the conditions of {@link batches}.
   */
  *keys(): IterableIterator<Uint8Array> {
    const { keySize, indexed } = this.#elements.shape;
    if (indexed) {
      // Not every kind of array lets its values be read.
      for (const key of walkKeys(this.#elements, false)) yield new Uint8Array(key);
      return;
    }
    for (const { count, keys } of this.batches()) {
      for (let i = 0; i < count; i++) {
        this.#elements.fd.number;
        yield keys.slice(i * keySize, (i + 1) * keySize);
      }
    }
  }

  /** Keys and values, copied, under the conditions of {@link batches}. */
  *entries(options?: BatchOptions): IterableIterator<[key: Uint8Array, value: Uint8Array]> {
    const { keySize, valueSize } = this.#elements.shape;
    for (const { count, keys, values } of this.batches(options)) {
      for (let i = 0; i < count; i++) {
        this.#elements.fd.number;
        yield [keys.slice(i * keySize, (i + 1) * keySize), values.slice(i * valueSize, (i + 1) * valueSize)];
      }
    }
  }

  /**
   * All elements, some at a time: the fastest way to read a map. The bytes of a batch are overwritten by the next.
   *
   * The walk ends, and it may be left at any time; elements may be deleted and written meanwhile. In a hash map every
   * element that is there all the time is seen once: its buckets are read one after the other, each as it then is.
   * Types without batches (LPM tries, per-CPU arrays before 5.13, ...) are walked key by key. There, once others delete
   * the very key where the walk stands, the kernel begins anew: elements may come twice, and a walk that goes far
   * beyond the map's size throws SystemError (EAGAIN).
   */
  batches(options: BatchOptions = {}): IterableIterator<MapBatch> {
    return readBatches(this.#elements, { size: options.size, take: false, flags: getFlags(options) });
  }

  /** Removes all elements and gives them, as {@link batches} does. Elements of a batch are gone when it is given. */
  takeBatches(options: BatchOptions = {}): IterableIterator<MapBatch> {
    return readBatches(this.#elements, { size: options.size, take: true, flags: getFlags(options) });
  }

  /**
   * Writes many elements, in order. It is not all or nothing: an error says how many were written.
   * @param keys the keys, one after the other
   * @param values the values, one after the other
   * @param options with a flag other than `any`, elements are written one by one
   */
  setBatch(keys: Uint8Array, values: Uint8Array, options?: SetOptions): void {
    const flags = setFlags(options);
    if ((flags & ~BPF_F_LOCK) === 0) writeBatch(this.#elements, keys, values, flags);
    else writeSingly(this.#elements, keys, values, flags);
  }

  /**
   * Deletes many elements, in order.
   * @param keys the keys, one after the other
   * @returns how many of them there were
   */
  deleteBatch(keys: Uint8Array): number {
    return deleteBatch(this.#elements, keys);
  }
}

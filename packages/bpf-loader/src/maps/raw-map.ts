import { BpfCommand, errno, type Fd, type Struct, type SystemError, tryBpf } from "@weir/syscall";
import { mapElement } from "../kernel/attributes.js";
import { bpfError } from "../kernel/call.js";

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

/** BPF_ANY, BPF_NOEXIST, BPF_EXIST and BPF_F_LOCK of include/uapi/linux/bpf.h. */
const flagNumbers = { any: 0, noexist: 1, exist: 2 } as const;
const BPF_F_LOCK = 4;

/** Sizes in bytes of what the kernel copies. */
export interface ElementShape {
  readonly name: string;
  readonly keySize: number;
  /** Of a value as lookup and update copy it: for per-CPU maps, of all CPUs' values. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Whether keys are the indexes below maxEntries. */
  readonly indexed: boolean;
}

/**
 * A map's elements as bytes. Calls reuse one prepared `union bpf_attr`, whose pointers are fixed: nothing is allocated
 * but the value that is returned.
 */
export class RawMap {
  readonly #fd: Fd;
  readonly #shape: ElementShape;
  readonly #key: Uint8Array;
  readonly #value: Uint8Array;
  readonly #attr: Struct;
  /** For deletion, which refuses an attribute with more than a key. */
  readonly #deleteAttr: Struct;
  #flags = 0;

  /** Made by {@link BpfMap}. */
  constructor(fd: Fd, shape: ElementShape) {
    this.#fd = fd;
    this.#shape = shape;
    this.#key = new Uint8Array(shape.keySize);
    this.#value = new Uint8Array(shape.valueSize);
    const key = shape.keySize > 0 ? this.#key : null;
    this.#attr = mapElement.build({ mapFd: fd.number, key, value: shape.valueSize > 0 ? this.#value : null });
    this.#deleteAttr = mapElement.build({ mapFd: fd.number, key });
  }

  /** A copy of the value, or undefined if there is none. For per-CPU maps the values of all possible CPUs, each at a multiple of 8 bytes. */
  get(key: Uint8Array, options?: GetOptions): Uint8Array | undefined {
    this.#prepare(key, options?.lock ? BPF_F_LOCK : 0);
    const result = tryBpf(BpfCommand.MAP_LOOKUP_ELEM, this.#attr);
    // Copied by the constructor: slice() takes three times as long.
    if (result >= 0) return new Uint8Array(this.#value);
    if (result === -errno.ENOENT!) return undefined;
    throw this.#error(BpfCommand.MAP_LOOKUP_ELEM, result, "look up an element of");
  }

  /** Writes a value. Throws SystemError: EEXIST or ENOENT as the flag asks, E2BIG if the map is full or has no such index. */
  set(key: Uint8Array, value: Uint8Array, options?: SetOptions): void {
    if (value.length !== this.#value.length) {
      throw new RangeError(
        `a value of map "${this.#shape.name}" has ${this.#value.length} bytes, not ${value.length}`,
      );
    }
    this.#prepare(key, flagNumbers[options?.flag ?? "any"] | (options?.lock ? BPF_F_LOCK : 0));
    this.#value.set(value);
    const result = tryBpf(BpfCommand.MAP_UPDATE_ELEM, this.#attr);
    if (result < 0) throw this.#error(BpfCommand.MAP_UPDATE_ELEM, result, "write an element of");
  }

  /** Removes an element; false if there was none. Throws SystemError, EINVAL for arrays. */
  delete(key: Uint8Array): boolean {
    this.#prepare(key, this.#flags);
    const result = tryBpf(BpfCommand.MAP_DELETE_ELEM, this.#deleteAttr);
    if (result >= 0) return true;
    if (result === -errno.ENOENT!) return false;
    throw this.#error(BpfCommand.MAP_DELETE_ELEM, result, "delete an element of");
  }

  /**
   * The keys. Deleting the key just given is safe. Where others change a hash map meanwhile, keys may be missed or
   * given twice; a walk that does not end within the map's size throws SystemError (EAGAIN).
   */
  *keys(): IterableIterator<Uint8Array> {
    if (this.#shape.indexed) return yield* this.#indexes();
    const current = new Uint8Array(this.#shape.keySize);
    const next = new Uint8Array(this.#shape.keySize);
    const attr = mapElement.build({ mapFd: this.#fd.number, value: next });
    let result = tryBpf(BpfCommand.MAP_GET_NEXT_KEY, attr);
    attr.pointer(mapElement.offset.key, current);
    for (let count = 0; result >= 0; count++) {
      if (count >= this.#shape.maxEntries) {
        throw this.#error(BpfCommand.MAP_GET_NEXT_KEY, -errno.EAGAIN!, "walk, while it changes without end,");
      }
      const key = next.slice();
      current.set(key);
      // Asked for before the caller can delete the key: the kernel starts again at the first key after a missing one.
      result = this.#fd.number >= 0 ? tryBpf(BpfCommand.MAP_GET_NEXT_KEY, attr) : 0;
      yield key;
    }
    if (result !== -errno.ENOENT!) throw this.#error(BpfCommand.MAP_GET_NEXT_KEY, result, "walk");
  }

  /** Keys and values, under the same conditions as {@link keys}; elements deleted meanwhile are left out. */
  *entries(options?: GetOptions): IterableIterator<[key: Uint8Array, value: Uint8Array]> {
    for (const key of this.keys()) {
      const value = this.get(key, options);
      if (value) yield [key, value];
    }
  }

  *#indexes(): IterableIterator<Uint8Array> {
    for (let index = 0; index < this.#shape.maxEntries; index++) {
      yield new Uint8Array(new Uint32Array([index]).buffer);
    }
  }

  #prepare(key: Uint8Array, flags: number): void {
    if (key.length !== this.#key.length) {
      throw new RangeError(
        `a key of map "${this.#shape.name}" has ${this.#key.length} bytes, not ${key.length}`,
      );
    }
    // Throws once the map is closed: its number may belong to another file by then.
    this.#fd.number;
    this.#key.set(key);
    if (flags === this.#flags) return;
    this.#attr.u32(mapElement.offset.flags, flags);
    this.#flags = flags;
  }

  #error(command: number, result: number, action: string): SystemError {
    return bpfError(command, -result, `${action} map "${this.#shape.name}"`, ["CAP_BPF"], hints[-result]);
  }
}

const hints: Readonly<Record<number, string>> = {
  [errno.E2BIG!]: "The map is full, or has no such index.",
  [errno.EAGAIN!]: "Try again.",
};

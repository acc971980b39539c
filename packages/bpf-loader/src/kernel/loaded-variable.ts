import { MemoryMap } from "@weir/syscall";
import type { BtfValue, Codec } from "../btf/codec.js";
import type { BpfMap } from "../maps/map.js";
import { MapFlag } from "../names/tables.js";
import { BpfObjectError } from "../object/error.js";

/** A global variable as it lies in its section. */
export interface VariablePlace {
  readonly name: string;
  /** Its section: ".data". */
  readonly section: string;
  /** In bytes from the start of the section. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  readonly codec: Codec;
}

const KEY = new Uint8Array(4);

/** The memory of a loaded data section, shared with the programs. */
export class LoadedSection implements Disposable {
  readonly map: BpfMap;
  /** Whether it is frozen: no one but the kernel changes it. */
  readonly frozen: boolean;
  #memory: MemoryMap | undefined;

  /** Made by {@link BpfObject.load}. */
  constructor(map: BpfMap, frozen: boolean) {
    this.map = map;
    this.frozen = frozen;
  }

  /**
   * The section's bytes, live: what programs write appears in them, and what is written to them is seen by programs.
   * @throws BpfObjectError for a section that is frozen, or cannot be mapped
   */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#mapped().buffer, 0, this.map.valueSize);
  }

  /** Some of its bytes as they are now: a copy. */
  read(offset: number, size: number): Uint8Array {
    // What cannot be mapped, and what never changes, is read by a system call.
    if (this.#memory?.mapped) return this.bytes.slice(offset, offset + size);
    if (this.frozen || !this.mapable) return this.map.raw.get(KEY)!.subarray(offset, offset + size);
    return this.bytes.slice(offset, offset + size);
  }

  /** Whether user space may map it: sections of static variables alone, which may hold locks, are not. */
  get mapable(): boolean {
    return (this.map.info.flags & MapFlag.MMAPABLE) !== 0;
  }

  /** Ends the sharing. */
  close(): void {
    this.#memory?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #mapped(): MemoryMap {
    if (this.#memory?.mapped) return this.#memory;
    const { name, fd, valueSize } = this.map;
    if (this.frozen)
      throw new BpfObjectError("BPF_VARIABLE", `section ${name} is frozen: set its variables before load`);
    if (!this.mapable) {
      throw new BpfObjectError(
        "BPF_VARIABLE",
        `section ${name} cannot be mapped into memory: all of its variables are static`,
      );
    }
    this.#memory = MemoryMap.map(fd, valueSize, { writable: true });
    return this.#memory;
  }
}

/**
 * A global variable of a loaded object, live: programs see what it is set to, and it shows what they write.
 * @typeParam T what its value is in JavaScript
 */
export class LoadedVariable<T = BtfValue> {
  readonly name: string;
  /** Its section: ".data". */
  readonly section: string;
  /** In bytes from the start of the section. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  readonly #codec: Codec<T>;
  readonly #memory: LoadedSection;

  /** Made by {@link BpfObject.load}. */
  constructor({ name, section, offset, size, codec }: VariablePlace, memory: LoadedSection) {
    this.name = name;
    this.section = section;
    this.offset = offset;
    this.size = size;
    this.#codec = codec as unknown as Codec<T>;
    this.#memory = memory;
  }

  /** Its value now, by its BTF type. Where it is larger than 8 bytes, a program may be writing to it meanwhile. */
  get(): T {
    return this.#codec.decode(this.#memory.read(this.offset, this.size));
  }

  /**
   * Gives it a value; integers of up to 8 bytes in one store.
   * @throws BpfObjectError (`BPF_VARIABLE`) if its section is read-only (`.rodata`, `.kconfig`) or cannot be mapped
   * @throws BtfValueError for a value that its type does not take
   */
  set(value: T): void {
    store(this.bytes, this.#codec.encode(value));
  }

  /** Its bytes, live: writing to them sets it. Throws like {@link set}. */
  get bytes(): Uint8Array {
    return this.#memory.bytes.subarray(this.offset, this.offset + this.size);
  }
}

/** Copies bytes in one store where they are an aligned integer, so that no program sees half of it. */
function store(target: Uint8Array, source: Uint8Array): void {
  const { buffer, byteOffset, length } = target;
  if (byteOffset % length !== 0) target.set(source);
  else if (length === 8)
    Atomics.store(
      new BigUint64Array(buffer, byteOffset, 1),
      0,
      new BigUint64Array(source.slice().buffer)[0]!,
    );
  else if (length === 4)
    Atomics.store(new Uint32Array(buffer, byteOffset, 1), 0, new Uint32Array(source.slice().buffer)[0]!);
  else if (length === 2)
    Atomics.store(new Uint16Array(buffer, byteOffset, 1), 0, new Uint16Array(source.slice().buffer)[0]!);
  else target.set(source);
}

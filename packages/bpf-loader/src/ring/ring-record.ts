import type { Codec } from "../btf/codec.js";
import type { BpfMap } from "../maps/map.js";

/** What {@link RingRecord} needs of the ring that it stands in. */
export interface RecordOwner {
  readonly map: BpfMap;
  /** The ring's data, twice one after the other, so that no record is cut. */
  readonly data: DataView;
  /** Lets the kernel use the record's place again. */
  release(): void;
}

/**
 * A record in the ring itself, nothing of it copied. It is good until it is committed, which happens by itself when the
 * handler returns or the loop goes on; after that its members throw. The same object serves for the next record.
 */
export class RingRecord {
  readonly #owner: RecordOwner;
  #offset = -1;
  #length = 0;

  /** @internal Made by {@link RingBuffer}. */
  constructor(owner: RecordOwner) {
    this.#owner = owner;
  }

  /** The map that it came through. */
  get map(): BpfMap {
    return this.#owner.map;
  }

  /** Its length in bytes. */
  get length(): number {
    this.#requireLive();
    return this.#length;
  }

  /**
   * Its bytes, where the kernel has put them. The memory is for reading only: writing to it ends the process. Once the
   * record is committed they are overwritten by others.
   */
  get data(): Uint8Array {
    this.#requireLive();
    const { buffer, byteOffset } = this.#owner.data;
    return new Uint8Array(buffer, byteOffset + this.#offset, this.#length);
  }

  /** A copy of its bytes. */
  copy(): Uint8Array {
    return new Uint8Array(this.data);
  }

  /** Reads it as a type, which keeps nothing of the ring. Throws RangeError if it is shorter than the type. */
  decode<T>(codec: Codec<T>): T {
    this.#requireLive();
    if (this.#length < codec.size)
      throw new RangeError(`a value of ${codec.size} bytes cannot be read from a record of ${this.#length}`);
    return codec.read(this.#owner.data, this.#offset);
  }

  /** Gives its place back to the kernel before its time; a second call does nothing. */
  commit(): void {
    if (this.#offset < 0) return;
    this.#offset = -1;
    this.#owner.release();
  }

  /** @internal Stands for another record from now on. */
  moveTo(offset: number, length: number): this {
    this.#offset = offset;
    this.#length = length;
    return this;
  }

  #requireLive(): void {
    if (this.#offset < 0) throw new Error("the record was committed: its bytes are no longer its own");
  }
}

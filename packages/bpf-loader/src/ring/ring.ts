import { MemoryMap, pageSize } from "@weir/syscall";
import type { BpfMap } from "../maps/map.js";
import { type RecordOwner, RingRecord } from "./ring-record.js";
import { distance, SharedPosition } from "./shared-position.js";

/** A record's header of 8 bytes: its length with two flags, and an offset that is the kernel's own. */
export const HEADER_SIZE = 8;
export const BUSY = 0x8000_0000;
export const DISCARD = 0x4000_0000;
export const LENGTH_MASK = 0x3fff_ffff;

/** Bytes that a record of a length takes in the ring. */
export function recordSpan(length: number): number {
  return (length + HEADER_SIZE + 7) & ~7;
}

/** The memory of a ring: the consumer's position; the producer's, and after it the data twice. */
export interface RingMemory {
  readonly consumer: Pick<MemoryMap, "buffer" | "mapped" | "close">;
  readonly producer: Pick<MemoryMap, "buffer" | "mapped" | "close">;
}

/**
 * One BPF_MAP_TYPE_RINGBUF as the consumer sees it: kernel/bpf/ringbuf.c. A page with the consumer's position, which is
 * ours to write; a page with the producer's; and the data, mapped twice one after the other.
 */
export class Ring implements RecordOwner, Disposable {
  readonly map: BpfMap;
  readonly data: DataView;
  readonly #memory: RingMemory;
  readonly #consumer: SharedPosition;
  readonly #producer: SharedPosition;
  readonly #headers: Uint32Array;
  readonly #mask: number;
  readonly #record = new RingRecord(this);
  /** Bytes of the record that was given and not yet released. */
  #pending = 0;

  /** @param size bytes of the data: a power of two; @param page bytes of a page, after which the data begin */
  constructor(map: BpfMap, memory: RingMemory, size: number, page: number) {
    this.map = map;
    this.#memory = memory;
    this.#mask = size - 1;
    const { buffer } = memory.producer;
    this.#consumer = new SharedPosition(memory.consumer.buffer, 0);
    this.#producer = new SharedPosition(buffer, 0);
    this.data = new DataView(buffer, page);
    this.#headers = new Uint32Array(buffer, page, size / 4);
  }

  /** Maps a ring buffer. Throws TypeError for a map of another type, SystemError. */
  static open(map: BpfMap): Ring {
    if (map.type !== "ringbuf") throw new TypeError(`map "${map.name}" is a ${map.type}, and no ringbuf`);
    const page = pageSize();
    const size = map.maxEntries;
    const consumer = MemoryMap.map(map.fd, page, { writable: true });
    try {
      const producer = MemoryMap.map(map.fd, page + 2 * size, { offset: page });
      return new Ring(map, { consumer, producer }, size, page);
    } catch (error) {
      consumer.close();
      throw error;
    }
  }

  /** Bytes that were written and not yet released, headers and discarded records included. */
  get pendingBytes(): number {
    return this.#memory.producer.mapped ? distance(this.#consumer.low, this.#producer.load()) : 0;
  }

  /** How far a reader may go that wants to come to an end: to where the producer is now. */
  get end(): number {
    return this.#producer.load();
  }

  /** The next record before `end`; undefined if there is none, or if it is still being written. */
  next(end: number): RingRecord | undefined {
    this.#record.commit();
    while (this.#memory.producer.mapped && distance(this.#consumer.low, end) > 0) {
      const offset = (this.#consumer.low & this.#mask) >>> 0;
      const header = Atomics.load(this.#headers, offset >>> 2);
      if (header >= BUSY) return undefined;
      const length = header & LENGTH_MASK;
      this.#pending = recordSpan(length);
      if ((header & DISCARD) === 0) return this.#record.moveTo(offset + HEADER_SIZE, length);
      this.release();
    }
    return undefined;
  }

  /** Releases the record that was given last. */
  release(): void {
    const bytes = this.#pending;
    this.#pending = 0;
    if (bytes > 0 && this.#memory.consumer.mapped) this.#consumer.advance(bytes);
  }

  /** Ends the current record, if there is one. */
  finish(): void {
    this.#record.commit();
  }

  close(): void {
    this.#record.commit();
    this.#memory.consumer.close();
    this.#memory.producer.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

import type { BpfMap } from "../maps/map.js";
import type { AnyMap } from "./any-map.js";
import { Flattened } from "./flattened.js";
import { Ring } from "./ring.js";
import type { RingRecord } from "./ring-record.js";
import { type LoopOptions, Wakeups } from "./wakeups.js";

/** How a {@link RingBuffer} gives records to loops. */
export interface RingBufferOptions<T> {
  /**
   * What a record becomes in asynchronous loops, which outlive it: by default a copy of its bytes. To read it as a C
   * type: `(record) => record.decode(btfCodec(btf, typeId))`.
   */
  readonly decode?: (record: RingRecord) => T;
}

/**
 * Reads BPF ring buffers (BPF_MAP_TYPE_RINGBUF, Linux 5.8): one or several, in the order of each.
 *
 * {@link consume} and {@link poll} are synchronous and give records where they lie, {@link records} does so as an
 * iterator, {@link run} calls back whenever there are some, and `for await` gives each of them decoded or copied.
 * While nobody reads, the kernel drops records once the ring is full (bpf_ringbuf_reserve gives NULL); a ring has one
 * reader. A program that submits with BPF_RB_NO_WAKEUP wakes nobody: then read by {@link consume}.
 *
 * @typeParam T what a record becomes in asynchronous loops
 */
export class RingBuffer<T = Uint8Array> implements AsyncIterable<T>, Disposable {
  readonly #rings: Ring[] = [];
  readonly #wakeups = new Wakeups();
  readonly #decode: (record: RingRecord) => T;

  private constructor(maps: readonly AnyMap[], decode: (record: RingRecord) => T) {
    this.#decode = decode;
    try {
      for (const map of maps) {
        this.#rings.push(Ring.open(map as BpfMap));
        this.#wakeups.add(map.fd);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Begins to read. The maps must stay open until this is closed.
   * @throws TypeError for a map of another type; SystemError if it cannot be mapped, EPERM if its descriptor is for
   *   reading only
   */
  static open<T = Uint8Array>(
    maps: AnyMap | readonly AnyMap[],
    options: RingBufferOptions<T> = {},
  ): RingBuffer<T> {
    const decode = options.decode ?? ((record) => record.copy() as T);
    return new RingBuffer(isList(maps) ? maps : [maps], decode);
  }

  /** Bytes that wait to be read, with their headers. */
  get pendingBytes(): number {
    return this.#rings.reduce((sum, ring) => sum + ring.pendingBytes, 0);
  }

  /**
   * Gives the records that are there now, where they lie. It comes to an end however fast others write.
   * @param handler each record is committed when it returns or throws; returning false ends the reading
   * @param maxRecords the most that are given
   * @returns how many were given; those that their program discarded do not count
   */
  consume(handler: (record: RingRecord) => unknown, maxRecords = Number.POSITIVE_INFINITY): number {
    let count = 0;
    for (const ring of this.#rings) {
      const end = ring.end;
      while (count < maxRecords) {
        const record = ring.next(end);
        if (!record) break;
        count++;
        try {
          if (handler(record) === false) return count;
        } finally {
          record.commit();
        }
      }
    }
    return count;
  }

  /** The same as an iterator: each record is committed when the loop goes on. */
  *records(): IterableIterator<RingRecord> {
    for (const ring of this.#rings) {
      const end = ring.end;
      try {
        for (let record = ring.next(end); record; record = ring.next(end)) yield record;
      } finally {
        ring.finish();
      }
    }
  }

  /**
   * Gives the records that are there, or waits for some. It stops the thread meanwhile, and so everything else in the
   * process: for tools that do nothing else.
   * @param timeoutMs the longest wait in milliseconds; -1 for ever
   * @returns how many were given
   */
  poll(timeoutMs: number, handler: (record: RingRecord) => unknown, maxRecords?: number): number {
    return this.#wakeups.poll(timeoutMs, () => this.consume(handler, maxRecords));
  }

  /**
   * Calls back for every record, now and whenever some come, until this is closed or the signal says so.
   * @param handler gets each record where it lies; returning false ends the turn, not the loop
   * @returns a promise that ends with the loop, and fails with what the handler throws
   */
  async run(handler: (record: RingRecord) => unknown, options: LoopOptions = {}): Promise<void> {
    for await (const _ of this.#wakeups.turns(options, (max) => this.consume(handler, max)));
  }

  /** Records as they come, as many as there are at a time. Leaving the loop leaves the ring open. */
  async *batches(options: LoopOptions = {}): AsyncGenerator<T[], void, undefined> {
    let batch: T[] = [];
    const collect = (record: RingRecord) => void batch.push(this.#decode(record));
    for await (const _ of this.#wakeups.turns(options, (max) => this.consume(collect, max))) {
      yield batch;
      batch = [];
    }
  }

  /** Records as they come, one by one. */
  events(options: LoopOptions = {}): AsyncIterableIterator<T> {
    return new Flattened(this.batches(options));
  }

  /** Records as they come, until this is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.events();
  }

  /** Stops reading and ends all loops; the maps stay open. A second call does nothing. */
  close(): void {
    this.#wakeups.close();
    for (const ring of this.#rings) ring.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isList(maps: AnyMap | readonly AnyMap[]): maps is readonly AnyMap[] {
  return Array.isArray(maps);
}

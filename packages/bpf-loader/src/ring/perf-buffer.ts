import { errno, onlineCpus, SystemError } from "@weir/syscall";
import type { BpfMap } from "../maps/map.js";
import type { AnyMap } from "./any-map.js";
import { Flattened } from "./flattened.js";
import type { PerfSample } from "./perf-record.js";
import { PerfRing, type PerfRingOptions } from "./perf-ring.js";
import { type LoopOptions, Wakeups } from "./wakeups.js";

/** How a {@link PerfBuffer} is set up. */
export interface PerfBufferOptions<T> {
  /** Pages of memory for each CPU: a power of two, 8 by default. */
  readonly pagesPerCpu?: number;
  /** Wake the reader after so many samples of a CPU; 1 by default. */
  readonly wakeupEvents?: number;
  /** Wake the reader after so many bytes of a CPU instead. */
  readonly wakeupBytes?: number;
  /** What a sample becomes in asynchronous loops: by default a copy of its bytes. */
  readonly decode?: (sample: PerfSample) => T;
}

/** What a {@link PerfBuffer} gives: a sample, or the number of samples that found no room on a CPU since the last. */
export type PerfEvent<T = Uint8Array> =
  | { readonly kind: "sample"; readonly cpu: number; readonly data: T }
  | { readonly kind: "lost"; readonly cpu: number; readonly count: number };

/** Takes samples where they lie, and the news of lost ones. */
export interface PerfHandlers {
  /** Gets each sample, which is good until it returns. */
  sample(sample: PerfSample): unknown;
  /** Is told how many samples found no room on a CPU since the last that did. */
  lost?(cpu: number, count: number): unknown;
}

/**
 * Reads what BPF programs write with bpf_perf_event_output: a buffer for each CPU that is online, put into a
 * BPF_MAP_TYPE_PERF_EVENT_ARRAY. It takes CAP_PERFMON. On Linux 5.8 and later a {@link RingBuffer} serves better: it
 * keeps the order across CPUs, and one memory for all of them. Buffers that the kernel writes backwards and overwrites
 * are not supported.
 *
 * @typeParam T what a sample becomes in asynchronous loops
 */
export class PerfBuffer<T = Uint8Array> implements AsyncIterable<PerfEvent<T>>, Disposable {
  readonly #map: BpfMap;
  readonly #rings: PerfRing[] = [];
  readonly #wakeups = new Wakeups();
  readonly #decode: (sample: PerfSample) => T;

  private constructor(map: BpfMap, options: PerfRingOptions, decode: (sample: PerfSample) => T) {
    this.#map = map;
    this.#decode = decode;
    try {
      for (const cpu of onlineCpus()) if (cpu < map.maxEntries) this.#add(cpu, options);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Makes the buffers and begins to take samples. The map must stay open until this is closed.
   * @throws TypeError for a map of another type; RangeError for sizes that cannot be; SystemError
   */
  static open<T = Uint8Array>(map: AnyMap, options: PerfBufferOptions<T> = {}): PerfBuffer<T> {
    if (map.type !== "perf_event_array")
      throw new TypeError(`map "${map.name}" is a ${map.type}, and no perf_event_array`);
    const { pagesPerCpu: pages = 8, wakeupEvents = 1, wakeupBytes } = options;
    if (!Number.isInteger(pages) || pages < 1 || pages > 2 ** 20 || (pages & (pages - 1)) !== 0)
      throw new RangeError(`pagesPerCpu is a power of two up to 2^20, not ${pages}`);
    const wakeup = wakeupBytes === undefined ? { events: wakeupEvents } : { bytes: wakeupBytes };
    const decode = options.decode ?? ((sample) => sample.copy() as T);
    return new PerfBuffer(map as BpfMap, { pages, wakeup }, decode);
  }

  /** The CPUs that have a buffer. */
  get cpus(): readonly number[] {
    return this.#rings.map((ring) => ring.cpu);
  }

  /**
   * Gives what is there now, CPU by CPU. It comes to an end however fast others write.
   * @param maxRecords the most that are given
   * @returns how many were given, samples and news of lost ones
   */
  consume(handlers: PerfHandlers, maxRecords = Number.POSITIVE_INFINITY): number {
    let count = 0;
    for (const ring of this.#rings) {
      const end = ring.end;
      const onSample = (sample: PerfSample) => handlers.sample(sample);
      const onLost = (lost: number) => handlers.lost?.(ring.cpu, lost);
      while (count < maxRecords && ring.next(end, onSample, onLost)) count++;
    }
    return count;
  }

  /**
   * Gives what is there, or waits for something. It stops the thread meanwhile.
   * @param timeoutMs the longest wait in milliseconds; -1 for ever
   * @returns how many were given
   */
  poll(timeoutMs: number, handlers: PerfHandlers, maxRecords?: number): number {
    return this.#wakeups.poll(timeoutMs, () => this.consume(handlers, maxRecords));
  }

  /**
   * Calls back for all that comes, until this is closed or the signal says so.
   * @returns a promise that ends with the loop, and fails with what a handler throws
   */
  async run(handlers: PerfHandlers, options: LoopOptions = {}): Promise<void> {
    for await (const _ of this.#wakeups.turns(options, (max) => this.consume(handlers, max)));
  }

  /** What comes, as much as there is at a time. Leaving the loop leaves the buffers open. */
  async *batches(options: LoopOptions = {}): AsyncGenerator<PerfEvent<T>[], void, undefined> {
    let batch: PerfEvent<T>[] = [];
    const collect: PerfHandlers = {
      sample: (sample) => batch.push({ kind: "sample", cpu: sample.cpu, data: this.#decode(sample) }),
      lost: (cpu, count) => batch.push({ kind: "lost", cpu, count }),
    };
    for await (const _ of this.#wakeups.turns(options, (max) => this.consume(collect, max))) {
      yield batch;
      batch = [];
    }
  }

  /** What comes, one by one. */
  events(options: LoopOptions = {}): AsyncIterableIterator<PerfEvent<T>> {
    return new Flattened(this.batches(options));
  }

  /** What comes, until this is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<PerfEvent<T>> {
    return this.events();
  }

  /** Ends all loops, takes the buffers out of the map and gives them up. A second call does nothing. */
  close(): void {
    this.#wakeups.close();
    for (const ring of this.#rings.splice(0)) {
      if (!this.#map.fd.closed) this.#map.delete(ring.cpu);
      ring.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #add(cpu: number, options: PerfRingOptions): void {
    let ring: PerfRing;
    try {
      ring = new PerfRing(cpu, options);
    } catch (error) {
      // It went away since the list was read.
      if (error instanceof SystemError && error.errno === errno.ENODEV) return;
      throw error;
    }
    this.#rings.push(ring);
    this.#map.set(cpu, ring);
    ring.enable();
    this.#wakeups.add(ring.fd);
  }
}

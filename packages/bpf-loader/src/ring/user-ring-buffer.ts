import { EpollEvent, MemoryMap, pageSize } from "@weir/syscall";
import type { AnyMap } from "./any-map.js";
import { BUSY, DISCARD, HEADER_SIZE, LENGTH_MASK, recordSpan } from "./ring.js";
import { distance, SharedPosition } from "./shared-position.js";
import { Wakeups } from "./wakeups.js";

/** Room in a {@link UserRingBuffer}. Programs do not get past it before it is submitted or discarded. */
export class UserRingSample implements Disposable {
  /** Where to write the record, zeroed. Once it is submitted it belongs to the program. */
  readonly data: Uint8Array;
  readonly #finish: (header: number) => void;
  #open = true;

  /** @internal Made by {@link UserRingBuffer.reserve}. */
  constructor(data: Uint8Array, finish: (header: number) => void) {
    this.data = data;
    this.#finish = finish;
  }

  /** Hands the record to the program, which reads it with bpf_user_ringbuf_drain. */
  submit(): void {
    this.#end(this.data.length);
  }

  /** Gives the room up; the program passes over it. Nothing happens after a submit. */
  discard(): void {
    if (this.#open) this.#end(this.data.length + DISCARD);
  }

  [Symbol.dispose](): void {
    this.discard();
  }

  #end(header: number): void {
    if (!this.#open) throw new Error("the record was submitted or discarded before");
    this.#open = false;
    this.#finish(header);
  }
}

/**
 * Writes records for BPF programs into a BPF_MAP_TYPE_USER_RINGBUF (Linux 6.1). Programs see them when they call
 * bpf_user_ringbuf_drain; nothing tells them. A ring has one writer.
 */
export class UserRingBuffer implements Disposable {
  readonly #consumerPage: MemoryMap;
  readonly #producerPages: MemoryMap;
  readonly #consumer: SharedPosition;
  readonly #producer: SharedPosition;
  readonly #headers: Uint32Array;
  readonly #size: number;
  readonly #page = pageSize();
  readonly #map: AnyMap;
  #wakeups: Wakeups | undefined;

  private constructor(map: AnyMap) {
    if (map.type !== "user_ringbuf")
      throw new TypeError(`map "${map.name}" is a ${map.type}, and no user_ringbuf`);
    this.#map = map;
    this.#size = map.maxEntries;
    this.#consumerPage = MemoryMap.map(map.fd, this.#page);
    try {
      this.#producerPages = MemoryMap.map(map.fd, this.#page + 2 * this.#size, {
        offset: this.#page,
        writable: true,
      });
    } catch (error) {
      this.#consumerPage.close();
      throw error;
    }
    const { buffer } = this.#producerPages;
    this.#consumer = new SharedPosition(this.#consumerPage.buffer, 0);
    this.#producer = new SharedPosition(buffer, 0);
    this.#headers = new Uint32Array(buffer, this.#page, this.#size / 4);
  }

  /** Begins to write. Throws TypeError for a map of another type; SystemError if it cannot be mapped. */
  static open(map: AnyMap): UserRingBuffer {
    return new UserRingBuffer(map);
  }

  /** Bytes that no program has drained yet, headers included. */
  get pendingBytes(): number {
    return this.#producerPages.mapped ? distance(this.#consumer.load(), this.#producer.low) : 0;
  }

  /**
   * Room for a record, or undefined where there is not enough now.
   * @param length bytes; throws RangeError if the ring could never hold them
   */
  reserve(length: number): UserRingSample | undefined {
    if (!this.#producerPages.mapped) throw new Error("the ring buffer was closed");
    const span = recordSpan(length);
    if (!Number.isInteger(length) || length < 0 || length > LENGTH_MASK || span > this.#size)
      throw new RangeError(`a ring of ${this.#size} bytes has no room for a record of ${length}`);
    if (this.#size - this.pendingBytes < span) return undefined;
    const offset = (this.#producer.low & (this.#size - 1)) >>> 0;
    const header = offset >>> 2;
    this.#headers[header + 1] = 0;
    Atomics.store(this.#headers, header, length + BUSY);
    const data = new Uint8Array(this.#producerPages.buffer, this.#page + offset + HEADER_SIZE, length);
    data.fill(0);
    this.#producer.advance(span);
    return new UserRingSample(data, (value) => {
      if (this.#producerPages.mapped) Atomics.store(this.#headers, header, value);
    });
  }

  /**
   * Room for a record, once there is enough. Programs make some when they drain the ring.
   * @param options.signal ends the waiting
   * @returns undefined once the signal or {@link close} has ended it
   */
  async waitForRoom(
    length: number,
    options: { signal?: AbortSignal } = {},
  ): Promise<UserRingSample | undefined> {
    let sample: UserRingSample | undefined;
    const attempt = () => {
      sample = this.reserve(length);
      return sample ? 1 : 0;
    };
    if (!this.#wakeups) {
      this.#wakeups = new Wakeups();
      this.#wakeups.add(this.#map.fd, EpollEvent.OUT);
    }
    for await (const _ of this.#wakeups.turns(options, attempt)) break;
    return sample;
  }

  /** Writes a record; false where there is not enough room now. Throws RangeError if there never will be. */
  write(record: Uint8Array): boolean {
    const sample = this.reserve(record.length);
    if (!sample) return false;
    sample.data.set(record);
    sample.submit();
    return true;
  }

  /** Stops writing and waiting; what was submitted stays for programs, what is still reserved holds them up. */
  close(): void {
    this.#wakeups?.close();
    this.#consumerPage.close();
    this.#producerPages.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

import { endianness } from "node:os";
import { type Fd, ioctl, MemoryMap, pageSize, perfEventOpen, Struct } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import { PerfSample } from "./perf-record.js";
import { distance, SharedPosition } from "./shared-position.js";

const PERF_TYPE_SOFTWARE = 1;
const PERF_COUNT_SW_BPF_OUTPUT = 10;
const PERF_SAMPLE_RAW = 1 << 10;
const PERF_RECORD_LOST = 2;
const PERF_RECORD_SAMPLE = 9;
const PERF_EVENT_IOC_ENABLE = 0x2400;
/** `struct perf_event_attr` up to what Linux 2.6.33 had of it (PERF_ATTR_SIZE_VER0), and bits of its flags. */
const ATTR_SIZE = 64;
const WATERMARK_BIT = 14n;
/** Places in `struct perf_event_mmap_page`. */
const DATA_HEAD = 1024;
const DATA_TAIL = 1032;

/** How the kernel fills a CPU's buffer. */
export interface PerfRingOptions {
  /** Pages of its data: a power of two. */
  readonly pages: number;
  /** Wake the reader after so many samples, or after so many bytes. */
  readonly wakeup: { readonly events: number } | { readonly bytes: number };
}

/** One CPU's buffer: a perf event that BPF programs write to, and its memory. */
export class PerfRing implements Disposable {
  readonly cpu: number;
  readonly fd: Fd;
  readonly #memory: MemoryMap;
  readonly #head: SharedPosition;
  readonly #tail: SharedPosition;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #mask: number;
  readonly #sample: PerfSample;

  constructor(cpu: number, options: PerfRingOptions) {
    this.cpu = cpu;
    this.#sample = new PerfSample(cpu);
    this.fd = openEvent(cpu, options);
    try {
      const page = pageSize();
      const size = options.pages * page;
      this.#memory = MemoryMap.map(this.fd, page + size, {
        writable: true,
        hint: () =>
          "The pages of all perf buffers are limited by kernel.perf_event_mlock_kb and RLIMIT_MEMLOCK.",
      });
      const { buffer } = this.#memory;
      this.#head = new SharedPosition(buffer, DATA_HEAD);
      this.#tail = new SharedPosition(buffer, DATA_TAIL);
      this.#bytes = new Uint8Array(buffer, page, size);
      this.#view = new DataView(buffer, page, size);
      this.#mask = size - 1;
    } catch (error) {
      this.fd.close();
      throw error;
    }
  }

  /** Begins to take samples. */
  enable(): void {
    ioctl(this.fd, PERF_EVENT_IOC_ENABLE, null, `enable the perf event of CPU ${this.cpu}`);
  }

  /** How far a reader may go that wants to come to an end. */
  get end(): number {
    return this.#head.load();
  }

  /**
   * Handles the next record before `end`; false if there is none.
   * @param onSample @param onLost what the record is handed to, before its place is given back
   */
  next(end: number, onSample: (sample: PerfSample) => void, onLost: (count: number) => void): boolean {
    while (this.#memory.mapped && distance(this.#tail.low, end) > 0) {
      const offset = (this.#tail.low & this.#mask) >>> 0;
      const type = this.#view.getUint32(offset, hostLittleEndian);
      const size = this.#view.getUint16(offset + 6, hostLittleEndian);
      if (size < 8) {
        this.#tail.advance(distance(this.#tail.low, end));
        throw new Error(`the perf buffer of CPU ${this.cpu} holds a record of ${size} bytes`);
      }
      try {
        if (type === PERF_RECORD_SAMPLE) {
          const body = this.#body(offset + 8, size - 8);
          const length = word(body, 0);
          onSample(this.#sample.moveTo(body.subarray(4, 4 + Math.min(length, body.length - 4))));
          return true;
        }
        if (type === PERF_RECORD_LOST) {
          const body = this.#body(offset + 8, size - 8);
          const count = new DataView(body.buffer, body.byteOffset, body.length);
          onLost(Number(count.getBigUint64(8, hostLittleEndian)));
          return true;
        }
      } finally {
        if (this.#memory.mapped) this.#tail.advance(size);
      }
    }
    return false;
  }

  close(): void {
    this.#memory.close();
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Bytes of the ring: where they lie, or put together where they go around its end. */
  #body(at: number, length: number): Uint8Array {
    const begin = (at & this.#mask) >>> 0;
    const { length: size } = this.#bytes;
    if (begin + length <= size) return this.#bytes.subarray(begin, begin + length);
    const whole = new Uint8Array(length);
    whole.set(this.#bytes.subarray(begin));
    whole.set(this.#bytes.subarray(0, length - (size - begin)), size - begin);
    return whole;
  }
}

function openEvent(cpu: number, { wakeup }: PerfRingOptions): Fd {
  const byBytes = "bytes" in wakeup;
  // The flags are bit-fields, which begin at the other end where bytes do.
  const flag = endianness() === "LE" ? 1n << WATERMARK_BIT : 1n << (63n - WATERMARK_BIT);
  const attr = new Struct(ATTR_SIZE)
    .u32(0, PERF_TYPE_SOFTWARE)
    .u32(4, ATTR_SIZE)
    .u64(8, PERF_COUNT_SW_BPF_OUTPUT)
    .u64(16, 1) // sample_period
    .u64(24, PERF_SAMPLE_RAW)
    .u64(40, byBytes ? flag : 0n)
    .u32(48, byBytes ? wakeup.bytes : wakeup.events);
  return perfEventOpen(attr, -1, cpu, -1, 0, `open a perf event for BPF output on CPU ${cpu}`);
}

function word(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at, hostLittleEndian);
}

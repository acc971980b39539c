import { join } from "node:path";
import { BpfMap } from "@weir/bpf-loader";
import { monotonicNow } from "@weir/syscall";
import { decodeLimitEntry, LIMIT_SIZE, type LimitEntry } from "../limit-entry.js";

/** `struct uplink` and `struct uplink_clock` of bpf/uplink.h. */
const UPLINK_SIZE = 16;
const CLOCK_SIZE = 576;

/** How many uplinks fit: UPLINKS of bpf/uplink.h has two entries for each, and slot 0 is left out. */
export const MAX_UPLINK_SLOTS = 63;

/** How far the clock is ahead at most when nothing is wrong: UPLINK_LEAD_NS of bpf/uplink.h. */
const LEAD_NS = 1n << 27n;

/** A tick of the wheel is two milliseconds, or the time of so many full packets where that is longer. */
const MIN_TICK_NS = 1n << 21n;
const TICK_BITS = 16n * 1_514n * 8n;

/** The pinned maps of uplinks: there wherever the program is. */
export class UplinkMaps implements Disposable {
  readonly #uplinks: BpfMap;
  readonly #clocks: BpfMap;
  readonly #limits: BpfMap;

  /** @param folder the folder on the BPF filesystem */
  constructor(folder: string) {
    const opened: BpfMap[] = [];
    try {
      for (const name of ["uplinks", "uplink_clocks", "limits"]) opened.push(BpfMap.open(join(folder, name)));
    } catch (error) {
      for (const map of opened) map.close();
      throw error;
    }
    [this.#uplinks, this.#clocks, this.#limits] = opened as [BpfMap, BpfMap, BpfMap];
  }

  /** What an entry's capacity is, in bits per second; 0 where it is not in use. */
  capacity(entry: number): bigint {
    const bytes = this.#uplinks.raw.get(key(entry));
    return bytes ? view(bytes).getBigUint64(0, true) : 0n;
  }

  /** Sets an entry's capacity, live; undefined lets its attachments send as their limits say. */
  setCapacity(entry: number, bitsPerSecond: bigint | undefined): void {
    const bytes = new Uint8Array(UPLINK_SIZE);
    if (bitsPerSecond !== undefined) {
      view(bytes).setBigUint64(0, bitsPerSecond, true);
      view(bytes).setUint32(8, tickShift(bitsPerSecond), true);
    }
    this.#uplinks.raw.set(key(entry), bytes);
    // What was let through at a much lower capacity would keep all of them waiting.
    const clock = this.#clocks.raw.get(key(entry));
    if (!clock) return;
    const isIdle = bitsPerSecond === undefined;
    if (isIdle || view(clock).getBigUint64(0, true) > monotonicNow() + LEAD_NS) {
      this.#clocks.raw.set(key(entry), new Uint8Array(CLOCK_SIZE));
    }
  }

  /** What is guaranteed at an uplink's entry, by the entry of the limit that says so. */
  guarantees(entry: number): Map<number, bigint> {
    const found = new Map<number, bigint>();
    for (const [index, { uplink, guaranteeBitsPerSecond }] of this.#sharing()) {
      if (uplink === entry && guaranteeBitsPerSecond !== 0n) found.set(index, guaranteeBitsPerSecond);
    }
    return found;
  }

  /** The entries of uplinks that limits name. */
  namedEntries(): Set<number> {
    return new Set([...this.#sharing()].map(([, { uplink }]) => uplink));
  }

  /** The limits that name an uplink, and their entries. */
  *#sharing(): Generator<[index: number, limit: LimitEntry]> {
    for (const { keys, values, count } of this.#limits.raw.batches()) {
      for (let i = 0; i < count; i++) {
        const limit = decodeLimitEntry(values.subarray(i * LIMIT_SIZE, (i + 1) * LIMIT_SIZE));
        if (limit.uplink !== 0) yield [view(keys).getUint32(i * 4, true), limit];
      }
    }
  }

  close(): void {
    for (const map of [this.#uplinks, this.#clocks, this.#limits]) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The length of the wheel's ticks, as the power of two of nanoseconds. */
export function tickShift(bitsPerSecond: bigint): number {
  const packets = (TICK_BITS * 1_000_000_000n) / bitsPerSecond;
  return ((packets > MIN_TICK_NS ? packets : MIN_TICK_NS) - 1n).toString(2).length;
}

function key(entry: number): Uint8Array {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, entry, true);
  return bytes;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

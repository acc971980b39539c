import type { BtfValue, Codec } from "../btf/codec.js";

const CHUNK_ELEMENTS = 1024;
const CHUNK_BYTES = 1 << 20;

/** How many elements of a size are handed to the kernel at once. */
export function chunkSize(elementSize: number): number {
  return Math.max(1, Math.min(CHUNK_ELEMENTS, Math.floor(CHUNK_BYTES / Math.max(1, elementSize))));
}

/** Keys or values that are written one after the other. */
export class Packer {
  /** How many were added since they were last taken. */
  count = 0;
  readonly #size: number;
  readonly #codec: Codec;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(size: number, capacity: number, codec: Codec) {
    this.#size = size;
    this.#codec = codec;
    this.#bytes = new Uint8Array(size * capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Writes one more. There must be room for it. */
  add(value: BtfValue): void {
    this.#codec.write(this.#view, this.count * this.#size, value);
    this.count++;
  }

  /** What was added since the last time, as bytes of its own. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.count * this.#size);
    this.#bytes.fill(0, 0, bytes.length);
    this.count = 0;
    return bytes;
  }
}

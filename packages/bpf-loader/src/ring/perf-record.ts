import type { Codec } from "../btf/codec.js";

/**
 * A sample of a {@link PerfBuffer}, where it lies. It is good until the handler returns. The kernel makes the length of
 * a sample 4 more than a multiple of 8, so up to 7 bytes follow what the program has written.
 */
export class PerfSample {
  /** The CPU that it was written on. */
  readonly cpu: number;
  #bytes: Uint8Array = new Uint8Array(0);

  /** @internal Made by {@link PerfBuffer}. */
  constructor(cpu: number) {
    this.cpu = cpu;
  }

  /** Its length in bytes, with the padding. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Its bytes, which are overwritten once the handler has returned. */
  get data(): Uint8Array {
    return this.#bytes;
  }

  /** A copy of its bytes. */
  copy(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }

  /** Reads it as a type, which keeps nothing of the buffer. Throws RangeError if it is shorter than the type. */
  decode<T>(codec: Codec<T>): T {
    return codec.decode(this.#bytes);
  }

  /** @internal Stands for other bytes from now on. */
  moveTo(bytes: Uint8Array): this {
    this.#bytes = bytes;
    return this;
  }
}

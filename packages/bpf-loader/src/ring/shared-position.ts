import { hostLittleEndian } from "../asm.js";

const LOW = hostLittleEndian ? 0 : 1;
const WORD = 2 ** 32;

/**
 * A 64-bit count of bytes that one side of a ring advances and the other reads, in memory that both share. Rings are
 * smaller than 2^32 bytes, so its low half says how far apart two positions are: no bigint is made for each record.
 */
export class SharedPosition {
  readonly #words: Uint32Array;
  readonly #whole: BigUint64Array;
  #high: number;
  #low: number;

  /** @param offset where it stands in the memory, in bytes: a multiple of 8 */
  constructor(memory: ArrayBuffer, offset: number) {
    this.#words = new Uint32Array(memory, offset, 2);
    this.#whole = new BigUint64Array(memory, offset, 1);
    const now = Atomics.load(this.#whole, 0);
    this.#high = Number(now >> 32n);
    this.#low = Number(now & 0xffff_ffffn);
  }

  /** The low half, as the other side has left it. What that side wrote before is seen after this. */
  load(): number {
    return Atomics.load(this.#words, LOW);
  }

  /** The low half, as this side has left it. */
  get low(): number {
    return this.#low;
  }

  /** Moves it on. What was read and written before is done before the other side sees it. */
  advance(bytes: number): void {
    this.#low += bytes;
    if (this.#low < WORD) {
      Atomics.store(this.#words, LOW, this.#low);
      return;
    }
    this.#low -= WORD;
    this.#high++;
    // Both halves at once: the other side must not see one without the other.
    Atomics.store(this.#whole, 0, (BigInt(this.#high) << 32n) | BigInt(this.#low));
  }
}

/** Bytes from one position to another, given their low halves. */
export function distance(from: number, to: number): number {
  return (to - from) >>> 0;
}

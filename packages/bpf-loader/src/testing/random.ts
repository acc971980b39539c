/** Numbers that look random and are the same in every run with the same seed (xorshift32). */
export class Random {
  #state: number;

  /** Takes any integer. */
  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }

  /** One of some. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const interesting = [0, 1, 2, 3, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];

/** Changes up to `most` words of some bytes: to a number near the old one, to a suspicious one, or to any. */
export function mutate(bytes: Uint8Array, random: Random, most: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let count = 1 + random.below(most); count > 0; count--) {
    const at = random.below(Math.max(1, bytes.length >> 2)) << 2;
    if (at + 4 > bytes.length) return;
    const old = view.getUint32(at, true);
    switch (random.below(5)) {
      case 0:
        view.setUint32(at, old + random.below(9) - 4, true);
        break;
      case 1:
        view.setUint32(at, random.pick(interesting), true);
        break;
      case 2:
        view.setUint32(at, old ^ (1 << random.below(32)), true);
        break;
      case 3:
        bytes[at + random.below(4)] = random.below(256);
        break;
      default:
        // Another kind with the same counts: what lies behind is then read as what it is not.
        view.setUint32(at, (old & 0x80ff_ffff) | (random.below(21) << 24), true);
    }
  }
}

import { Transform, type TransformCallback } from "node:stream";

/**
 * Passes bytes through until a marker and ends there; the marker and what follows are swallowed. It holds back only
 * bytes that may be the marker's beginning, so output appears as it is made. `complete` tells the marker's end from
 * the input's.
 */
export class MarkerStream extends Transform {
  readonly #marker: Buffer;
  #held: Buffer = Buffer.alloc(0);
  #complete = false;

  constructor(marker: string) {
    super();
    this.#marker = Buffer.from(marker);
  }

  /** Whether the marker has come. */
  get complete(): boolean {
    return this.#complete;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (!this.#complete) this.#take(chunk);
    done();
  }

  /** What was held back belongs to the output after all when the input ends without the marker. */
  override _flush(done: TransformCallback): void {
    if (this.#held.length > 0) this.push(this.#held);
    done();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const at = bytes.indexOf(this.#marker);
    this.#complete = at >= 0;
    const end = this.#complete ? at : bytes.length - this.#beginning(bytes);
    if (end > 0) this.push(bytes.subarray(0, end));
    this.#held = this.#complete ? Buffer.alloc(0) : bytes.subarray(end);
    if (this.#complete) this.push(null);
  }

  /** How many of the last bytes are the marker's first ones. */
  #beginning(bytes: Buffer): number {
    for (let length = Math.min(bytes.length, this.#marker.length - 1); length > 0; length--) {
      if (bytes.subarray(bytes.length - length).equals(this.#marker.subarray(0, length))) return length;
    }
    return 0;
  }
}

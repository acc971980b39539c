import { Transform, type TransformCallback } from "node:stream";

/**
 * Passes bytes through until a marker, which it swallows with all that follows. It holds back only bytes that may
 * be the marker's beginning, so output appears as it is made.
 */
export class MarkerStream extends Transform {
  readonly #marker: Buffer;
  readonly #markerSeen: () => void;
  #held: Buffer = Buffer.alloc(0);
  #done = false;

  /** @param markerSeen is called once, when the marker came and all before it was passed on. */
  constructor(marker: string, markerSeen: () => void) {
    super();
    this.#marker = Buffer.from(marker);
    this.#markerSeen = markerSeen;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#done) {
      done();
      return;
    }
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const at = bytes.indexOf(this.#marker);
    const end = at >= 0 ? at : bytes.length - this.#beginning(bytes);
    if (end > 0) this.push(bytes.subarray(0, end));
    this.#held = at >= 0 ? Buffer.alloc(0) : bytes.subarray(end);
    this.#done = at >= 0;
    if (this.#done) this.#markerSeen();
    done();
  }

  /** What was held back belongs to the output after all when the stream ends without the marker. */
  override _flush(done: TransformCallback): void {
    if (this.#held.length > 0) this.push(this.#held);
    done();
  }

  /** How many of the last bytes are the marker's first ones. */
  #beginning(bytes: Buffer): number {
    for (let length = Math.min(bytes.length, this.#marker.length - 1); length > 0; length--) {
      if (bytes.subarray(bytes.length - length).equals(this.#marker.subarray(0, length))) return length;
    }
    return 0;
  }
}

import { Input } from "./schema/bytes.js";
import { NetlinkDecodeError } from "./schema/errors.js";

/** No netlink datagram is larger: a length above it is not believed. */
const MAX_BUFFER = 64 << 20;
// What there must be room for behind kept bytes where nothing is known: an answer that does not fit is asked for again.
const LEAST = 8 << 10;

/**
 * Where datagrams are received, one at a time. The same bytes are used again and again, unless a decoded value keeps
 * them ({@link Input.keep}): then the next datagram comes behind them, or into a new buffer.
 */
export class ReceiveBuffer {
  /** The bytes received into, which may hold earlier datagrams too. */
  input: Input;
  /** Where the datagram starts in {@link input}. */
  start = 0;
  readonly #size: number;
  /** The bytes of the last datagram. */
  #length = 0;

  /** @param size the first size in bytes, also of the buffers after it */
  constructor(size: number) {
    this.#size = Math.max(size, 16);
    this.input = inputOf(this.#size);
  }

  /** Makes room for the next datagram, from `start` on: at least so many bytes. */
  provide(least: number): void {
    let { input } = this;
    if (input.kept) {
      this.start = (this.start + this.#length + 7) & ~7;
      input.kept = false;
    }
    this.#length = 0;
    const wanted = this.start === 0 ? least : Math.max(least, LEAST);
    if (input.bytes.length - this.start < wanted) {
      if (least > MAX_BUFFER) throw new NetlinkDecodeError(`a message claims ${least} bytes`, 0);
      input = inputOf(Math.max(this.#size, (least + 0xffff) & ~0xffff));
      this.input = input;
      this.start = 0;
    }
  }

  /** Says how long the received datagram is. @returns where it ends */
  received(length: number): number {
    this.#length = length;
    return this.start + length;
  }
}

/** The kernel writes before anything is read, so the memory need not be cleared. */
function inputOf(size: number): Input {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(size);
  return new Input(new Uint8Array(buffer, byteOffset, size));
}

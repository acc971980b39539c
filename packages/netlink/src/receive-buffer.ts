import { errno, MessageFlag, type ReceivedMessage, type Socket, SystemError } from "@weir/syscall";
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
  /** Where the last datagram starts in {@link input}. */
  start = 0;
  /** What there is to be room for where the next datagram's length is not asked for. */
  least = 0;
  readonly #socket: Pick<Socket, "receive" | "receiveMessage">;
  readonly #size: number;
  readonly #head = new Uint8Array(16);
  /** The bytes of the last datagram. */
  #length = 0;

  /** @param size the first size in bytes, also of the buffers after it */
  constructor(socket: Pick<Socket, "receive" | "receiveMessage">, size: number) {
    this.#socket = socket;
    this.#size = Math.max(size, 16);
    this.input = inputOf(this.#size);
  }

  /**
   * Receives a datagram.
   * @param flags MessageFlag.*
   * @param peek ask for its length first, so that it is never cut off
   * @returns its length; undefined where none came in time
   */
  receive(flags: number, peek: boolean): number | undefined {
    const least = peek ? this.#peek(flags) : this.least;
    if (least === undefined) return undefined;
    this.#provide(least);
    try {
      this.#length = this.#socket.receive(this.input.bytes, flags | MessageFlag.TRUNC, this.start);
      return this.#length;
    } catch (error) {
      if (isNothing(error)) return undefined;
      throw error;
    }
  }

  /** Receives a datagram with its ancillary data. @returns undefined where there is none */
  receiveMessage(flags: number, control: Uint8Array): ReceivedMessage | undefined {
    const least = this.#peek(flags);
    if (least === undefined) return undefined;
    this.#provide(least);
    const room = this.input.bytes.subarray(this.start);
    const received = this.#socket.receiveMessage(room, { flags, control });
    this.#length = received?.length ?? 0;
    return received;
  }

  /** Whether a datagram was longer than the room that it was received into; next time there is enough. */
  truncated(length: number): boolean {
    if (length <= this.input.bytes.length - this.start) return false;
    this.#length = 0;
    this.#provide(length);
    return true;
  }

  /** The next datagram's length. */
  #peek(flags: number): number | undefined {
    try {
      return this.#socket.receive(this.#head, flags | MessageFlag.PEEK | MessageFlag.TRUNC);
    } catch (error) {
      if (isNothing(error)) return undefined;
      throw error;
    }
  }

  /** Makes room for the next datagram, from `start` on: at least so many bytes. */
  #provide(least: number): void {
    const { input } = this;
    if (input.kept) {
      this.start = (this.start + this.#length + 7) & ~7;
      input.kept = false;
    }
    this.#length = 0;
    const wanted = this.start === 0 ? least : Math.max(least, LEAST);
    if (input.bytes.length - this.start >= wanted) return;
    if (least > MAX_BUFFER) throw new NetlinkDecodeError(`a message claims ${least} bytes`, 0);
    this.input = inputOf(Math.max(this.#size, (least + 0xffff) & ~0xffff));
    this.start = 0;
  }
}

/** The kernel writes before anything is read, so the memory need not be cleared. */
function inputOf(size: number): Input {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(size);
  return new Input(new Uint8Array(buffer, byteOffset, size));
}

function isNothing(error: unknown): boolean {
  return error instanceof SystemError && error.errno === errno.EAGAIN;
}

import { NetlinkEncodeError } from "./errors.js";

/** Whether this machine stores the low byte first: netlink speaks the host's byte order. */
export const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Bytes to decode from, with the view that reads numbers out of them. */
export class Input {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Whether somebody means to read the bytes later: see {@link keep}. */
  kept = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * Says that a decoded value reads these bytes later, in place of a copy: a socket that received them does not
   * write over them. The bytes live as long as the value.
   */
  keep(): this {
    this.kept = true;
    return this;
  }
}

/** A netlink message is never larger than this here: far above what the kernel takes in one message. */
const MAX_OUTPUT = 16 << 20;

/** A buffer to encode into, which grows. Its unwritten bytes are zero. */
export class Output {
  bytes: Uint8Array;
  view: DataView;
  /** Bytes written so far. */
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `size` zero bytes and gives their offset. */
  reserve(size: number): number {
    const offset = this.length;
    const end = offset + size;
    if (end > this.bytes.length) this.#grow(end);
    this.length = end;
    return offset;
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    const offset = this.reserve(bytes.length); // first, since it may replace the buffer
    this.bytes.set(bytes, offset);
  }

  /** Pads to a multiple of four bytes, as NLMSG_ALIGN and NLA_ALIGN do. */
  align(): void {
    const odd = this.length & 3;
    if (odd) this.reserve(4 - odd);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Forgets what was written, and keeps the buffer. */
  clear(): void {
    this.bytes.fill(0, 0, this.length);
    this.length = 0;
  }

  #grow(end: number): void {
    if (end > MAX_OUTPUT) throw new NetlinkEncodeError(`a message of more than ${MAX_OUTPUT} bytes`);
    const bytes = new Uint8Array(Math.max(end, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}

import { ControlType, type MessageView, messageAt } from "./message.js";
import { NetlinkDumpInterruptedError, type NetlinkError } from "./netlink-error.js";
import type { NetlinkRequest } from "./request.js";
import { Input } from "./schema/bytes.js";

/** How a dump is read. */
export interface DumpOptions {
  /**
   * Read the whole table before the first entry is given out, and ask again where it changed meanwhile
   * (NLM_F_DUMP_INTR), up to {@link attempts} times. Otherwise entries are given out as they arrive, in constant
   * memory, and where the table changed, a NetlinkDumpInterruptedError follows the last of them. Default true.
   */
  readonly consistent?: boolean;
  /** How often to ask before a NetlinkDumpInterruptedError; default 8. */
  readonly attempts?: number;
  /** Says from a message's raw bytes whether its entry is wanted: cheaper than decoding it first. */
  readonly select?: (input: Input, message: MessageView) => boolean;
}

/** A received piece of a dump. */
export interface DumpChunk {
  /** Bytes to read, of which `length` count; they belong to the socket and are overwritten by its next receive. */
  readonly input: Input;
  readonly length: number;
  readonly sequence: number;
  readonly interrupted: boolean;
  readonly done: boolean;
  readonly error: NetlinkError | undefined;
}

/** Where a dump stands: what was received and not read yet. */
export class DumpReader {
  /** Whether the kernel said that the table changed. */
  interrupted = false;
  /** Why the dump failed; known when the last chunk has been received. */
  error: unknown;
  /** The chunk being read. */
  current: DumpChunk | undefined;
  readonly #waiting: DumpChunk[] = [];
  readonly #receive: () => DumpChunk;
  #done = false;

  constructor(receive: () => DumpChunk) {
    this.#receive = receive;
  }

  /** Goes on to the next chunk. @returns false after the last one */
  next(): boolean {
    this.current = this.#waiting.shift() ?? (this.#done ? undefined : this.#pull());
    return this.current !== undefined;
  }

  /** Receives the rest into memory, so that the socket is free for another request. Never throws. */
  finish(): void {
    if (this.#done) return;
    if (this.current) this.current = copy(this.current);
    while (!this.#done) {
      const chunk = this.#pull();
      if (chunk) this.#waiting.push(copy(chunk));
    }
  }

  /** Receives the rest and forgets it. Never throws. */
  abandon(): void {
    this.#waiting.length = 0;
    while (!this.#done) this.#pull();
  }

  #pull(): DumpChunk | undefined {
    try {
      const chunk = this.#receive();
      this.interrupted ||= chunk.interrupted;
      if (chunk.done) this.#done = true;
      if (chunk.error) this.error = chunk.error;
      return chunk;
    } catch (error) {
      this.#done = true;
      this.error = error;
      return undefined;
    }
  }
}

function copy(chunk: DumpChunk): DumpChunk {
  return { ...chunk, input: new Input(chunk.input.bytes.slice(0, chunk.length)) };
}

/** An iterable that asks for the dump anew each time it is iterated. */
export function dumpOf<Out>(
  request: NetlinkRequest,
  start: () => DumpReader,
  decode: (input: Input, message: MessageView) => Out,
  options: DumpOptions,
): Iterable<Out> {
  const { consistent = true, attempts = 8, select } = options;
  function* entries(reader: DumpReader): Generator<Out> {
    while (reader.next()) {
      const { length, sequence } = reader.current as DumpChunk;
      for (let at = 0; at < length; ) {
        // The chunk is looked up each time: another request may have moved it out of the socket's buffer.
        const { input } = reader.current as DumpChunk;
        const message = messageAt(input, at, length);
        at = message.next;
        if (message.type <= ControlType.OVERRUN || message.sequence !== sequence) continue;
        if (select && !select(input, message)) continue;
        yield decode(input, message);
      }
    }
    if (reader.error !== undefined) throw reader.error;
  }
  return {
    *[Symbol.iterator](): Generator<Out> {
      for (let attempt = 1; ; attempt++) {
        const reader = start();
        try {
          if (consistent) {
            reader.finish();
            if (reader.interrupted && reader.error === undefined) {
              if (attempt < attempts) continue;
              throw new NetlinkDumpInterruptedError(request, attempts, [...entries(reader)]);
            }
          }
          yield* entries(reader);
          if (reader.interrupted) throw new NetlinkDumpInterruptedError(request, 1, []);
          return;
        } finally {
          reader.abandon();
        }
      }
    },
  };
}

import { ControlType, MESSAGE_HEADER, MessageFlags, type MessageView, messageAt } from "./message.js";
import {
  type Acknowledgement,
  NetlinkDumpInterruptedError,
  NetlinkError,
  readAcknowledgement,
  readDone,
} from "./netlink-error.js";
import type { NetlinkRequest } from "./request.js";
import { type Input, littleEndian } from "./schema/bytes.js";

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
  /** What was received, in bytes `start` to `end`: overwritten by the socket's next receive unless they are kept. */
  readonly input: Input;
  readonly start: number;
  readonly end: number;
  readonly sequence: number;
  readonly interrupted: boolean;
  readonly done: boolean;
  readonly error: NetlinkError | undefined;
}

/** What a datagram holds of a dump; undefined where nothing in it is of that dump. */
export function chunkOf(
  request: NetlinkRequest,
  input: Input,
  start: number,
  end: number,
  sequence: number,
  port: number,
): DumpChunk | undefined {
  const { view } = input;
  let ours = false;
  let interrupted = false;
  let done: Acknowledgement | undefined;
  for (let at = start; at < end; ) {
    const size = end - at < MESSAGE_HEADER ? 0 : view.getUint32(at, littleEndian);
    const type = size < MESSAGE_HEADER ? 0 : view.getUint16(at + 4, littleEndian);
    if (type > ControlType.OVERRUN && size <= end - at) {
      // Without an object for each message: a dump has millions.
      if (
        view.getUint32(at + 8, littleEndian) === sequence &&
        view.getUint32(at + 12, littleEndian) === port
      ) {
        ours = true;
        if (view.getUint16(at + 6, littleEndian) & MessageFlags.DUMP_INTR) interrupted = true;
      }
      at += (size + 3) & ~3;
      continue;
    }
    const message = messageAt(input, at, end);
    at = message.next;
    if (message.sequence !== sequence || message.port !== port) continue;
    ours = true;
    if (message.flags & MessageFlags.DUMP_INTR) interrupted = true;
    if (type === ControlType.DONE) done = readDone(input, message);
    else if (type === ControlType.ERROR) done = readAcknowledgement(input, message);
  }
  if (!ours) return undefined;
  const error = done?.errno ? new NetlinkError({ request, ...done }) : undefined;
  return { input, start, end, sequence, interrupted, done: done !== undefined, error };
}

/** Where a dump stands: what was received and not read yet. */
export class DumpReader {
  /** Whether the kernel said that the table changed. */
  interrupted = false;
  /** Why the dump failed; known when the last chunk has been received. */
  error: unknown;
  readonly #waiting: DumpChunk[] = [];
  readonly #receive: () => DumpChunk;
  #done = false;

  constructor(receive: () => DumpChunk) {
    this.#receive = receive;
  }

  /** The next chunk; undefined after the last one. */
  next(): DumpChunk | undefined {
    return this.#waiting.shift() ?? (this.#done ? undefined : this.#pull());
  }

  /** Receives the rest into memory, so that the socket is free for another request. Never throws. */
  finish(): void {
    if (this.#done) return;
    while (!this.#done) {
      const chunk = this.#pull();
      chunk?.input.keep();
      if (chunk) this.#waiting.push(chunk);
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

/**
 * A dump's entries in arrays, as many as were received at a time. Each iteration asks anew.
 * @param guard runs what decodes, during which the socket takes no request
 */
export function dumpPieces<Out>(
  request: NetlinkRequest,
  start: () => DumpReader,
  decode: (input: Input, message: MessageView) => Out,
  options: DumpOptions,
  guard: (work: () => void) => void = (work) => work(),
): Iterable<Out[]> {
  const { consistent = true, attempts = 8, select } = options;
  const entries = (chunk: DumpChunk, into: Out[]) => {
    const { input, end, sequence } = chunk;
    for (let at = chunk.start; at < end; ) {
      const message = messageAt(input, at, end);
      at = message.next;
      if (message.type <= ControlType.OVERRUN || message.sequence !== sequence) continue;
      if (select === undefined || select(input, message)) into.push(decode(input, message));
    }
  };
  function* pieces(reader: DumpReader): Generator<Out[]> {
    for (let chunk = reader.next(); chunk; chunk = reader.next()) {
      const one = chunk;
      const into: Out[] = [];
      let failure: { error: unknown } | undefined;
      try {
        guard(() => entries(one, into));
      } catch (error) {
        failure = { error };
      }
      if (into.length > 0) yield into;
      if (failure) throw failure.error;
    }
    if (reader.error !== undefined) throw reader.error;
  }
  return {
    *[Symbol.iterator](): Generator<Out[]> {
      for (let attempt = 1; ; attempt++) {
        const reader = start();
        try {
          if (consistent) {
            reader.finish();
            if (reader.interrupted && reader.error === undefined) {
              if (attempt < attempts) continue;
              throw new NetlinkDumpInterruptedError(request, attempts, [...pieces(reader)].flat());
            }
          }
          yield* pieces(reader);
          if (reader.interrupted) throw new NetlinkDumpInterruptedError(request, 1, []);
          return;
        } finally {
          reader.abandon();
        }
      }
    },
  };
}

/** An iterable of the entries of {@link dumpPieces}. */
export function dumpOf<Out>(pieces: Iterable<Out[]>): Iterable<Out> {
  return {
    *[Symbol.iterator](): Generator<Out> {
      for (const piece of pieces)
        for (let index = 0; index < piece.length; index++) yield piece[index] as Out;
    },
  };
}

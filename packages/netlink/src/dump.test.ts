import { test } from "uvu";
import * as assert from "uvu/assert";
import { type DumpChunk, type DumpOptions, DumpReader, dumpOf, dumpPieces } from "./dump.js";
import { frame, MessageFlags } from "./message.js";
import { NetlinkDumpInterruptedError, NetlinkError } from "./netlink-error.js";
import { Input } from "./schema/index.js";

const request = { operation: "RTM_GETLINK", action: "read the links", type: 18, body: new Uint8Array(16) };
const SEQUENCE = 7;

/** A piece of a dump whose entries are single bytes. */
function chunk(entries: number[], options: Partial<DumpChunk> = {}): DumpChunk {
  const messages = entries.map((entry) => frame(16, MessageFlags.MULTI, SEQUENCE, Uint8Array.of(entry)));
  const bytes = new Uint8Array(Buffer.concat(messages));
  const plain = { interrupted: false, done: false, error: undefined };
  return { input: new Input(bytes), start: 0, end: bytes.length, sequence: SEQUENCE, ...plain, ...options };
}

/** A dump that takes each attempt's pieces from a script, and counts what was received. */
function scripted(attempts: DumpChunk[][], options: DumpOptions = {}) {
  const state = { attempts: 0, received: 0, readers: [] as DumpReader[] };
  const pieces = dumpPieces(
    request,
    () => {
      const left = attempts[state.attempts++]?.slice() ?? [];
      const reader = new DumpReader(() => {
        const next = left.shift();
        if (!next) throw new Error("received beyond the end");
        state.received++;
        return next;
      });
      state.readers.push(reader);
      return reader;
    },
    (input, message) => input.bytes[message.start] as number,
    options,
  );
  return { dump: dumpOf(pieces), pieces, state };
}

const end = { done: true };

test("an interrupted dump is read again until it is not", () => {
  const { dump, state } = scripted([
    [chunk([1], { interrupted: true }), chunk([2], end)],
    [chunk([1]), chunk([2], { ...end, interrupted: true })],
    [chunk([1, 3]), chunk([2], end)],
  ]);
  assert.equal([...dump], [1, 3, 2]);
  assert.is(state.attempts, 3);
});

test("a dump that is interrupted every time ends in an error that has what was read", () => {
  const attempt = [chunk([1], { interrupted: true }), chunk([2], end)];
  const { dump, state } = scripted([attempt, attempt, attempt], { attempts: 2 });
  assert.throws(
    () => [...dump],
    (error: NetlinkDumpInterruptedError) =>
      error instanceof NetlinkDumpInterruptedError && error.partial.length === 2 && error.partial[0] === 1,
  );
  assert.is(state.attempts, 2);
});

test("a streamed dump gives everything out before it says that it was interrupted", () => {
  const pieces = [chunk([1], { interrupted: true }), chunk([2], end)];
  const { dump, state } = scripted([pieces], { consistent: false });
  const seen: number[] = [];
  assert.throws(() => {
    for (const entry of dump) seen.push(entry);
  }, /part of it was given out already/);
  assert.equal(seen, [1, 2]);
  assert.is(state.attempts, 1);
});

test("a streamed dump is received piece by piece, and an early break drains it", () => {
  const { dump, state } = scripted([[chunk([1, 2]), chunk([3]), chunk([4], end)]], { consistent: false });
  for (const entry of dump) {
    assert.is(state.received, entry < 3 ? 1 : 2);
    if (entry === 3) break;
  }
  assert.is(state.received, 3);
});

test("a dump goes on from memory after another request has taken the socket's buffer", () => {
  const first = chunk([1, 2]);
  const { dump, state } = scripted([[first, chunk([3]), chunk([4], end)]], { consistent: false });
  const seen: number[] = [];
  for (const entry of dump) {
    seen.push(entry);
    if (entry !== 1) continue;
    state.readers[0]?.finish();
    first.input.bytes.fill(0xff);
  }
  assert.equal(seen, [1, 2, 3, 4]);
});

test("a dump's failure is thrown after what came before it, also when another request met it", () => {
  const error = new NetlinkError({ request, errno: 12 });
  for (const consistent of [true, false]) {
    const { dump, state } = scripted([[chunk([1]), chunk([], { ...end, error })]], { consistent });
    const seen: number[] = [];
    assert.throws(
      () => {
        for (const entry of dump) {
          seen.push(entry);
          state.readers[0]?.finish();
        }
      },
      (thrown: unknown) => thrown === error,
    );
    assert.equal(seen, [1]);
  }
});

test("pieces are what was received at a time, and leaving them early drains the dump as well", () => {
  const { pieces, state } = scripted([[chunk([1, 2]), chunk([]), chunk([3]), chunk([4], end)]], {
    consistent: false,
    select: (input, message) => input.bytes[message.start] !== 2,
  });
  const seen: number[][] = [];
  for (const piece of pieces) {
    seen.push(piece);
    if (piece.includes(3)) break;
  }
  assert.equal(seen, [[1], [3]]);
  assert.is(state.received, 4);
});

test("each iteration asks anew", () => {
  const { dump, state } = scripted([[chunk([1], end)], [chunk([2], end)]]);
  assert.equal([...dump], [1]);
  assert.equal([...dump], [2]);
  assert.is(state.attempts, 2);
});

test.run();

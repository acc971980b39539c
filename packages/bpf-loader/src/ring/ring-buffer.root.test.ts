import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfMap, btfCodec, type LoadedObject, RingBuffer, type RingRecord } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { temporaryBpffs } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("RingBuffer");
const packet = { data: new Uint8Array(64) };

interface Event {
  sequence: number;
  cpu: number;
  size: bigint;
}

/** The rings, and programs that write to them. */
function load(variables: { records?: number; payload?: number } = {}): LoadedObject {
  const object = parseFixture("rings");
  for (const [name, value] of Object.entries(variables)) object.variable(name).set(value);
  return object.load({ programs: ["emit", "emit_second", "emit_some"] });
}

const sequence = (record: RingRecord) => new DataView(record.copy().buffer).getUint32(0, true);

test("records are given where they lie, in order, and none twice", () => {
  using loaded = load({ records: 3, payload: 5 });
  using ring = RingBuffer.open(loaded.map("ring"));
  assert.is(
    ring.consume(() => assert.unreachable()),
    0,
  );
  loaded.program("emit").testRun(packet);
  assert.is(ring.pendingBytes, 3 * 32);
  const seen: [number, number, number][] = [];
  assert.is(
    ring.consume((record) => seen.push([sequence(record), record.length, record.data[16]!])),
    3,
  );
  assert.equal(seen, [
    [0, 21, 0],
    [1, 21, 1],
    [2, 21, 2],
  ]);
  assert.is(ring.pendingBytes, 0);
  assert.is(
    ring.consume(() => assert.unreachable()),
    0,
  );
});

test("a record that goes around the end of the ring is whole", () => {
  using loaded = load({ records: 7, payload: 500 });
  using ring = RingBuffer.open(loaded.map("ring"));
  let next = 0;
  for (let round = 0; round < 20; round++) {
    loaded.program("emit").testRun(packet);
    ring.consume((record) => {
      assert.is(record.length, 516);
      assert.is(sequence(record), next);
      assert.equal(record.data.subarray(16, 32), new Uint8Array(16).fill(next++));
    });
  }
  assert.is(next, 140);
});

test("a full ring drops records, and takes them again once some are read", () => {
  using loaded = load({ records: 10, payload: 1000 });
  using ring = RingBuffer.open(loaded.map("ring"));
  loaded.program("emit").testRun(packet);
  const first: number[] = [];
  ring.consume((record) => first.push(sequence(record)));
  assert.equal(first, [0, 1, 2]);
  loaded.program("emit").testRun(packet);
  assert.is(
    ring.consume((record) => assert.ok(sequence(record) >= 10)),
    3,
  );
});

test("records that their program discarded are passed over and make room", () => {
  using loaded = load({ records: 9 });
  using ring = RingBuffer.open(loaded.map("ring"));
  loaded.program("emit_some").testRun(packet);
  const seen: number[] = [];
  assert.is(
    ring.consume((record) => seen.push(sequence(record))),
    5,
  );
  assert.equal(seen, [0, 2, 4, 6, 8]);
  assert.is(ring.pendingBytes, 0);
});

test("a reader takes as many as it wants, and the rest later", () => {
  using loaded = load({ records: 10 });
  using ring = RingBuffer.open(loaded.map("ring"));
  loaded.program("emit").testRun(packet);
  const seen: number[] = [];
  assert.is(
    ring.consume((record) => seen.push(sequence(record)), 4),
    4,
  );
  assert.is(
    ring.consume((record) => seen.push(sequence(record)) < 6),
    2,
  );
  assert.throws(
    () =>
      ring.consume(() => {
        throw new Error("enough");
      }),
    /enough/,
  );
  ring.consume((record) => seen.push(sequence(record)));
  assert.equal(seen, [0, 1, 2, 3, 4, 5, 7, 8, 9], "the record whose handler threw is not given again");
});

test("records of an iterator are good until the next, or until they are committed", () => {
  using loaded = load({ records: 4 });
  using ring = RingBuffer.open(loaded.map("ring"));
  loaded.program("emit").testRun(packet);
  let kept: RingRecord | undefined;
  for (const record of ring.records()) {
    assert.is(record.map, loaded.map("ring"));
    if (sequence(record) === 1) {
      record.commit();
      record.commit();
      assert.is(ring.pendingBytes, 2 * 24);
      assert.throws(() => record.data, /was committed/);
    }
    kept = record;
    if (ring.pendingBytes === 24) break;
  }
  assert.throws(() => kept!.length, /was committed/);
  assert.is(ring.pendingBytes, 0, "leaving the loop commits what it was given");
});

test("records are read as C types", () => {
  const object = parseFixture("rings");
  using loaded = load();
  const { btf } = object;
  const codec = btfCodec<Event>(btf!, btf!.find("event", "struct")!.id);
  using ring = RingBuffer.open(loaded.map("ring"));
  loaded.program("emit").testRun(packet);
  ring.consume((record) => {
    const event = record.decode(codec);
    assert.is(event.sequence, 0);
    assert.is(event.size, 0n);
    assert.instance(
      thrown(() => record.decode({ ...codec, size: 17 })),
      RangeError,
    );
  });
});

test("several rings are read as one", () => {
  using loaded = load({ records: 2 });
  using ring = RingBuffer.open([loaded.map("ring"), loaded.map("second")]);
  loaded.program("emit_second").testRun(packet);
  loaded.program("emit").testRun(packet);
  const seen: string[] = [];
  ring.consume((record) => seen.push(`${record.map.name} ${sequence(record)}`));
  assert.equal(seen, ["ring 1", "ring 2", "second 0"]);
});

test("a poll gives what is there, and nothing after its time", () => {
  using loaded = load({ records: 2 });
  using ring = RingBuffer.open(loaded.map("ring"));
  assert.is(
    ring.poll(1, () => {}),
    0,
  );
  loaded.program("emit").testRun(packet);
  assert.is(
    ring.poll(-1, () => {}),
    2,
  );
  assert.is(
    ring.poll(0, () => {}),
    0,
  );
});

test("a loop waits for records, gives them their turn with other work, and ends when the ring is closed", async () => {
  using loaded = load({ records: 50 });
  using ring = RingBuffer.open(loaded.map("ring"), { decode: sequence });
  const seen: number[] = [];
  let rounds = 0;
  const emit = () => {
    loaded.program("emit").testRun(packet);
    if (++rounds < 5) setImmediate(emit);
  };
  setImmediate(emit);
  for await (const event of ring) {
    seen.push(event);
    if (seen.length === 250) ring.close();
  }
  assert.equal(
    seen,
    Array.from({ length: 250 }, (_, i) => i),
  );
});

test("no record and no wake-up is lost while another thread writes", async () => {
  const object = parseFixture("rings");
  object.map("ring").maxEntries = 1 << 20;
  object.variable("records").set(3);
  using loaded = object.load({ programs: ["emit"] });
  using bpffs = temporaryBpffs();
  const path = join(bpffs.path, "emit");
  loaded.program("emit").pin(path);
  const rounds = 2000;
  const worker = new Worker(new URL("../testing/run-pinned.js", import.meta.url), {
    workerData: { path, rounds },
  });
  const ended = new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
  using ring = RingBuffer.open(loaded.map("ring"), { decode: sequence });
  let next = 0;
  for await (const event of ring) {
    assert.is(event, next++);
    if (next === 3 * rounds) break;
  }
  assert.is(await ended, 0);
  assert.is(ring.pendingBytes, 0);
});

test("a signal ends a loop and leaves the rest to the next", async () => {
  using loaded = load({ records: 3 });
  using ring = RingBuffer.open(loaded.map("ring"));
  const controller = new AbortController();
  const ended = (async () => {
    let count = 0;
    for await (const batch of ring.batches({ signal: controller.signal, maxRecords: 2 })) {
      assert.ok(batch.length <= 2);
      count += batch.length;
      if (count === 3) setImmediate(() => controller.abort());
    }
    return count;
  })();
  loaded.program("emit").testRun(packet);
  assert.is(await ended, 3);
  loaded.program("emit").testRun(packet);
  for await (const copy of ring.events({ signal: controller.signal })) assert.unreachable(`${copy}`);
  for await (const copy of ring) {
    assert.is(copy.length, 16);
    break;
  }
  assert.is(ring.pendingBytes, 0, "the first turn had taken all three");
});

test("a callback gets records as they come; what it throws ends the loop", async () => {
  using loaded = load({ records: 3 });
  using ring = RingBuffer.open(loaded.map("ring"));
  const seen: number[] = [];
  const running = ring.run((record) => {
    seen.push(sequence(record));
    if (seen.length === 4) throw new Error("enough");
  });
  await thrownBy(
    ring.run(() => {}),
    /another loop/,
  );
  setImmediate(() => loaded.program("emit").testRun(packet));
  setTimeout(() => loaded.program("emit").testRun(packet), 1);
  await thrownBy(running, /enough/);
  assert.equal(seen, [0, 1, 2, 3]);
  const rest: number[] = [];
  ring.consume((record) => rest.push(sequence(record)));
  assert.equal(rest, [4, 5]);
});

test("a ring that is closed in the middle of its records gives no more, and never ends the process", () => {
  using loaded = load({ records: 3 });
  const ring = RingBuffer.open(loaded.map("ring"));
  loaded.program("emit").testRun(packet);
  let view: Uint8Array | undefined;
  const count = ring.consume((record) => {
    view = record.data;
    ring.close();
    ring.close();
  });
  assert.is(count, 1);
  assert.equal(view, new Uint8Array(16));
  assert.is(
    ring.consume(() => assert.unreachable()),
    0,
  );
  assert.equal([...ring.records()], []);
  assert.is(
    ring.poll(-1, () => {}),
    0,
  );
  assert.is(ring.pendingBytes, 0);
});

test("another type of map is refused", () => {
  using map = BpfMap.create({ name: "a", type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
  assert.throws(() => RingBuffer.open(map), /map "a" is a array, and no ringbuf/);
  assert.throws(
    () => BpfMap.create({ type: "ringbuf", keySize: 0, valueSize: 0, maxEntries: 100 }),
    /power of two and a multiple of the page size/,
  );
});

async function thrownBy(work: Promise<unknown>, expected: RegExp): Promise<void> {
  try {
    await work;
  } catch (error) {
    assert.match((error as Error).message, expected);
    return;
  }
  assert.unreachable("nothing was thrown");
}

test.run();

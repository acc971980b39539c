import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfMap, type LoadedObject, NotSupportedError, UserRingBuffer } from "../index.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith, testWithout } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("UserRingBuffer");
const packet = { data: new Uint8Array(64) };
const u64 = (value: number) => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);

function load(): LoadedObject {
  return parseFixture("rings").load({ programs: ["drain"] });
}

function sum(loaded: LoadedObject): number {
  const { offset } = parseFixture("rings").variable("sum");
  using memory = loaded.map(".bss").mmap();
  return Number(memory.view.getBigUint64(offset, true));
}

testWith(
  test,
  needs.userRingBuffer,
  "a program reads what was submitted, in order, and not what was discarded",
  () => {
    using loaded = load();
    using ring = UserRingBuffer.open(loaded.map("commands"));
    const drain = () => loaded.program("drain").testRun(packet).returnValue;
    assert.is(drain(), 0);
    assert.ok(ring.write(u64(5)));
    assert.is(ring.pendingBytes, 16);
    const sample = ring.reserve(8)!;
    sample.data.set(u64(7));
    assert.is(drain(), 1, "what is reserved holds up what comes after");
    sample.submit();
    assert.throws(() => sample.submit(), /submitted or discarded before/);
    ring.reserve(8)!.discard();
    {
      using given = ring.reserve(8);
      given!.data.set(u64(1000));
    }
    ring.write(u64(30));
    assert.is(drain(), 2);
    assert.is(sum(loaded), 42);
    assert.is(ring.pendingBytes, 0);
  },
);

testWith(
  test,
  needs.userRingBuffer,
  "a full ring takes no more until it is drained, and goes around its end",
  () => {
    using loaded = load();
    using ring = UserRingBuffer.open(loaded.map("commands"));
    let written = 0;
    for (let round = 0; round < 5; round++) {
      let count = 0;
      while (ring.write(new Uint8Array([1, ...new Uint8Array(23)]))) count++;
      assert.is(count, 128);
      written += count;
      loaded.program("drain").testRun(packet);
      assert.is(sum(loaded), written);
    }
    assert.instance(
      thrown(() => ring.reserve(4096)),
      RangeError,
    );
    assert.instance(
      thrown(() => ring.reserve(-1)),
      RangeError,
    );
    ring.close();
    assert.throws(() => ring.reserve(8), /was closed/);
  },
);

testWith(test, needs.userRingBuffer, "a writer waits until a program has made room", async () => {
  using loaded = load();
  using ring = UserRingBuffer.open(loaded.map("commands"));
  while (ring.write(new Uint8Array(1000)));
  let waited = false;
  const waiting = ring.waitForRoom(1000);
  setImmediate(() => {
    waited = true;
    loaded.program("drain").testRun(packet);
  });
  const sample = await waiting;
  assert.ok(waited);
  sample!.submit();
  const controller = new AbortController();
  while (ring.write(new Uint8Array(1000)));
  const aborted = ring.waitForRoom(1000, { signal: controller.signal });
  setImmediate(() => controller.abort());
  assert.is(await aborted, undefined);
  const closed = ring.waitForRoom(1000);
  setImmediate(() => ring.close());
  assert.is(await closed, undefined);
});

testWithout(test, needs.userRingBuffer, "a kernel without user ring buffers is said to lack them", () => {
  const error = thrown(() =>
    BpfMap.create({ type: "user_ringbuf", keySize: 0, valueSize: 0, maxEntries: 4096 }),
  );
  assert.instance(error, NotSupportedError);
  assert.is((error as NotSupportedError).since, "6.1");
});

test.run();

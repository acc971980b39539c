import { onlineCpus } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  BpfMap,
  btfCodec,
  type LoadedObject,
  PerfBuffer,
  type PerfEvent,
  type PerfSample,
} from "../index.js";
import { parseFixture } from "../testing/fixtures.js";

const test = suite("PerfBuffer");
const packet = { data: new Uint8Array(64) };

function load(variables: { records?: number; payload?: number } = {}): LoadedObject {
  const object = parseFixture("rings");
  for (const [name, value] of Object.entries(variables)) object.variable(name).set(value);
  return object.load({ programs: ["emit_perf"] });
}

const sequence = (sample: PerfSample) => new DataView(sample.copy().buffer).getUint32(0, true);

test("samples come with their CPU and up to 7 bytes of padding", () => {
  const object = parseFixture("rings");
  using loaded = load({ records: 2, payload: 3 });
  using perf = PerfBuffer.open(loaded.map("perf"));
  assert.equal(perf.cpus, onlineCpus());
  loaded.program("emit_perf").testRun(packet);
  const codec = btfCodec<{ sequence: number; cpu: number }>(
    object.btf!,
    object.btf!.find("event", "struct")!.id,
  );
  const seen: number[] = [];
  const count = perf.consume({
    sample(sample) {
      const event = sample.decode(codec);
      assert.is(event.cpu, sample.cpu);
      assert.is(sample.length, 20);
      assert.equal(sample.data.subarray(16, 19), new Uint8Array(3).fill(event.sequence));
      seen.push(event.sequence);
    },
    lost: () => assert.unreachable(),
  });
  assert.is(count, 2);
  assert.equal(seen, [0, 1]);
  assert.is(perf.consume({ sample: () => assert.unreachable() }), 0);
});

test("a sample that goes around the end of the buffer is whole", () => {
  using loaded = load({ records: 5, payload: 500 });
  using perf = PerfBuffer.open(loaded.map("perf"), { pagesPerCpu: 1 });
  const seen = new Set<number>();
  for (let round = 0; round < 20; round++) {
    loaded.program("emit_perf").testRun(packet);
    perf.consume({
      sample(sample) {
        assert.equal(sample.data.subarray(16, 32), new Uint8Array(16).fill(sequence(sample)));
        seen.add(sequence(sample));
      },
    });
  }
  assert.is(seen.size, 100);
});

test("samples that found no room are counted", () => {
  using loaded = load({ records: 20, payload: 1000 });
  using perf = PerfBuffer.open(loaded.map("perf"), { pagesPerCpu: 1 });
  const seen: string[] = [];
  const handlers = {
    sample: (sample: PerfSample) => seen.push(`${sequence(sample)}`),
    lost: (_cpu: number, count: number) => seen.push(`lost ${count}`),
  };
  loaded.program("emit_perf").testRun(packet);
  perf.consume(handlers, 2);
  perf.consume(handlers);
  assert.equal(seen, ["0", "1", "2"]);
  // The news comes with the next sample that finds room on that CPU; runs may move to another.
  for (let round = 0; round < 100 && !seen.some((one) => one.startsWith("lost")); round++) {
    loaded.program("emit_perf").testRun(packet);
    perf.consume(handlers);
  }
  assert.ok(seen.includes("lost 17"), seen.join());
});

test("a loop waits for samples, and closing the buffer ends it and empties the map", async () => {
  using loaded = load({ records: 50 });
  const map = loaded.map("perf");
  using perf = PerfBuffer.open(map, { decode: sequence });
  const seen: PerfEvent<number>[] = [];
  let rounds = 0;
  const emit = () => {
    loaded.program("emit_perf").testRun(packet);
    if (++rounds < 5) setImmediate(emit);
  };
  setImmediate(emit);
  for await (const event of perf) {
    seen.push(event);
    if (seen.length === 250) perf.close();
  }
  assert.equal(
    seen.map((event) => event.kind === "sample" && event.data).sort((a, b) => Number(a) - Number(b)),
    Array.from({ length: 250 }, (_, i) => i),
  );
  assert.is(perf.cpus.length, 0);
  assert.is(map.delete(onlineCpus()[0]!), false);
});

test("a reader that is woken by bytes is left alone until there are so many", async () => {
  using loaded = load({ records: 10, payload: 100 });
  using perf = PerfBuffer.open(loaded.map("perf"), { wakeupBytes: 8192, pagesPerCpu: 64 });
  let samples = 0;
  const done = perf.run({
    sample() {
      if (++samples >= 60) perf.close();
    },
  });
  loaded.program("emit_perf").testRun(packet);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.is(samples, 0);
  for (let round = 0; round < 20; round++) loaded.program("emit_perf").testRun(packet);
  await done;
  assert.ok(samples >= 60);
});

test("another type of map, and sizes that cannot be, are refused", () => {
  using map = BpfMap.create({ name: "a", type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
  assert.throws(() => PerfBuffer.open(map), /map "a" is a array, and no perf_event_array/);
  using events = BpfMap.create({ type: "perf_event_array", keySize: 4, valueSize: 4, maxEntries: 64 });
  assert.throws(() => PerfBuffer.open(events, { pagesPerCpu: 3 }), /power of two/);
  assert.throws(() => events.get(0), /no such operation for maps of type perf_event_array/);
  assert.is([...events.keys()].length, 64);
});

test.run();

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Histogram } from "./histogram.js";
import { renderTrace } from "./view.js";

const plain = (text: string) => text;
const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, inverse: plain };

function of(...values: number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram;
}

test("buckets double from a microsecond on, from the first that has some to the last", () => {
  assert.equal(of().buckets, [{ fromNs: 0, toNs: 1000, count: 0 }]);
  assert.equal(of(0, 999, 1000, 1999, 2000, 5000).buckets, [
    { fromNs: 0, toNs: 1000, count: 2 },
    { fromNs: 1000, toNs: 2000, count: 2 },
    { fromNs: 2000, toNs: 4000, count: 1 },
    { fromNs: 4000, toNs: 8000, count: 1 },
  ]);
  assert.equal(of(3000).buckets, [{ fromNs: 2000, toNs: 4000, count: 1 }]);
});

test("quantiles are right to within the width of a part of an octave", () => {
  const values = Array.from({ length: 10_000 }, (_, index) => (index + 1) * 10_000);
  const histogram = of(...values);
  for (const fraction of [0.01, 0.5, 0.9, 0.99]) {
    const exact = fraction * 100_000_000;
    assert.ok(Math.abs(histogram.quantileNs(fraction) / exact - 1) < 0.045, `${fraction}`);
  }
  assert.is(histogram.longestNs, 100_000_000);
  assert.ok(histogram.quantileNs(1) <= histogram.longestNs);
  assert.is(of(0, 0, 0, 5000).quantileNs(0.5), 0);
  assert.is(of().quantileNs(0.5), 0);
  assert.is(of(1000, 3000).meanNs, 2000);
});

test("a report fits 80 columns and says what became of the packets", () => {
  const waits = of(...Array.from({ length: 1000 }, (_, index) => index * 20_000), 0, 0);
  const passed = { packets: 999n, dropped: 1n, marked: 250n };
  const rates = {
    intervalMs: 1,
    bitsPerSecond: 95_600_000,
    packetsPerSecond: 0,
    droppedPerSecond: 0,
    markedPerSecond: 0,
  };
  const lines = renderTrace(
    {
      name: "shop/web-7f9c",
      device: "eth0",
      seconds: 10,
      sampleEvery: 9,
      lost: 3n,
      unstamped: 0n,
      directions: [
        { direction: "egress", limitBitsPerSecond: 100_000_000n, waits, passed, rates },
        {
          direction: "ingress",
          limitBitsPerSecond: 50_000_000n,
          waits: of(),
          passed: { packets: 0n, dropped: 0n, marked: 0n },
        },
      ],
    },
    { columns: 80, style },
  );
  for (const line of lines) assert.ok(line.length <= 80, line);
  const text = lines.join("\n");
  assert.match(
    text,
    /^shop\/web-7f9c eth0: 10\.0 s, one packet in 9\n\negress {2}limit 100 Mbit\/s, 95\.6 Mbit\/s passed\n/,
  );
  assert.match(text, /^ +none +3 {2}▌?/m);
  assert.match(text, /^ +8 - 16 ms +\d+ {2}█{50,52}$/m);
  assert.match(text, /^ +512 µs - 1 ms +\d+ {2}/m);
  assert.match(text, /1002 packets {2}p50 \S+ ms {2}p90 \S+ ms {2}p99 \S+ ms {2}longest 20 ms$/m);
  assert.match(text, /999 packets let through, 1 dropped \(0\.1%\), 250 marked \(25%\)$/m);
  assert.match(text, /^ingress {2}limit 50 Mbit\/s\n {2}no packet came by$/m);
  assert.match(text, /3 samples were lost/);
});

test.run();

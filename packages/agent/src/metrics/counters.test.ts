import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Counted, SteadyCounters } from "./counters.js";

const counted = (packets: bigint): Counted => ({
  packets,
  bytes: packets * 100n,
  dropped: 0n,
  marked: 0n,
  delayed: 0n,
  delayNs: 0n,
});

test("counters go on where an attachment was made again", () => {
  const steady = new SteadyCounters();
  steady.update("a", "1", counted(10n));
  assert.is(steady.update("a", "2", counted(3n)).packets, 13n);
  assert.is(steady.update("a", "2", counted(5n)).packets, 15n);
  assert.is(steady.last("a")?.bytes, 1500n);
});

test("counters go on where a new generation has already counted more than the one before", () => {
  const steady = new SteadyCounters();
  steady.update("a", "1", counted(10n));
  assert.is(steady.update("a", "2", counted(30n)).packets, 40n);
});

test("counters of what is not there now are forgotten, unless they are to be kept", () => {
  const steady = new SteadyCounters();
  const all = ["a", "b", "c"].map((key) => ({ key, generation: "1", counted: counted(1n) }));
  steady.updateAll(all, () => false);
  assert.equal([...steady.keys()], ["a", "b", "c"]);
  steady.updateAll(all.slice(0, 1), (key) => key === "c");
  assert.equal([...steady.keys()], ["a", "c"]);
});

test("counters never go backwards, whatever the kernel's do", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.bigInt(0n, 1000n), fc.nat(2))), (steps) => {
      const steady = new SteadyCounters();
      let before = 0n;
      for (const [packets, generation] of steps) {
        const now = steady.update("a", String(generation), counted(packets)).packets;
        assert.ok(now >= before);
        before = now;
      }
    }),
  );
});

test.run();

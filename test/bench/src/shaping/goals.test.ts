import { test } from "uvu";
import * as assert from "uvu/assert";
import { goals } from "./goals.js";
import { MAIN_RATE, type PeerName } from "./plan.js";
import { type Cell, jain, type Report, worstSecond } from "./report.js";

function sparse(p50: number, p99: number) {
  const result = { sent: 100, answered: 100, p50, p99 };
  return { ping: result, requests: result };
}

function cell(peer: PeerName, changed: Partial<Cell> = {}): Cell {
  return {
    peer,
    test: {
      ...{ bitsPerSecond: MAIN_RATE, direction: "egress", protocol: "tcp" },
      ...{ flows: 16, ecn: false, seconds: 2 },
    },
    wireBitsPerSecond: [MAIN_RATE, MAIN_RATE],
    goodputBitsPerSecond: 95_000_000,
    streams: Array(16).fill(5_900_000),
    retransmits: 100,
    cpuNsPerByte: 1,
    same: sparse(1, 5),
    other: sparse(0.1, 0.2),
    ...changed,
  } as Cell;
}

function verdicts(ours: Partial<Cell>): Map<string, boolean> {
  const load = { before: 0, mean: 0, most: 0 };
  const report: Report = {
    ...{ kernel: "6.12", cpus: 2, date: "", command: "", host: { cpus: 2, load }, failures: [] },
    cells: [cell("weir", ours), cell("fq_codel"), cell("cake", { same: sparse(0.9, 6), retransmits: 50 })],
  };
  return new Map(goals(report).map(({ name, reached }) => [name.replace(/, 16.*/, ""), reached]));
}

test("the sparse flow has to be as quick as the better peer, and the bulk flows better than both", () => {
  const good = verdicts({ same: sparse(0.9, 5), goodputBitsPerSecond: 95_100_000, retransmits: 5 });
  assert.equal(
    [...good.values()].filter((reached) => !reached),
    [],
  );
  const bad = verdicts({ same: sparse(0.95, 5.1), goodputBitsPerSecond: 95_000_000, retransmits: 6 });
  for (const name of ["ping p50 in the pod", "ping p99 in the pod", "goodput", "segments sent again"])
    assert.is(bad.get(name), false, name);
});

test("a sparse flow that lost answers is not quick", () => {
  const lost = { sent: 100, answered: 60, p50: 0.1, p99: 0.1 };
  assert.is(verdicts({ same: { ping: lost, requests: lost } }).get("ping p99 in the pod"), false);
});

test("who sends more than the limit has reached nothing by it", () => {
  const wire = [MAIN_RATE * 1.1, MAIN_RATE * 1.1];
  const found = verdicts({ same: sparse(0.1, 0.1), goodputBitsPerSecond: 105e6, wireBitsPerSecond: wire });
  for (const name of ["goodput", "ping p99 in the pod", "segments sent again"])
    assert.is(found.get(name), false, name);
});

test("the rate and each second are held against the limit, above and below", () => {
  const wire = [MAIN_RATE * 1.021, MAIN_RATE * 0.98];
  const found = verdicts({ wireBitsPerSecond: wire });
  assert.is(found.get("rate over 2 s"), true);
  assert.is(found.get("worst second"), false);
  assert.ok(Math.abs(worstSecond(wire, MAIN_RATE) - 0.021) < 1e-9);
});

test("Jain's index is 1 for equal shares, and 1/n where one flow has everything", () => {
  assert.is(jain([3, 3, 3]), 1);
  assert.is(jain([9, 0, 0]), 1 / 3);
  assert.is(verdicts({ streams: [9, ...Array(15).fill(1)] }).get("Jain's index"), false);
});

test.run();

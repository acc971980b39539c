import { test } from "uvu";
import * as assert from "uvu/assert";
import { MAIN_RATE, type PeerName } from "./plan.js";
import type { Cell, Report } from "./report.js";
import { markdown, plain, tables } from "./table.js";

function cell(peer: PeerName, goodput: number, p99: number | null): Cell {
  const result = { sent: 100, answered: p99 === null ? 0 : 100, p50: p99 === null ? null : 0.1, p99 };
  const sparse = { ping: result, requests: result };
  return {
    peer,
    test: {
      ...{ bitsPerSecond: MAIN_RATE, direction: "egress", protocol: "tcp" },
      ...{ flows: 16, ecn: false, seconds: 2 },
    },
    wireBitsPerSecond: [MAIN_RATE, MAIN_RATE * 0.97],
    ...{ goodputBitsPerSecond: goodput, streams: [1, 1], retransmits: 3, cpuNsPerByte: 2 },
    ...{ same: sparse, other: sparse },
  } as Cell;
}

function tableOf(...cells: Cell[]) {
  const [table, ...others] = tables({ cells } as unknown as Report);
  assert.is(others.length, 0);
  const columns = table!.rows[0]!;
  const value = (row: number, name: string) => table!.rows[row]![columns.indexOf(name)];
  return { table: table!, value };
}

test("the best of each column has a star, and p99 is set beside weir's", () => {
  const { value } = tableOf(cell("weir", 95e6, 0.5), cell("cake", 94e6, 4));
  assert.is(value(1, "goodput"), "95.00 *");
  assert.is(value(2, "goodput"), "94.00");
  assert.is(value(1, "ping p99"), "0.50 *");
  assert.is(value(2, "ping p99"), "4.00 (8.0x)");
  assert.is(value(1, "worst second"), "-3.0% *");
});

test("who does not shape is not the best", () => {
  const { value } = tableOf(cell("weir", 95e6, 0.5), cell("cake", 94e6, 4), cell("unshaped", 900e6, 0.1));
  assert.is(value(1, "goodput"), "95.00 *");
  assert.is(value(3, "goodput"), "900.00");
});

test("a sparse flow without an answer says so", () => {
  const { value } = tableOf(cell("weir", 95e6, 0.5), cell("cake", 94e6, null));
  assert.is(value(2, "ping p99"), "none");
});

test("the tables for the terminal and for the page hold the same", () => {
  const { table } = tableOf(cell("weir", 95e6, 0.5), cell("cake", 94e6, 4));
  assert.match(plain(table), /^100 Mbit\/s, 16 TCP flows\n/);
  assert.match(plain(table), /cake +94\.00/);
  assert.match(markdown(table), /\| weir \| \*\*95\.00\*\* \|/);
});

test.run();

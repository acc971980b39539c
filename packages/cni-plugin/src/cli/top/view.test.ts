import type { DirectionState } from "@weir/shaper";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Known, StatusRow } from "../status.js";
import { firstView, press, render, sort, type View } from "./view.js";

const plain = (text: string) => text;
const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, inverse: plain };
const counters: DirectionState = {
  bitsPerSecond: 100_000_000n,
  horizonNs: 100_000_000n,
  markNs: 5_000_000n,
  packets: 1_234_567n,
  bytes: 987_654_321n,
  delayed: 5n,
  dropped: 12n,
  delayNs: 5n,
  marked: 3n,
  passed: 0n,
  exempt: 0n,
};

function row(index: number, bitsPerSecond: number, healthy = true): StatusRow {
  const known: Known = {
    record: {
      id: `${String(index).padStart(64, "0")}/eth0`,
      netns: "/run/netns/x",
      device: "eth0",
      limits: {},
      pod: { namespace: "production", name: `checkout-service-7f9c6d5b4-${String(index).padStart(5, "0")}` },
    },
    healthy,
    problems: [],
  };
  const rates = {
    intervalMs: 1000,
    bitsPerSecond,
    packetsPerSecond: 1,
    droppedPerSecond: 0,
    markedPerSecond: 0,
    meanDelayNs: 9_300_000,
  };
  return {
    known,
    direction: "egress",
    limit: counters,
    state: { ...counters, dropped: BigInt(100 - index) },
    rates,
  };
}

const rows = Array.from({ length: 30 }, (_, index) => row(index, index * 1_000_000, index !== 7));
const all = rows.map(({ known }) => known);
const screen = (view: View, columns: number, height = 24) =>
  render(view, all, rows, { columns, rows: height, clock: "12:00:00", style });
const keys = (...names: string[]) =>
  names.reduce<View>((view, name) => press(view, { name, ctrl: false }, 20) as View, firstView);

test("it fills the screen and no more, at 80 columns and at 200", () => {
  for (const [columns, height] of [
    [80, 24],
    [200, 50],
    [80, 8],
  ] as const) {
    const lines = screen(firstView, columns, height);
    assert.is(lines.length, height);
    for (const line of lines.slice(2, -1)) assert.ok(line.length <= columns, line);
  }
  const narrow = screen(firstView, 80);
  assert.match(narrow[2]!, /^POD +IFACE {2}DIR +LIMIT +NOW .*DROPS {2}MARKS.*HEALTH$/);
  assert.match(narrow[3]!, /^production\/che.*…/);
  const wide = screen(firstView, 200);
  assert.match(wide[2]!, /WAIT .*PACKETS +BYTES +HEALTH +ID$/);
  assert.match(wide[3]!, /^production\/checkout-service-7f9c6d5b4-00029 .* 0{62}29\/eth0$/);
});

test("what passes most comes first, and keys sort by other columns, turn the order and scroll", () => {
  const first = (view: View) => sort(rows, view)[0]!.rates!.bitsPerSecond / 1e6;
  assert.is(first(firstView), 29);
  assert.is(first(keys("r")), 0);
  assert.is(first(keys("d")), 0);
  assert.is(first(keys("d", "d")), 29);
  assert.is(first(keys("h")), 7);
  assert.is(first(keys("p")), 0);
  assert.is(keys("left").sort, "LIMIT");
  assert.is(keys("right", "right").sort, "DROPS");
  assert.is(keys("up").scroll, 0);
  assert.is(keys("pagedown", "down").scroll, 21);
  assert.match(screen(keys("down"), 80)[3]!, /28/);
  assert.match(screen(keys("pagedown", "pagedown", "pagedown"), 80).at(-1)!, /rows 11-30 of 30/);
});

test("q and Ctrl-C end it, other keys do nothing", () => {
  assert.is(press(firstView, { name: "q", ctrl: false }, 20), "quit");
  assert.is(press(firstView, { name: "c", ctrl: true }, 20), "quit");
  assert.is(press(firstView, { name: "x", ctrl: false }, 20), firstView);
  assert.is(press(firstView, { name: "p", ctrl: true }, 20), firstView);
});

test("a node that shapes nothing says so", () => {
  const lines = render(firstView, [], [], { columns: 80, rows: 10, clock: "12:00:00", style });
  assert.ok(lines.includes("nothing is shaped on this node"));
});

test.run();

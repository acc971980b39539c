import {
  axes,
  band,
  COLOURS,
  GREY,
  heading,
  legend,
  line,
  megabits,
  type Panel,
  picture,
  rule,
  text,
} from "@weir/test-e2e/figures";
import { MAIN_RATE, type PeerName, peerNames, peerTitles } from "./plan.js";
import type { Cell, Report } from "./report.js";

const WIDTH = 940;

/** Each peer's colour, the same in all pictures; weir's is black, which is easy to find. */
function colourOf(peer: PeerName): string {
  if (peer === "weir") return "#000000";
  if (peer === "unshaped") return GREY;
  return COLOURS[(peerNames.indexOf(peer) - 1) % COLOURS.length]!;
}

function peersIn(cells: readonly Cell[]): PeerName[] {
  return peerNames.filter((name) => cells.some(({ peer }) => peer === name));
}

function entries(peers: readonly PeerName[]) {
  return peers.map((peer) => ({ name: peerTitles[peer], colour: colourOf(peer) }));
}

/** How long a ping beside more and more TCP flows takes: p50 and p99, without ECN and with it. */
export function latencyChart(report: Report): string {
  const cells = report.cells.filter(
    ({ test, peer }) =>
      test.bitsPerSecond === MAIN_RATE &&
      test.direction === "egress" &&
      test.protocol === "tcp" &&
      !["containerd", "unshaped"].includes(peer),
  );
  const flows = [...new Set(cells.filter(({ test }) => !test.ecn).map(({ test }) => test.flows))].sort(
    (a, b) => a - b,
  );
  const times = cells.flatMap(({ same }) => [same.ping.p50, same.ping.p99]).filter((time) => time !== null);
  const low = 10 ** Math.floor(Math.log10(Math.min(...times, 1)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...times, 1)));
  const rows = [false, true].filter((ecn) => cells.some(({ test }) => test.ecn === ecn));
  const parts = rows.flatMap((ecn, row) =>
    (["p50", "p99"] as const).flatMap((share, column) => {
      const panel: Panel = {
        left: 70 + column * 340,
        right: 350 + column * 340,
        top: 104 + row * 250,
        height: 170,
        low,
        high,
        logarithmic: true,
      };
      const chosen = cells.filter(({ test }) => test.ecn === ecn || test.flows === 0);
      const title = `${share}, ms, ${ecn ? "with" : "without"} ECN`;
      const names = flows.map((count) => (count === 0 ? "idle" : String(count)));
      return [
        ...axes(panel, names, title, String),
        ...peersIn(chosen)
          .reverse()
          .map((peer) => {
            const values = flows.map(
              (count) =>
                chosen.find((cell) => cell.peer === peer && cell.test.flows === count)?.same.ping[share] ??
                undefined,
            );
            return line(panel, values, flows.length, colourOf(peer));
          }),
        ...(column === 1 && row === 0 ? legend(panel, entries(peersIn(cells))) : []),
      ];
    }),
  );
  const height = 104 + rows.length * 250;
  return picture(WIDTH, height, [
    ...heading(
      `Round trip of a ping in a pod that sends as much as ${megabits(MAIN_RATE)} Mbit/s allow`,
      `Beside so many TCP flows of the same pod; Linux ${report.kernel}`,
    ),
    ...parts,
    text(380, height - 30, "TCP flows", `fill="${GREY}" text-anchor="middle"`),
  ]);
}

/** What arrives in each second, near the limit. */
export function throughputChart(report: Report): string {
  const cells = report.cells.filter(
    ({ test, peer }) =>
      test.bitsPerSecond === MAIN_RATE &&
      test.protocol === "tcp" &&
      test.direction === "egress" &&
      !test.ecn &&
      peer !== "unshaped",
  );
  const shown = [1, 16].filter((flows) => cells.some(({ test }) => test.flows === flows));
  const parts = shown.flatMap((flows, row) => {
    const chosen = cells.filter(({ test }) => test.flows === flows);
    const seconds = Math.max(...chosen.map(({ wireBitsPerSecond }) => wireBitsPerSecond.length));
    const panel: Panel = {
      left: 70,
      right: 690,
      top: 104 + row * 270,
      height: 190,
      low: MAIN_RATE * 0.88,
      high: MAIN_RATE * 1.12,
    };
    const columns = Array.from({ length: seconds }, (_, index) => String(index + 1));
    return [
      ...axes(panel, columns, `${flows} TCP ${flows === 1 ? "flow" : "flows"}, Mbit/s`, megabits),
      band(panel, MAIN_RATE * 0.98, MAIN_RATE * 1.02),
      rule(panel, MAIN_RATE),
      ...[...chosen]
        .reverse()
        .map(({ peer, wireBitsPerSecond }) => line(panel, wireBitsPerSecond, seconds, colourOf(peer))),
      ...chosen.flatMap(({ peer, wireBitsPerSecond }, index) =>
        beyond(panel, peer, wireBitsPerSecond, index),
      ),
      ...legend(panel, entries(peersIn(chosen))),
    ];
  });
  const height = 104 + shown.length * 270;
  return picture(WIDTH, height, [
    ...heading(
      `What arrives of a pod that is limited to ${megabits(MAIN_RATE)} Mbit/s`,
      `On the wire in each second, all headers included; Linux ${report.kernel}. Shaded: within 2% of the limit`,
    ),
    ...parts,
    text(380, height - 30, "second", `fill="${GREY}" text-anchor="middle"`),
  ]);
}

/** What lies beyond the panel, as a number at its upper border. */
function beyond(panel: Panel, peer: PeerName, wire: readonly number[], _index: number): string[] {
  return wire.flatMap((rate, second) => {
    if (rate <= panel.high) return [];
    const x = panel.left + ((second + 0.5) / wire.length) * (panel.right - panel.left);
    return [
      text(x + 8, panel.top + 5, `${Math.round(rate / 1e6)}`, `fill="${colourOf(peer)}" font-size="11"`),
    ];
  });
}

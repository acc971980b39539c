import type { Report, Run } from "./report.js";

/** A panel of the chart: where it lies, and which rates it shows. */
interface Panel {
  top: number;
  height: number;
  low: number;
  high: number;
}

const WIDTH = 900;
const HEIGHT = 520;
const LEFT = 74;
const RIGHT = 690;

/** Colours that stay apart for the colour-blind, by Okabe and Ito. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const GREY = "#666666";

/**
 * The report as an SVG picture: what went over the wire in each second, above without a limit, below at the limit with
 * the band of 2% around it.
 */
export function chart(report: Report): string {
  const { runs, limitBitsPerSecond: limit, kernel, mode } = report;
  const free = runs.filter((run) => !run.limited);
  const limited = runs.filter((run) => run.limited);
  const seconds = Math.max(...runs.map(({ wireBitsPerSecond }) => wireBitsPerSecond.length), 1);
  const fastest = Math.max(limit * 1.2, ...free.flatMap(({ wireBitsPerSecond }) => wireBitsPerSecond));
  const shaped = limited.flatMap(({ wireBitsPerSecond }) => wireBitsPerSecond);
  const above: Panel = { top: 98, height: 96, low: 0, high: fastest * 1.08 };
  const below: Panel = {
    top: 250,
    height: 200,
    low: Math.min(limit * 0.94, ...shaped.map((rate) => rate - limit * 0.01)),
    high: Math.max(limit * 1.06, ...shaped.map((rate) => rate + limit * 0.01)),
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(
      24,
      32,
      `Two ipvlan ${mode.toUpperCase()} pods, limited to ${megabits(limit)} Mbit/s`,
      'font-size="18" font-weight="bold"',
    ),
    text(24, 52, `On the wire in each second, all headers included; Linux ${kernel}`, `fill="${GREY}"`),
    ...axes(above, seconds, "no limit"),
    rule(above, limit),
    ...free.map((run) => line(run, above, seconds, GREY)),
    ...axes(below, seconds, "limited"),
    band(below, limit),
    rule(below, limit),
    ...limited.map((run, index) => line(run, below, seconds, COLOURS[index % COLOURS.length]!)),
    ...legend(above, free, () => GREY),
    ...legend(below, limited, (index) => COLOURS[index % COLOURS.length]!),
    text(
      RIGHT + 24,
      below.top + below.height - 4,
      "shaded: within 2% of the limit",
      `fill="${GREY}" font-size="12"`,
    ),
    text((LEFT + RIGHT) / 2, HEIGHT - 22, "second", `fill="${GREY}" text-anchor="middle"`),
    "</svg>",
    "",
  ].join("\n");
}

function axes(panel: Panel, seconds: number, title: string): string[] {
  const parts = [text(LEFT, panel.top - 12, `${title}, Mbit/s`, 'font-weight="bold"')];
  for (const value of ticks(panel)) {
    const y = yOf(panel, value);
    parts.push(
      `<line x1="${LEFT}" x2="${RIGHT}" y1="${y}" y2="${y}" stroke="#e6e6e6"/>`,
      text(LEFT - 8, y + 4, megabits(value), `fill="${GREY}" text-anchor="end"`),
    );
  }
  for (let second = 1; second <= seconds; second++) {
    parts.push(
      text(
        xOf(second, seconds),
        panel.top + panel.height + 18,
        String(second),
        `fill="${GREY}" text-anchor="middle"`,
      ),
    );
  }
  return parts;
}

/** Three to seven round numbers within a panel. */
function ticks({ low, high }: Panel): number[] {
  const rough = (high - low) / 4;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 5, 10].map((factor) => factor * magnitude).find((candidate) => candidate >= rough) ?? rough;
  const values: number[] = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) values.push(value);
  return values;
}

function band(panel: Panel, limit: number): string {
  const [top, bottom] = [yOf(panel, limit * 1.02), yOf(panel, limit * 0.98)];
  return `<rect x="${LEFT}" y="${top}" width="${RIGHT - LEFT}" height="${round(bottom - top)}" fill="#0072b2" opacity="0.09"/>`;
}

function rule(panel: Panel, limit: number): string {
  const y = yOf(panel, limit);
  return `<line x1="${LEFT}" x2="${RIGHT}" y1="${y}" y2="${y}" stroke="#000000" stroke-dasharray="5 4"/>`;
}

function line({ wireBitsPerSecond }: Run, panel: Panel, seconds: number, colour: string): string {
  const points = wireBitsPerSecond.map((rate, index) => `${xOf(index + 1, seconds)},${yOf(panel, rate)}`);
  const dots = points.map((point) => {
    const [x, y] = point.split(",");
    return `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`;
  });
  return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join("")}`;
}

function legend(panel: Panel, runs: Run[], colour: (index: number) => string): string[] {
  return runs.flatMap((run, index) => {
    const y = panel.top + 12 + index * 22;
    return [
      `<line x1="${RIGHT + 24}" x2="${RIGHT + 46}" y1="${y - 4}" y2="${y - 4}" stroke="${colour(index)}" stroke-width="3"/>`,
      text(RIGHT + 54, y, run.name),
    ];
  });
}

function xOf(second: number, seconds: number): number {
  return round(LEFT + ((second - 0.5) / seconds) * (RIGHT - LEFT));
}

function yOf({ top, height, low, high }: Panel, value: number): number {
  return round(top + height * (1 - (value - low) / (high - low)));
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" ${attributes}>${safe}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function megabits(bitsPerSecond: number): string {
  return String(Math.round(bitsPerSecond / 1e4) / 100);
}

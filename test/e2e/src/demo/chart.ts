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
} from "../figures/svg.js";
import type { Report } from "./report.js";

const WIDTH = 900;
const HEIGHT = 520;
const LEFT = 74;
const RIGHT = 690;

/**
 * The report as an SVG picture: what went over the wire in each second, above without a limit, below at the limit with
 * the band of 2% around it.
 */
export function chart(report: Report): string {
  const { runs, limitBitsPerSecond: limit, kernel, mode } = report;
  const free = runs.filter((run) => !run.limited);
  const limited = runs.filter((run) => run.limited);
  const seconds = Math.max(...runs.map(({ wireBitsPerSecond }) => wireBitsPerSecond.length), 1);
  const columns = Array.from({ length: seconds }, (_, index) => String(index + 1));
  const fastest = Math.max(limit * 1.2, ...free.flatMap(({ wireBitsPerSecond }) => wireBitsPerSecond));
  const shaped = limited.flatMap(({ wireBitsPerSecond }) => wireBitsPerSecond);
  const sides = { left: LEFT, right: RIGHT };
  const above: Panel = { ...sides, top: 98, height: 96, low: 0, high: fastest * 1.08 };
  const below: Panel = {
    ...sides,
    top: 250,
    height: 200,
    low: Math.min(limit * 0.94, ...shaped.map((rate) => rate - limit * 0.01)),
    high: Math.max(limit * 1.06, ...shaped.map((rate) => rate + limit * 0.01)),
  };
  const colourOf = (index: number) => COLOURS[index % COLOURS.length]!;
  const lines = (panel: Panel, each: typeof runs, colour: (index: number) => string) => [
    ...each.map(({ wireBitsPerSecond }, index) => line(panel, wireBitsPerSecond, seconds, colour(index))),
    ...legend(
      panel,
      each.map(({ name }, index) => ({ name, colour: colour(index) })),
    ),
  ];
  return picture(WIDTH, HEIGHT, [
    ...heading(
      `Two ipvlan ${mode.toUpperCase()} pods, limited to ${megabits(limit)} Mbit/s`,
      `On the wire in each second, all headers included; Linux ${kernel}`,
    ),
    ...axes(above, columns, "no limit, Mbit/s", megabits),
    rule(above, limit),
    ...lines(above, free, () => GREY),
    ...axes(below, columns, "limited, Mbit/s", megabits),
    band(below, limit * 0.98, limit * 1.02),
    rule(below, limit),
    ...lines(below, limited, colourOf),
    text(
      RIGHT + 24,
      below.top + below.height - 4,
      "shaded: within 2% of the limit",
      `fill="${GREY}" font-size="12"`,
    ),
    text((LEFT + RIGHT) / 2, HEIGHT - 22, "second", `fill="${GREY}" text-anchor="middle"`),
  ]);
}

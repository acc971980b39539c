/** A panel of a chart: where it lies, and which values it shows. */
export interface Panel {
  left: number;
  right: number;
  top: number;
  height: number;
  low: number;
  high: number;
  /** Whether each step upwards multiplies; `low` is above 0 then. */
  logarithmic?: boolean;
}

/** Colours that stay apart for the colour-blind, by Okabe and Ito. */
export const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195"];
export const GREY = "#666666";

/** A whole picture. */
export function picture(width: number, height: number, parts: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

/** A picture's title, and what it shows in smaller letters. */
export function heading(title: string, subtitle: string): string[] {
  return [text(24, 32, title, 'font-size="18" font-weight="bold"'), text(24, 52, subtitle, `fill="${GREY}"`)];
}

/**
 * A panel's title, its horizontal lines with their values, and the names of its columns.
 * @param name how a value is written
 */
export function axes(
  panel: Panel,
  columns: string[],
  title: string,
  name: (value: number) => string,
): string[] {
  const { left, right, top, height } = panel;
  const parts = [text(left, top - 12, title, 'font-weight="bold"')];
  for (const value of panel.logarithmic ? powers(panel) : ticks(panel)) {
    const y = yOf(panel, value);
    parts.push(
      `<line x1="${left}" x2="${right}" y1="${y}" y2="${y}" stroke="#e6e6e6"/>`,
      text(left - 8, y + 4, name(value), `fill="${GREY}" text-anchor="end"`),
    );
  }
  for (const [index, column] of columns.entries()) {
    const x = xOf(panel, index + 1, columns.length);
    parts.push(text(x, top + height + 18, column, `fill="${GREY}" text-anchor="middle"`));
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

/** The powers of ten within a panel. */
function powers({ low, high }: Panel): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

/** A band between two values. */
export function band(panel: Panel, from: number, to: number): string {
  const [top, bottom] = [yOf(panel, to), yOf(panel, from)];
  return `<rect x="${panel.left}" y="${top}" width="${panel.right - panel.left}" height="${round(bottom - top)}" fill="#0072b2" opacity="0.09"/>`;
}

/** A dashed line at a value. */
export function rule(panel: Panel, value: number): string {
  const y = yOf(panel, value);
  return `<line x1="${panel.left}" x2="${panel.right}" y1="${y}" y2="${y}" stroke="#000000" stroke-dasharray="5 4"/>`;
}

/** Values joined by a line, one in each column; an absent one leaves a gap, one beyond the panel lies on its border. */
export function line(
  panel: Panel,
  values: readonly (number | undefined)[],
  columns: number,
  colour: string,
): string {
  const points = values.flatMap((value, index) => {
    if (value === undefined) return [];
    const shown = Math.min(Math.max(value, panel.low), panel.high);
    return [{ x: xOf(panel, index + 1, columns), y: yOf(panel, shown) }];
  });
  const dots = points.map(({ x, y }) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`);
  const path = points.map(({ x, y }) => `${x},${y}`).join(" ");
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join("")}`;
}

/** The names of lines, beside a panel. */
export function legend(panel: Panel, entries: { name: string; colour: string }[]): string[] {
  return entries.flatMap(({ name, colour }, index) => {
    const y = panel.top + 12 + index * 22;
    const x = panel.right + 24;
    return [
      `<line x1="${x}" x2="${x + 22}" y1="${y - 4}" y2="${y - 4}" stroke="${colour}" stroke-width="3"/>`,
      text(x + 30, y, name),
    ];
  });
}

/** Where a column's middle is; the first is 1. */
export function xOf({ left, right }: Panel, column: number, columns: number): number {
  return round(left + ((column - 0.5) / columns) * (right - left));
}

/** Where a value is. */
export function yOf({ top, height, low, high, logarithmic }: Panel, value: number): number {
  const scale = logarithmic ? Math.log10 : (linear: number) => linear;
  return round(top + height * (1 - (scale(value) - scale(low)) / (scale(high) - scale(low))));
}

/** A text, which may contain anything. */
export function text(x: number, y: number, content: string, attributes = ""): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" ${attributes}>${safe}</text>`;
}

/** Bits per second as megabits, with at most two decimals. */
export function megabits(bitsPerSecond: number): string {
  return String(Math.round(bitsPerSecond / 1e4) / 100);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

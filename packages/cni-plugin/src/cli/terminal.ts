import { writeAll } from "../io.js";
import { type Printable, stringifyJson } from "../json.js";

/** Where the command line prints, and how. */
export interface Terminal {
  /** Prints lines on standard output. */
  print(text: string): void;
  /** Prints a value as JSON on standard output. */
  printJson(value: Printable): void;
  /** Prints a value as JSON on one line of standard output, for one that is one of many. */
  printLine(value: Printable): void;
  /** Prints a line on standard error. */
  complain(text: string): void;
  /** Colours for standard output: each gives the text back as it is where colours are off. */
  readonly style: Record<"bold" | "dim" | "red" | "green" | "yellow", (text: string) => string>;
}

/** The process's own terminal. Colours are for terminals only, and off with NO_COLOR (no-color.org) or TERM=dumb. */
export function processTerminal(): Terminal {
  const { env } = process;
  const colours = process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
  const sgr = (on: number, off: number) => (text: string) =>
    colours ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return {
    print: (text) => writeAll(1, text.endsWith("\n") ? text : `${text}\n`),
    printJson: (value) => writeAll(1, `${stringifyJson(value, 2)}\n`),
    printLine: (value) => writeAll(1, `${stringifyJson(value)}\n`),
    complain: (text) => writeAll(2, text.endsWith("\n") ? text : `${text}\n`),
    style: {
      bold: sgr(1, 22),
      dim: sgr(2, 22),
      red: sgr(31, 39),
      green: sgr(32, 39),
      yellow: sgr(33, 39),
    },
  };
}

/** A cell of a table, with the style that it is printed in once it has been padded. */
export interface Cell {
  text: string;
  style?: (text: string) => string;
}

/**
 * Lines of aligned columns under headings, two spaces apart.
 * @param headings one a column; a heading that begins with a space is of a column aligned to the right
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly (string | Cell)[])[],
): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "string" ? { text: cell } : cell)));
  const titles = headings.map((heading): Cell => ({ text: heading.trim() }));
  const widths = titles.map((title, column) =>
    Math.max(
      ...[titles, ...cells].map((row) => (row === titles ? title.text : (row[column]?.text ?? "")).length),
    ),
  );
  const lines = [titles, ...cells].map((row) =>
    row
      .map(({ text, style }, column) => {
        const width = widths[column] ?? 0;
        const padded = headings[column]?.startsWith(" ") ? text.padStart(width) : text.padEnd(width);
        return style ? style(padded) : padded;
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}

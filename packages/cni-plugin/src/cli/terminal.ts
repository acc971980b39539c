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
  /** How many characters a line of standard output may have; infinite where it is no terminal and COLUMNS is not set. */
  readonly columns: number;
  /** Colours for standard output: each gives the text back as it is where colours are off. */
  readonly style: Record<Style, (text: string) => string>;
}

/** How a text may look. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "inverse";

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
    columns: columnsOf(env),
    complain: (text) => writeAll(2, text.endsWith("\n") ? text : `${text}\n`),
    style: {
      bold: sgr(1, 22),
      dim: sgr(2, 22),
      red: sgr(31, 39),
      green: sgr(32, 39),
      yellow: sgr(33, 39),
      inverse: sgr(7, 27),
    },
  };
}

function columnsOf(env: NodeJS.ProcessEnv): number {
  const set = /^[1-9]\d{0,4}$/.test(env.COLUMNS ?? "") ? Number(env.COLUMNS) : Number.POSITIVE_INFINITY;
  return process.stdout.isTTY ? process.stdout.columns || set : set;
}

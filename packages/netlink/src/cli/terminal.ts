import { writeSync } from "node:fs";

/** Where the command line prints, and how. */
export interface Terminal {
  /** Prints lines on standard output; they may wait for {@link flush}. */
  print(text: string): void;
  /** Prints lines on standard error. */
  complain(text: string): void;
  /** Writes what waits. Throws an error with the code EPIPE where nobody reads any more. */
  flush(): void;
  /** Colours for standard output: each gives the text back as it is where colours are off. */
  readonly style: Record<Style, (text: string) => string>;
}

/** How a text may look. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** A million routes are a million lines: they are not written one by one. */
const CHUNK = 64 << 10;

/** The process's own terminal. Colours are for terminals only, and off with NO_COLOR (no-color.org) or TERM=dumb. */
export function processTerminal(): Terminal {
  const { env } = process;
  const colours = process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
  const sgr = (on: number, off: number) => (text: string) =>
    colours && text !== "" ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  let waiting = "";
  const flush = () => {
    const text = waiting;
    waiting = "";
    writeAll(1, text);
  };
  return {
    print: (text) => {
      waiting += text.endsWith("\n") ? text : `${text}\n`;
      if (waiting.length >= CHUNK) flush();
    },
    complain: (text) => {
      flush();
      writeAll(2, text.endsWith("\n") ? text : `${text}\n`);
    },
    flush,
    style: {
      bold: sgr(1, 22),
      dim: sgr(2, 22),
      red: sgr(31, 39),
      green: sgr(32, 39),
      yellow: sgr(33, 39),
      cyan: sgr(36, 39),
    },
  };
}

/** Writes all of a text to a descriptor before it returns, whatever kind of file that is. */
function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text, "utf8");
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      // A pipe that its other end made non-blocking says EAGAIN; there is nothing else to do meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

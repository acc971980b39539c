import { emitKeypressEvents } from "node:readline";
import { writeAll } from "../../io.js";
import { cutLine } from "../table.js";

/** A key that was pressed: a character, or a name such as "up". */
export interface Key {
  readonly name: string;
  readonly ctrl: boolean;
}

const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";

/**
 * The whole terminal, for a program that draws on it: the screen that it had comes back at the end, however the process
 * ends, but for SIGKILL.
 */
export class Screen implements Disposable {
  readonly #onKey: (key: Key) => void;
  readonly #onResize: () => void;
  #entered = false;

  /** @param onKey is told of keys; @param onResize of a new size, and of coming back from the background */
  constructor(onKey: (key: Key) => void, onResize: () => void) {
    this.#onKey = onKey;
    this.#onResize = onResize;
    emitKeypressEvents(process.stdin);
    process.stdin.on("keypress", this.#keypress);
    process.stdout.on("resize", this.#onResize);
    process.on("SIGCONT", this.#resume);
    process.on("exit", this.#leave);
    // Before the error is printed, which would be lost with the screen.
    process.on("uncaughtExceptionMonitor", this.#leave);
    this.#enter();
    process.stdin.resume();
  }

  /** How many characters a line has, and how many lines there are. */
  get size(): { columns: number; rows: number } {
    const { columns, rows } = process.stdout;
    return { columns: columns || 80, rows: rows || 24 };
  }

  /** Draws lines from the top on; what is too long or too many is left out. */
  draw(lines: readonly string[]): void {
    if (!this.#entered) return;
    const { columns, rows } = this.size;
    // Each line is erased before it is written: erased after, a line of the full width would lose its last character.
    const shown = lines.slice(0, rows).map((line) => `\u001b[2K${cutLine(line, columns)}\u001b[0m`);
    writeAll(1, `\u001b[H${shown.join("\r\n")}${shown.length < rows ? "\r\n\u001b[J" : ""}`);
  }

  [Symbol.dispose](): void {
    process.stdin.off("keypress", this.#keypress);
    process.stdout.off("resize", this.#onResize);
    process.off("SIGCONT", this.#resume);
    process.off("exit", this.#leave);
    process.off("uncaughtExceptionMonitor", this.#leave);
    this.#leave();
    process.stdin.pause();
  }

  #enter(): void {
    process.stdin.setRawMode(true);
    this.#entered = true;
    writeAll(1, ENTER);
  }

  readonly #leave = (): void => {
    if (!this.#entered) return;
    this.#entered = false;
    try {
      writeAll(1, LEAVE);
      process.stdin.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
  };

  readonly #resume = (): void => {
    if (!this.#entered) this.#enter();
    this.#onResize();
  };

  readonly #keypress = (text: string | undefined, key: { name?: string; ctrl?: boolean }): void => {
    if (key.ctrl && key.name === "z") {
      // In raw mode the terminal no longer makes a signal of it.
      this.#leave();
      process.kill(process.pid, "SIGSTOP");
      return;
    }
    const named = key.name !== undefined && key.name.length > 1;
    this.#onKey({ name: named ? key.name! : (text ?? key.name ?? ""), ctrl: key.ctrl === true });
  };
}

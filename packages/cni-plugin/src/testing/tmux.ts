import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a screen may take to show something: the kernel VM is emulated. */
const PATIENCE_MS = 60_000;

/** Whether there is tmux here, as scripts/test.mjs installs it. */
export function hasTmux(): boolean {
  return spawnSync("tmux", ["-V"]).status === 0;
}

/** A terminal of its own with a shell in it. */
export class Terminal implements Disposable {
  readonly #socket = `weir-test-${process.pid}-${Math.random().toString(36).slice(2)}`;

  private constructor() {}

  /**
   * Opens one whose shell waits for a line: what is typed before its prompt is there stands in front of it.
   * @param env of the shell, beside PATH and TERM
   */
  static async open(columns: number, rows: number, env: { [name: string]: string } = {}): Promise<Terminal> {
    const terminal = new Terminal();
    const size = ["-x", String(columns), "-y", String(rows)];
    const variables = Object.entries({ ...env, ENV: "" }).flatMap(([name, value]) => [
      "-e",
      `${name}=${value}`,
    ]);
    terminal.#tmux("-f", "/dev/null", "new-session", "-d", ...size, ...variables, "sh");
    try {
      // As root; any other user's ends in "$".
      await terminal.shows(/^[#$]/);
    } catch (error) {
      terminal[Symbol.dispose]();
      throw error;
    }
    return terminal;
  }

  /** Types a line. */
  type(line: string): void {
    this.#tmux("send-keys", "-l", line);
    this.#tmux("send-keys", "Enter");
  }

  /** Presses a key, by tmux's name for it: "q", "Left", "C-c". */
  press(key: string): void {
    this.#tmux("send-keys", key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The screen's lines, without the blanks at their ends. */
  get lines(): string[] {
    return this.#tmux("capture-pane", "-p").split("\n").slice(0, -1);
  }

  /** Waits until the screen shows something, and gives its lines. @throws Error with what it shows instead */
  async shows(pattern: RegExp): Promise<string[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const { lines } = this;
      if (pattern.test(lines.join("\n"))) return lines;
      if (Date.now() > deadline)
        throw new Error(`the screen never showed ${pattern}, but:\n${lines.join("\n")}`);
      await sleep(100);
    }
  }

  [Symbol.dispose](): void {
    this.#tmux("kill-server");
  }

  #tmux(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync("tmux", ["-u", "-L", this.#socket, ...args], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
}

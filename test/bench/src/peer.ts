import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";

/**
 * One side of a measurement, in a process of its own that stays warm: it reads lines of a command, a count and an
 * argument, does that so many times, and answers with a line of what each time measured.
 */
export class Peer implements Disposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  /** Starts a program. */
  constructor(name: string, program: string, args: readonly string[] = []) {
    this.#name = name;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** Does a measurement so many times, and gives what each measured: nanoseconds, or bytes. */
  async measure(command: string, count: number, argument = ""): Promise<number[]> {
    this.#child.stdin!.write(`${command} ${count} ${argument}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the side of ${this.#name} ended at "${command}"`);
    return value.trim().split(" ").map(Number);
  }

  [Symbol.dispose](): void {
    this.#lines.close();
    this.#child.stdin!.end();
    // A library's open socket may keep a process alive that has nothing left to do.
    this.#child.kill();
  }
}

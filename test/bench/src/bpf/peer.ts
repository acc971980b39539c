import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

/** libbpf, in a process of its own that stays warm: it does what it is told and says how long each time took. */
export class Peer implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  /** Compiles libbpf.c into that folder, and starts it. Takes gcc and libbpf-dev. */
  constructor(folder: string) {
    const program = join(folder, "libbpf");
    const source = fileURLToPath(new URL("../../src/bpf/libbpf.c", import.meta.url));
    execFileSync("gcc", ["-O2", "-Wall", "-Werror", "-o", program, source, "-lbpf"], { stdio: "inherit" });
    this.#child = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** Does a measurement so many times, and gives the nanoseconds that each took. */
  async measure(name: string, count: number, argument = ""): Promise<number[]> {
    this.#child.stdin!.write(`${name} ${count} ${argument}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`libbpf's side ended at "${name}"`);
    return value.trim().split(" ").map(Number);
  }

  [Symbol.dispose](): void {
    this.#lines.close();
    this.#child.stdin!.end();
  }
}

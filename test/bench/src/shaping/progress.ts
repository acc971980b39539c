import { Writable } from "node:stream";
import { estimate, type Stage } from "./plan.js";

/** How many seconds of this machine a second of virtual time takes, until it has been measured. */
const VIRTUAL_SECOND = 2.5;

/** Reads what the guest says about how far it is, as "3/22" on a line, and says how long the rest will take. */
export class Progress extends Writable {
  readonly #stages: readonly Stage[];
  readonly #slowness: number;
  #began = 0;
  #rest = "";

  constructor(stages: readonly Stage[], virtualTime: boolean) {
    super();
    this.#stages = stages;
    this.#slowness = virtualTime ? VIRTUAL_SECOND : 1;
  }

  /** How much is to come. */
  get announcement(): string {
    const cells = this.#stages.reduce((sum, { peers }) => sum + peers.length, 0);
    return `${cells} ${cells === 1 ? "measurement" : "measurements"}, about ${minutes(estimate(this.#stages) * this.#slowness)}`;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const lines = `${this.#rest}${chunk}`.split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#report(line);
    done();
  }

  #report(line: string): void {
    const match = /^(\d+)\/(\d+)$/.exec(line);
    if (!match) return;
    const [at, total] = [Number(match[1]), Number(match[2])];
    if (at === 0) {
      this.#began = performance.now();
      return;
    }
    // Not after each one.
    if (at % 5 !== 0 || at === total) return;
    const seconds = ((performance.now() - this.#began) / 1000) * (this.#left(at) / (1 - this.#left(at)));
    process.stderr.write(`  (${at} of ${total}, about ${minutes(seconds)} left)\n`);
  }

  /** The part of the whole that is left after so many cells. */
  #left(count: number): number {
    const each = this.#stages.flatMap((stage) =>
      stage.peers.map((peer) => estimate([{ ...stage, peers: [peer] }])),
    );
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    return sum(each.slice(count)) / sum(each);
  }
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds / 10) * 10} s` : `${Math.ceil(seconds / 60)} min`;
}

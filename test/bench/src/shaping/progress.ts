import { Writable } from "node:stream";
import { estimate, type Stage } from "./plan.js";

/** How many seconds of this machine a second of virtual time takes, until it has been measured. */
const VIRTUAL_SECOND = 2.5;

/** Reads what the guest says about how far it is, as "3/22" on a line, and says how long the rest will take. */
export class Progress extends Writable {
  /** What each measurement takes by the estimate. */
  readonly #each: readonly number[];
  readonly #slowness: number;
  readonly #whole: number;
  #began = 0;
  #rest = "";

  constructor(stages: readonly Stage[], virtualTime: boolean) {
    super();
    this.#whole = estimate(stages);
    this.#each = stages.flatMap((stage) =>
      stage.peers.map((peer) => estimate([{ ...stage, peers: [peer] }])),
    );
    this.#slowness = virtualTime ? VIRTUAL_SECOND : 1;
  }

  /** How much is to come. */
  get announcement(): string {
    const { length } = this.#each;
    return `${length} ${length === 1 ? "measurement" : "measurements"}, about ${minutes(this.#whole * this.#slowness)}`;
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
    // Where another machine went on, it has only the rest to do.
    const before = this.#each.length - Number(match[2]);
    const at = before + Number(match[1]);
    if (at === before) {
      this.#began = performance.now();
      return;
    }
    // Not after each one.
    if (at % 5 !== 0 || at === this.#each.length) return;
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const slowness = (performance.now() - this.#began) / 1000 / sum(this.#each.slice(before, at));
    const left = minutes(sum(this.#each.slice(at)) * slowness);
    process.stderr.write(`  (${at} of ${this.#each.length}, about ${left} left)\n`);
  }
}

/** Keeps the end of what is written. */
export class Tail extends Writable {
  readonly #length: number;
  text = "";

  constructor(length: number) {
    super();
    this.#length = length;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text = `${this.text}${chunk}`.slice(-this.#length);
    done();
  }
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds / 10) * 10} s` : `${Math.ceil(seconds / 60)} min`;
}

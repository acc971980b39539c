import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** How a {@link Daemon} is started. */
export interface DaemonOptions {
  readonly command: readonly [string, ...string[]];
  /** A file that gets all that it prints, after what earlier ones printed. */
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The path of the network namespace that it is to run in. */
  readonly netns?: string;
}

/** A program that runs until it is stopped, or until this process ends in whatever way. */
export class Daemon implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #options: DaemonOptions;

  constructor(options: DaemonOptions) {
    this.#options = options;
    const { command, logFile, env = process.env, netns } = options;
    const inside = netns === undefined ? [] : ["nsenter", `--net=${netns}`, "--"];
    const log = openSync(logFile, "a");
    try {
      this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...inside, ...command], {
        env,
        stdio: ["ignore", log, log],
      });
    } finally {
      closeSync(log);
    }
    this.#ended = once(this.#child, "exit").catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Its exit status or signal, once it has ended. */
  get end(): number | NodeJS.Signals | undefined {
    return this.#child.exitCode ?? this.#child.signalCode ?? undefined;
  }

  /** All that it and earlier ones with the same log file printed. */
  get log(): string {
    const { logFile } = this.#options;
    return existsSync(logFile) ? readFileSync(logFile, "utf8") : "";
  }

  /** How much memory it has now, in MiB. */
  get residentMib(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024);
  }

  /**
   * Waits until something is so; where it cannot be told yet, `reached` may throw.
   * @param pauseMs between two looks
   * @returns after how many milliseconds it was
   * @throws where it is not in time, or the program ends first; the message holds the end of its log
   */
  async until(
    what: string,
    reached: () => Promise<boolean> | boolean,
    timeoutMs = 180_000,
    pauseMs = 100,
  ): Promise<number> {
    const start = performance.now();
    const elapsed = () => Math.round(performance.now() - start);
    const name = this.#options.command[0].replace(/.*\//, "");
    let last = "";
    while (elapsed() < timeoutMs) {
      if (this.end !== undefined) {
        throw new Error(`${name} ended (${this.end}) before ${what}:\n${this.log.slice(-4000)}`);
      }
      try {
        if (await reached()) return elapsed();
      } catch (error) {
        last = (error as Error).message;
      }
      await sleep(pauseMs);
    }
    throw new Error(
      `${name}: waited ${timeoutMs} ms in vain until ${what} ${last}\n${this.log.slice(-4000)}`,
    );
  }

  /** Ends it and waits until it is gone; SIGKILL follows where it takes longer than `patienceMs`. */
  async stop(signal: NodeJS.Signals = "SIGTERM", patienceMs = 10_000): Promise<void> {
    if (this.end !== undefined || this.#child.pid === undefined) return;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), patienceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { lastWords } from "./console.js";
import type { Emulator } from "./emulator.js";
import { VmError, type VmErrorCode } from "./errors.js";
import { MarkerStream } from "./marker.js";
import type { Progress } from "./prepare.js";
import { findProgram } from "./programs.js";

/** How the command ended. */
export interface VmResult {
  /** The command's exit status; 128 + N when signal N ended it, 127 when it was not found. */
  readonly exitStatus: number;
  /** From QEMU's start to the command's. */
  readonly bootMs: number;
  /** From the command's start to its end. */
  readonly durationMs: number;
  /**
   * How fast the guest's clock went while the command ran: 1 is right. Both ends of the interval are known to about
   * 10 ms, so it says something for commands of some seconds only.
   */
  readonly clockRatio: number;
  /** The guest's `uname -r`. */
  readonly kernelRelease: string;
}

/** What a machine needs beside QEMU's arguments. */
export interface MachineSetup {
  readonly emulator: Emulator;
  /** QEMU's arguments, with {@link CHANNEL_FDS}. */
  readonly args: readonly string[];
  /** Given to the guest once it asks: see guest/session. */
  readonly settings: string;
  /** Ends each of the guest's output streams. */
  readonly marker: string;
  readonly bootLimitMs: number;
  readonly timeoutMs?: number;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  readonly console?: Writable;
  readonly forwardSignals?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

/** Where QEMU finds the guest's channels: each is one end of a pair of sockets, so there are no files to clean up. */
export const CHANNEL_FDS = { control: 3, stdout: 4, stderr: 5, console: 6 } as const;

const KEPT_CONSOLE = 256 * 1024;
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One QEMU process, from its start to its end. */
export class Machine {
  /** @throws VmError */
  readonly result: Promise<VmResult>;
  readonly #setup: MachineSetup;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #cleanups: (() => void)[] = [];
  readonly #startedAt = performance.now();
  #console = Buffer.alloc(0);
  #qemuMessages = "";
  #start: { readonly at: number; readonly release: string; readonly uptime: number } | undefined;
  #exit: { readonly at: number; readonly status: number; readonly uptime: number } | undefined;
  #synced = false;
  #streamsLeft = 2;
  #failure: { code: VmErrorCode; sentence: string } | undefined;
  #bootHung = false;
  #signals = 0;

  constructor(setup: MachineSetup) {
    this.#setup = setup;
    // setpriv: the kernel ends QEMU when this process dies, however it dies. A session of its own keeps the
    // terminal's Ctrl-C from QEMU, which would end the guest before the command has heard of it.
    const { program, args, env } = setup.emulator;
    this.#child = spawn(
      findProgram("setpriv"),
      ["--pdeathsig", "KILL", "--", program, ...args, ...setup.args],
      {
        stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe", "pipe"],
        detached: true,
        env: { ...process.env, ...env },
      },
    );
    const sockets = this.#child.stdio as unknown as readonly Socket[];
    for (const socket of sockets) socket?.on("error", () => {}); // QEMU's end tells the rest.
    this.#control = sockets[CHANNEL_FDS.control]!;
    sockets[2]!.on("data", (chunk: Buffer) => {
      this.#qemuMessages = (this.#qemuMessages + chunk.toString()).slice(-4096);
    });
    this.#pass(sockets[CHANNEL_FDS.stdout]!, setup.stdout);
    this.#pass(sockets[CHANNEL_FDS.stderr]!, setup.stderr);
    sockets[CHANNEL_FDS.console]!.on("data", (chunk: Buffer) => {
      this.#console = Buffer.concat([this.#console, chunk]).subarray(-KEPT_CONSOLE);
      setup.console?.write(chunk);
    });
    createInterface({ input: this.#control }).on("line", (line) => this.#hear(line));
    this.#watchLimits();
    this.#watchSignals();
    this.result = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", () => {
        for (const cleanup of this.#cleanups) cleanup();
        const result = this.#summary();
        if (result) resolve(result);
        else reject(this.#error());
      });
    });
  }

  /** Whether the guest hung or panicked before the command began, so that nothing speaks against another try. */
  get diedBooting(): boolean {
    return this.#start === undefined && (this.#bootHung || /Kernel panic - /.test(this.#console.toString()));
  }

  /** The control port's protocol: see guest/session. */
  #hear(line: string): void {
    const [word, ...rest] = line.split(" ");
    const at = performance.now();
    if (word === "up") {
      this.#control.write(`${Buffer.from(this.#setup.settings).toString("base64")}\n`);
    } else if (word === "start") {
      this.#start = { at, release: rest[0] ?? "", uptime: Number(rest[1]) };
      const seconds = ((at - this.#startedAt) / 1000).toFixed(1);
      this.#setup.progress?.(`booted Linux ${this.#start.release} in ${seconds} s`);
    } else if (word === "exit") {
      this.#exit = { at, status: Number(rest[0]), uptime: Number(rest[1]) };
    } else if (word === "done") {
      this.#synced = true;
      this.#endIfDone();
    } else if (word === "fail") {
      this.#fail("GUEST_FAILED", `the guest could not be set up: ${rest.join(" ")}`);
    }
  }

  #pass(from: Readable, to: Writable | undefined): void {
    const stream = from.pipe(new MarkerStream(this.#setup.marker));
    const passed = (): void => {
      if (stream.complete) this.#streamsLeft -= 1;
      this.#endIfDone();
    };
    if (to) {
      stream.pipe(to, { end: false });
      // An empty write is done when all before it are.
      stream.on("end", () => to.write(new Uint8Array(), passed));
    } else {
      stream.on("end", passed).resume();
    }
  }

  /** The guest has nothing left to save, so it need not shut down. */
  #endIfDone(): void {
    if (this.#synced && this.#streamsLeft === 0) this.#child.kill("SIGKILL");
  }

  #fail(code: VmErrorCode, sentence: string): void {
    this.#failure ??= { code, sentence };
    this.#child.kill("SIGKILL");
  }

  #watchLimits(): void {
    const { timeoutMs, bootLimitMs, signal } = this.#setup;
    this.#after(bootLimitMs, () => {
      if (this.#start) return;
      this.#bootHung = true;
      this.#fail("GUEST_FAILED", `the guest had not booted after ${bootLimitMs / 1000} s`);
    });
    if (timeoutMs !== undefined) {
      this.#after(timeoutMs, () => {
        const doing = this.#start ? "the command was still running" : "the guest had not booted";
        this.#fail("TIMEOUT", `the time limit passed while ${doing}; the virtual machine was ended`);
      });
    }
    const abort = (): void => this.#fail("ABORTED", "the run was aborted");
    signal?.addEventListener("abort", abort);
    this.#cleanups.push(() => signal?.removeEventListener("abort", abort));
  }

  #after(ms: number, action: () => void): void {
    // setTimeout takes no longer delays than 2^31 - 1 ms, some 25 days.
    const timer = setTimeout(action, Math.min(ms, 2 ** 31 - 1));
    this.#cleanups.push(() => clearTimeout(timer));
  }

  #watchSignals(): void {
    if (!this.#setup.forwardSignals) return;
    for (const name of FORWARDED) {
      const forward = (): void => {
        this.#signals += 1;
        if (!this.#start || this.#signals > 1) this.#fail("ABORTED", `ended by ${name}`);
        else this.#control.write(`signal ${name.slice("SIG".length)}\n`);
      };
      process.on(name, forward);
      this.#cleanups.push(() => process.off(name, forward));
    }
  }

  #summary(): VmResult | undefined {
    const [start, exit] = [this.#start, this.#exit];
    if (!start || !exit || !this.#synced || this.#streamsLeft > 0 || this.#failure) return undefined;
    const durationMs = exit.at - start.at;
    return {
      exitStatus: exit.status,
      bootMs: start.at - this.#startedAt,
      durationMs,
      clockRatio: ((exit.uptime - start.uptime) * 1000) / durationMs,
      kernelRelease: start.release,
    };
  }

  #error(): VmError {
    const { reason, excerpt } = lastWords(this.#console.toString());
    if (this.#failure) {
      return new VmError(this.#failure.code, this.#failure.sentence, { console: excerpt });
    }
    const when = this.#start ? "while the command ran" : "before it had booted";
    const why = reason ?? (this.#qemuMessages.trim() || "neither it nor QEMU gave a reason");
    return new VmError("GUEST_FAILED", `the guest ended ${when}: ${why}`, { console: excerpt });
  }
}

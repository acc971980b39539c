import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { realpathSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { VmError } from "./errors.js";
import { MarkerStream } from "./marker.js";
import { type PreparedKernel, type Progress, prepareKernel } from "./prepare.js";
import { findProgram } from "./programs.js";
import { chooseAccelerator, qemuArguments } from "./qemu.js";
import { hiddenFolders, settingsScript } from "./settings.js";

/** What to run, and in which machine. */
export interface VmOptions {
  /** A kernel's name ("6.1"), or one that {@link prepareKernel} gave. */
  readonly kernel: string | PreparedKernel;
  /** The program, looked up on the guest's PATH, and its arguments. */
  readonly command: readonly string[];
  /** The command's folder, the same on both sides. Default: this process's. */
  readonly cwd?: string;
  /** Added to the guest's small environment (PATH, HOME, LANG, TERM, USER, WEIR_VM, WEIR_KERNEL). */
  readonly env?: Readonly<Record<string, string>>;
  /** Default 3072. */
  readonly memoryMiB?: number;
  /** Default 2. */
  readonly cpus?: number;
  /** From QEMU's start to the command's end. Default: no limit. */
  readonly timeoutMs?: number;
  /** Host folders that the guest sees at the same paths and may write. Anything else it writes is lost. */
  readonly shares?: readonly string[];
  /** Whether /sys/fs/bpf is mounted. Default true. */
  readonly bpffs?: boolean;
  /** Where the command's output goes, byte for byte; neither is ended. Default: thrown away. */
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** Receives the guest's console, with all of the kernel's messages. */
  readonly console?: Writable;
  /** Sends each SIGINT, SIGTERM and SIGHUP that this process gets to the command; the second ends the machine. */
  readonly forwardSignals?: boolean;
  /** Ends the machine. */
  readonly signal?: AbortSignal;
  /** Told about long steps. */
  readonly progress?: Progress;
}

/** How the command ended. */
export interface VmResult {
  /** The command's exit status; 128 + N when signal N ended it, 127 when it was not found. */
  readonly exitStatus: number;
  /** From QEMU's start to the command's. */
  readonly bootMs: number;
  /** From the command's start to its end. */
  readonly durationMs: number;
  /** The guest's `uname -r`. */
  readonly kernelRelease: string;
}

const KEPT_CONSOLE = 64 * 1024;
const SHOWN_CONSOLE_LINES = 30;

/**
 * Boots a kernel in QEMU, runs one command as root on an overlay of this host's root, and ends the machine. The
 * guest sees every file of the host; what it writes vanishes, but in `shares`. QEMU dies with this process, however
 * that ends, and there are no temporary files.
 *
 * @throws VmError TIMEOUT, ABORTED, GUEST_FAILED (with the console's last lines), and what
 *   {@link prepareKernel} throws.
 */
export async function runInVm(options: VmOptions): Promise<VmResult> {
  const cwd = realpathSync(options.cwd ?? process.cwd());
  const shares = (options.shares ?? []).map(checkedFolder);
  if (options.command.length === 0) throw new RangeError("runInVm: the command is empty");
  const kernel =
    typeof options.kernel === "string" ? await prepareKernel(options.kernel, options) : options.kernel;
  options.signal?.throwIfAborted();

  const marker = `\u0004weir-end ${randomBytes(16).toString("hex")}`;
  const script = settingsScript({
    modules: kernel.modules,
    bpffs: options.bpffs ?? true,
    shows: hiddenFolders([cwd, checkout, kernel.modules, process.execPath]),
    shares,
    marker,
    directory: cwd,
    env: { ...guestEnvironment(kernel.name), ...options.env },
    command: options.command,
  });
  const args = qemuArguments({
    accelerator: chooseAccelerator(),
    image: kernel.image,
    initramfs: kernel.initramfs,
    memoryMiB: options.memoryMiB ?? 3072,
    cpus: options.cpus ?? 2,
    shares,
    verbose: options.console !== undefined,
    root: process.getuid?.() === 0,
    fds: { control: 3, stdout: 4, stderr: 5, console: 6 },
  });
  return new Machine(options, marker, script, args).result;
}

/** The folder of the checkout that this file is part of. */
const checkout = fileURLToPath(new URL("../../../", import.meta.url));

function checkedFolder(path: string): string {
  const folder = realpathSync(path);
  if (!statSync(folder).isDirectory()) throw new RangeError(`${path} is not a folder and cannot be shared`);
  return folder;
}

function guestEnvironment(kernel: string): Record<string, string> {
  const path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const node = dirname(process.execPath);
  return {
    PATH: (path.includes(node) ? path : [node, ...path]).join(":"),
    HOME: "/root",
    USER: "root",
    LANG: "C.UTF-8",
    TERM: "dumb",
    WEIR_VM: "1",
    WEIR_KERNEL: kernel,
  };
}

/** One QEMU process from start to end. */
class Machine {
  readonly result: Promise<VmResult>;
  readonly #child: ChildProcess;
  readonly #options: VmOptions;
  readonly #control: Socket;
  readonly #cleanups: (() => void)[] = [];
  readonly #startedAt = performance.now();
  #console = Buffer.alloc(0);
  #qemuMessages = "";
  #commandAt: number | undefined;
  #release = "";
  #exitStatus: number | undefined;
  #endedAt = 0;
  #streamsLeft = 2;
  #failure: { code: "TIMEOUT" | "ABORTED" | "GUEST_FAILED"; sentence: string } | undefined;
  #signals = 0;

  constructor(options: VmOptions, marker: string, script: string, args: readonly string[]) {
    this.#options = options;
    // setpriv: the kernel ends QEMU when this process dies, however it dies. A session of its own keeps the
    // terminal's Ctrl-C from reaching QEMU, which would end the guest before the command has heard of it.
    this.#child = spawn(
      findProgram("setpriv"),
      ["--pdeathsig", "KILL", "--", findProgram("qemu-system-x86_64"), ...args],
      { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe", "pipe"], detached: true },
    );
    const [, , messages, control, stdout, stderr, guestConsole] = this.#child.stdio as unknown as Socket[];
    this.#control = control!;
    messages!.on("data", (chunk: Buffer) => {
      this.#qemuMessages = (this.#qemuMessages + chunk).slice(-4096);
    });
    this.#pass(stdout!, marker, options.stdout);
    this.#pass(stderr!, marker, options.stderr);
    this.#readConsole(guestConsole!);
    this.#speak(script);
    this.#watchLimits();
    this.result = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", () => {
        for (const cleanup of this.#cleanups) cleanup();
        if (this.#finished) resolve(this.#summary());
        else reject(this.#error());
      });
    });
  }

  get #finished(): boolean {
    return this.#exitStatus !== undefined && this.#streamsLeft === 0 && this.#failure === undefined;
  }

  /** The machine has nothing worth saving: the guest has synced its shares before it reported the exit. */
  #kill(): void {
    this.#child.kill("SIGKILL");
  }

  #fail(code: "TIMEOUT" | "ABORTED" | "GUEST_FAILED", sentence: string): void {
    this.#failure ??= { code, sentence };
    this.#kill();
  }

  #pass(from: Readable, marker: string, to: Writable | undefined): void {
    const stream = new MarkerStream(marker, () => {
      this.#streamsLeft -= 1;
      if (this.#finished) this.#kill();
    });
    from.on("error", () => {});
    from.pipe(stream);
    if (to) stream.pipe(to, { end: false });
    else stream.resume();
  }

  #readConsole(guestConsole: Readable): void {
    guestConsole.on("error", () => {});
    guestConsole.on("data", (chunk: Buffer) => {
      this.#console = Buffer.concat([this.#console, chunk]).subarray(-KEPT_CONSOLE);
      this.#options.console?.write(chunk);
    });
  }

  /** The control port's protocol: see guest/session. */
  #speak(script: string): void {
    this.#control.on("error", () => {});
    createInterface({ input: this.#control }).on("line", (line) => {
      const [word, ...rest] = line.split(" ");
      if (word === "up") {
        this.#control.write(`${Buffer.from(script).toString("base64")}\n`);
      } else if (word === "start") {
        this.#commandAt = performance.now();
        this.#release = rest.join(" ");
        const seconds = ((this.#commandAt - this.#startedAt) / 1000).toFixed(1);
        this.#options.progress?.(`booted Linux ${this.#release} in ${seconds} s`);
      } else if (word === "exit") {
        this.#endedAt = performance.now();
        this.#exitStatus = Number(rest[0]);
        if (this.#finished) this.#kill();
      } else if (word === "fail") {
        this.#fail("GUEST_FAILED", `the guest could not be set up: ${rest.join(" ")}`);
      }
    });
  }

  #watchLimits(): void {
    const { timeoutMs, signal, forwardSignals } = this.#options;
    if (timeoutMs !== undefined) {
      const timer = setTimeout(() => {
        const doing =
          this.#commandAt === undefined ? "the guest had not booted" : "the command was still running";
        this.#fail("TIMEOUT", `after ${timeoutMs / 1000} s ${doing}; the virtual machine was ended`);
      }, timeoutMs);
      this.#cleanups.push(() => clearTimeout(timer));
    }
    if (signal) {
      const abort = (): void => this.#fail("ABORTED", "the run was aborted");
      signal.addEventListener("abort", abort);
      this.#cleanups.push(() => signal.removeEventListener("abort", abort));
    }
    if (forwardSignals) {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        const forward = (): void => this.#forward(name);
        process.on(name, forward);
        this.#cleanups.push(() => process.off(name, forward));
      }
    }
  }

  #forward(name: NodeJS.Signals): void {
    this.#signals += 1;
    if (this.#commandAt === undefined || this.#signals > 1) this.#fail("ABORTED", `ended by ${name}`);
    else this.#control.write(`signal ${name.slice("SIG".length)}\n`);
  }

  #summary(): VmResult {
    return {
      exitStatus: this.#exitStatus!,
      bootMs: this.#commandAt! - this.#startedAt,
      durationMs: this.#endedAt - this.#commandAt!,
      kernelRelease: this.#release,
    };
  }

  #error(): VmError {
    const lines = this.#console.toString().replaceAll("\r", "").trimEnd().split("\n");
    const last = lines.slice(-SHOWN_CONSOLE_LINES).join("\n");
    if (this.#failure) {
      return new VmError(this.#failure.code, this.#failure.sentence, { console: last });
    }
    const when = this.#commandAt === undefined ? "before it had booted" : "while the command ran";
    const why = /Kernel panic - .*/.exec(last)?.[0] ?? (this.#qemuMessages.trim() || "it gave no reason");
    return new VmError("GUEST_FAILED", `the guest ended ${when}: ${why}`, { console: last });
  }
}

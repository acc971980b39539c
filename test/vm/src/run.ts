import { randomBytes } from "node:crypto";
import { mkdirSync, realpathSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { prepareEmulator } from "./emulator.js";
import { VmError } from "./errors.js";
import { withLock } from "./lock.js";
import { CHANNEL_FDS, Machine, type MachineSetup, type VmResult } from "./machine.js";
import { type NicModel, nicAddress, nicDrivers, oldestQemu } from "./nics.js";
import { cacheFolder, type PreparedKernel, type Progress, prepareKernel } from "./prepare.js";
import { chooseAccelerator, qemuArguments } from "./qemu.js";
import { hiddenFolders, settingsScript } from "./settings.js";

/** What to run, and in which machine. */
export interface VmOptions {
  /** A kernel's name ("6.1"), or one that {@link prepareKernel} gave. */
  readonly kernel: string | PreparedKernel;
  /** The program, looked up on the guest's PATH, and its arguments. Its standard input is empty. */
  readonly command: readonly string[];
  /** The command's folder, the same on both sides. Default: this process's. */
  readonly cwd?: string;
  /** Added to the guest's small environment (PATH, HOME, LANG, TERM, USER, WEIR_VM, WEIR_KERNEL). */
  readonly env?: Readonly<Record<string, string>>;
  /** Default 3072. */
  readonly memoryMiB?: number;
  /** Default 2. */
  readonly cpus?: number;
  /**
   * Makes the guest's time go by the instructions that it executes, one for each nanosecond, whatever the host does in
   * the meantime: what is measured in the guest does not depend on the host's load, but takes as long as it takes. The
   * processor is emulated. Where the guest waits for its host, for a file or its output, its time runs on. Default
   * false.
   */
  readonly virtualTime?: boolean;
  /** From QEMU's start to the command's end. Default: no limit. */
  readonly timeoutMs?: number;
  /** Host folders that the guest sees at the same paths and may write. Anything else it writes is lost. */
  readonly shares?: readonly string[];
  /** Whether /sys/fs/bpf is mounted. Default true. */
  readonly bpffs?: boolean;
  /**
   * Network cards, of which each two are joined by a wire: the first with the second and so on. Their link-layer
   * addresses are in WEIR_VM_NICS, with commas between them. Default: none.
   */
  readonly nics?: readonly NicModel[];
  /** Where the command's output goes, byte for byte; never ended. Default: thrown away. */
  readonly stdout?: Writable;
  /** Where the command's standard error goes, likewise. */
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

/** A boot takes 3 to 5 s when emulated, and up to 20 s on a machine with four times as much to do as it can. */
const BOOT_LIMIT_MS = 90_000;
/** In virtual time a boot is three thousand million instructions, and one thread executes them. */
const VIRTUAL_BOOT_LIMIT_MS = 600_000;
/** Emulated kernels have been seen to panic while booting, about once in two hundred times. */
const BOOT_TRIES = 3;
/** How far the guest's clock may be off this host's before somebody is told: a part of the time, and jitter. */
const CLOCK_TOLERANCE = 0.005;
const CLOCK_JITTER_MS = 300;

/** The folder of the checkout that this file is part of. */
const checkout = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Boots a kernel in QEMU, runs one command as root on an overlay of this host's root, and ends the machine. The
 * guest sees every file of the host; what it writes vanishes, but in `shares`. QEMU dies with this process, however
 * that ends, and there are no temporary files.
 *
 * No more machines run at once than there are processors, whoever starts them: others wait, and their time limit
 * begins when they start.
 *
 * An emulated guest that panics or hangs before the command began is booted again, at most twice.
 *
 * @throws VmError TIMEOUT, ABORTED, GUEST_FAILED (with what the console said), and what {@link prepareKernel}
 *   throws. RangeError for a command, an environment or a share that cannot be.
 */
export async function runInVm(options: VmOptions): Promise<VmResult> {
  const waiting = () => options.progress?.("waiting for another virtual machine to end");
  return withLock(turns(), waiting, () => runNow(options));
}

/**
 * One lock for each processor: emulated machines that share processors slow each other down until time limits pass,
 * and together they take longer than one after the other.
 */
function turns(): string[] {
  const folder = join(cacheFolder(), "turns");
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: availableParallelism() }, (_, index) => join(folder, String(index)));
}

async function runNow(options: VmOptions): Promise<VmResult> {
  const deadline = options.timeoutMs === undefined ? undefined : performance.now() + options.timeoutMs;
  const progress = options.progress ?? (() => {});
  const setup = await prepareSetup(options);
  for (let attempt = 1; ; attempt++) {
    if (options.signal?.aborted) throw new VmError("ABORTED", "the run was aborted");
    const timeoutMs = deadline === undefined ? {} : { timeoutMs: deadline - performance.now() };
    const machine = new Machine({ ...options, ...setup, ...timeoutMs });
    try {
      const result = await machine.result;
      if (!options.virtualTime) warnOfClock(result, progress);
      return result;
    } catch (error) {
      if (!(error instanceof VmError) || error.code !== "GUEST_FAILED") throw error;
      if (!machine.diedBooting || attempt === BOOT_TRIES) throw error;
      progress(`${error.message}; booting it again`);
    }
  }
}

async function prepareSetup(
  options: VmOptions,
): Promise<Pick<MachineSetup, "emulator" | "args" | "settings" | "marker" | "bootLimitMs">> {
  const cwd = realpathSync(options.cwd ?? process.cwd());
  const shares = (options.shares ?? []).map(checkedFolder);
  if (options.command.length === 0) throw new RangeError("runInVm: the command is empty");
  const kernel =
    typeof options.kernel === "string" ? await prepareKernel(options.kernel, options) : options.kernel;
  const nics = options.nics ?? [];
  const addresses = nics.map((_, index) => nicAddress(index)).join();
  const marker = `\u0004weir-end ${randomBytes(16).toString("hex")}`;
  const settings = settingsScript({
    modules: kernel.modules,
    bpffs: options.bpffs ?? true,
    shows: hiddenFolders([cwd, checkout, kernel.modules, process.execPath]),
    shares,
    marker,
    directory: cwd,
    env: {
      ...guestEnvironment(kernel.name),
      ...(nics.length > 0 ? { WEIR_VM_NICS: addresses } : {}),
      ...options.env,
    },
    drivers: nicDrivers(nics),
    command: options.command,
  });
  const emulator = await prepareEmulator(oldestQemu(nics), options);
  const args = qemuArguments({
    accelerator: options.virtualTime ? "tcg" : chooseAccelerator(),
    virtualTime: options.virtualTime ?? false,
    image: kernel.image,
    initramfs: kernel.initramfs,
    memoryMiB: options.memoryMiB ?? 3072,
    cpus: options.cpus ?? 2,
    shares,
    nics,
    verbose: options.console !== undefined,
    root: process.getuid?.() === 0,
    fds: CHANNEL_FDS,
  });
  const bootLimitMs = options.virtualTime ? VIRTUAL_BOOT_LIMIT_MS : BOOT_LIMIT_MS;
  return { emulator, args, settings, marker, bootLimitMs };
}

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

function warnOfClock({ clockRatio, durationMs }: VmResult, progress: Progress): void {
  const offMs = Math.abs(clockRatio - 1) * durationMs;
  if (offMs < CLOCK_TOLERANCE * durationMs + CLOCK_JITTER_MS) return;
  const percent = ((clockRatio - 1) * 100).toFixed(1);
  progress(`the guest's clock was ${percent}% off this host's: its measurements of time are too`);
}

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { DEFAULT_BPFFS, DEFAULT_STATE_DIRECTORY, type ShaperOptions } from "@weir/shaper";
import { NetworkNamespace } from "@weir/syscall";
import { runPlugin } from "../cni/run.js";
import { Slot } from "./slot.js";
import { declined, formatReply, PATIENCE_SECONDS, serverLink, uptime, type WireCall } from "./wire.js";

/** How many calls can come at once; what comes beside them is the plugin's own to do. */
const SLOTS = 32;
const SWEEP_MS = 30_000;

/** A caller may create a file in a folder that is being removed. */
const thoroughly = { recursive: true, force: true, maxRetries: 5, retryDelay: 1 } as const;

/** A call that a server has answered. */
export interface ServedCall {
  /** ADD, DEL or CHECK. */
  readonly command: string;
  /** The container's id and the interface's name. */
  readonly id: string;
  readonly durationMs: number;
  /** The error's sentence, or why the server left the call to the plugin. */
  readonly problem?: string;
}

/**
 * Answers the plugin's calls in a process that stays, so that a call need not start Node.js: the plugin's launcher, a
 * shell script, hands it on through named pipes. Without a server the plugin does the same work itself; nothing is
 * kept in memory between calls, so that the server may come, go and be replaced at any moment.
 *
 * The pipes lie in a folder of the state directory, for root alone.
 */
export class CallServer {
  /** Where callers look for the server. */
  readonly path: string;
  readonly #options: ShaperOptions;
  readonly #served: (call: ServedCall) => void;
  readonly #folder: string;
  readonly #mark: string;
  readonly #slots = new Set<Slot>();
  readonly #replies = new Set<Promise<void>>();
  readonly #sweeper: NodeJS.Timeout;
  #made = 0;

  private constructor(options: ShaperOptions, served: (call: ServedCall) => void) {
    const { bpffs = DEFAULT_BPFFS, stateDirectory = DEFAULT_STATE_DIRECTORY } = options;
    this.path = serverLink(options);
    this.#options = options;
    this.#served = served;
    mkdirSync(stateDirectory, { recursive: true, mode: 0o755 });
    const leftovers = readdirSync(stateDirectory).filter((name) => /^serving-/.test(name));
    this.#folder = mkdtempSync(join(stateDirectory, "serving-"));
    const name = `weir-${basename(this.#folder)}`;
    this.#mark = join(bpffs, name);
    try {
      // By this callers see that the server's BPF filesystem is theirs: in a container it may be another.
      mkdirSync(this.#mark, { mode: 0o700 });
      writeFileSync(join(this.#folder, "mark"), `${name}\n`);
      for (let count = 0; count < SLOTS; count++) this.#addSlot();
      this.#takeOver();
    } catch (error) {
      this.#remove();
      throw error;
    }
    // Whoever is still served from one of them has it open.
    for (const old of leftovers) {
      rmSync(join(stateDirectory, old), thoroughly);
      rmSync(join(bpffs, `weir-${old}`), thoroughly);
    }
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /**
   * Begins to answer. Another server on the same state directory gets no new calls from then on.
   * @param served is told of each call
   * @throws what mkdir(2), mkfifo(3) and symlink(2) say: the state directory must be writable, and the BPF filesystem
   */
  static listen(options: ShaperOptions = {}, served: (call: ServedCall) => void = () => {}): CallServer {
    return new CallServer(options, served);
  }

  /** Takes no more calls, answers what has arrived, and leaves a successor alone. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    if (this.#isAsked) rmSync(this.path, { force: true });
    // Who has a slot and has not sent the call yet is told so by the end of the file, and does the work itself.
    for (const slot of this.#slots) if (!slot.heard) this.#drop(slot);
    await Promise.all(this.#replies);
    this.#remove();
  }

  /** The link moves in one step: until then an older server is asked, and from then on this one. */
  #takeOver(): void {
    const temporary = `${this.#folder}/link`;
    symlinkSync(basename(this.#folder), temporary);
    renameSync(temporary, this.path);
  }

  #remove(): void {
    for (const slot of this.#slots) this.#drop(slot);
    rmSync(this.#folder, thoroughly);
    rmSync(this.#mark, thoroughly);
  }

  #addSlot(): void {
    const slot = new Slot(join(this.#folder, `slot-${this.#made++}`), (call) => {
      const reply = this.#receive(slot, call);
      this.#replies.add(reply);
      void reply.finally(() => this.#replies.delete(reply));
    });
    this.#slots.add(slot);
  }

  #drop(slot: Slot): void {
    this.#slots.delete(slot);
    slot.discard();
  }

  #sweep(): void {
    for (const slot of this.#slots) {
      if (!slot.isAbandoned()) continue;
      this.#drop(slot);
      if (this.#isAsked) this.#addSlot();
    }
  }

  /** Whether it is this server that callers find; a successor removes the folder of an older one. */
  get #isAsked(): boolean {
    return targetOf(this.path) === basename(this.#folder);
  }

  async #receive(slot: Slot, call: WireCall | undefined): Promise<void> {
    this.#slots.delete(slot);
    if (this.#isAsked) this.#addSlot();
    await slot.answer(call ? await this.#reply(call) : declined);
  }

  async #reply(call: WireCall): Promise<string> {
    const { CNI_COMMAND: command = "", CNI_CONTAINERID: containerId, CNI_IFNAME: ifname } = call.env;
    const started = process.hrtime.bigint();
    const reason = this.#whyNot(call);
    let said = "";
    let reply = declined;
    if (reason === undefined) {
      let output = "";
      const code = await runPlugin({
        env: call.env,
        readInput: () => call.input,
        write: (fd, text) => {
          if (fd === 1) output += text;
          else said += text;
        },
        // Whoever else holds the lock: the caller must have its answer while it waits for one.
        options: { lockTimeoutMs: (PATIENCE_SECONDS / 2) * 1000, ...this.#options },
      });
      reply = formatReply(code, said, output);
    }
    const problem =
      reason === undefined ? said.replace(/^weir: /, "").trim() : `left to the plugin: ${reason}`;
    this.#served({
      command,
      id: `${containerId}/${ifname}`,
      durationMs: Number(process.hrtime.bigint() - started) / 1e6,
      ...(problem === "" ? {} : { problem }),
    });
    return reply;
  }

  /** Why a call must not be answered here. */
  #whyNot({ env: { CNI_NETNS: netns }, askedAt }: WireCall): string | undefined {
    // The caller will have done it itself, and what came after that call must not be undone by it.
    const late = uptime() - askedAt;
    if (!(late < PATIENCE_SECONDS / 2 - 1)) return `it came ${late.toFixed(1)} s late`;
    if (!netns) return undefined;
    try {
      NetworkNamespace.open(netns).close();
      return undefined;
    } catch {
      return `there is no network namespace at ${netns} for this process`;
    }
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

import { Shaper } from "@weir/shaper";
import { codeOf, sentenceOf } from "../errors.js";
import type { Context } from "../node/context.js";
import type { AttachmentState } from "./attachment-checker.js";

/** Between two attachments: each waits for a grace period of RCU, and the plugin's calls must not wait behind them all. */
const PAUSE_MS = 200;

/**
 * Puts links that the host holds in place of filters inside pods, one attachment after the other in its own time: see
 * Shaper.hold.
 */
export class Holder implements Disposable {
  readonly #context: Context;
  readonly #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  /** Whether the kernel cannot do it. */
  #isUseless = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Considers an attachment; only healthy ones that are not held yet are changed. */
  offer(id: string, state: AttachmentState | undefined): void {
    if (this.#isUseless || !this.#context.settings().hold) return;
    if (!state?.inspection.healthy || state.record.hold || state.record.state !== "active") return;
    this.#waiting.add(id);
    this.#timer ??= setTimeout(() => this.#next(), PAUSE_MS).unref();
  }

  #next(): void {
    this.#timer = undefined;
    const [id] = this.#waiting;
    if (id === undefined) return;
    this.#waiting.delete(id);
    this.#hold(id);
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#next(), PAUSE_MS).unref();
  }

  #hold(id: string): void {
    const { shaper: options, records, log, settings } = this.#context;
    if (!settings().hold || !records.get(id)) return;
    try {
      using shaper = Shaper.open(options);
      if (shaper.hold(id)) {
        records.expire();
        log.debug({ id }, "held by links");
        return;
      }
      this.#isUseless = true;
      this.#waiting.clear();
      log.info("this kernel has no tcx links, so filters inside pods stamp their packets (Linux 6.6 has)");
    } catch (error) {
      // It is shaped as it was; the next full pass offers it again.
      log.debug({ id, reason: codeOf(error) }, `not held yet: ${sentenceOf(error)}`);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }
}

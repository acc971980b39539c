import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { type AttachmentRecord, Shaper } from "@weir/shaper";
import { NetworkNamespace } from "@weir/syscall";
import { sentenceOf } from "../errors.js";
import type { Context } from "../node/context.js";
import { isPod, keyOf, nameInLog } from "../pods/pod.js";
import { type AttachmentState, absences } from "./attachment-checker.js";

/** How long an attachment's namespace or device must have been gone. */
export const GONE_MS = 60_000;

/** Removes attachments that belong to nobody any more, with all doubts on the side of keeping them. */
export class Collector {
  readonly #context: Context;
  readonly #states: ReadonlyMap<string, AttachmentState>;
  readonly #isSynced: () => boolean;
  readonly #goneSince = new Map<string, number>();

  /**
   * @param states what was found of each attachment in this pass
   * @param isSynced whether the pods are known
   */
  constructor(context: Context, states: ReadonlyMap<string, AttachmentState>, isSynced: () => boolean) {
    this.#context = context;
    this.#states = states;
    this.#isSynced = isSynced;
  }

  /**
   * Removes what has been gone for long enough.
   * @param thoroughly also finishes what crashes left half done, and frees what no record claims; that takes longer
   * @param now of performance.now()
   */
  collect(thoroughly: boolean, now = performance.now()): void {
    const { records, log } = this.#context;
    const gone: AttachmentRecord[] = [];
    let present = 0;
    for (const record of records.all.values()) {
      const problems = this.#states.get(record.id)?.inspection.problems;
      if (!problems) continue;
      if (problems.some(({ code }) => absences.has(code))) gone.push(record);
      else present++;
    }
    const ids = new Set(gone.map(({ id }) => id));
    for (const id of this.#goneSince.keys()) if (!ids.has(id)) this.#goneSince.delete(id);
    for (const { id } of gone) if (!this.#goneSince.has(id)) this.#goneSince.set(id, now);
    // Where everything is gone at once, it is rather this process that does not see it.
    if (gone.length > 0 && present === 0) return;
    const files = gone.length > 0 ? this.#context.cache.list() : [];
    const cached = new Set(files.map(({ containerId, ifname }) => `${containerId}/${ifname}`));
    let left = 0;
    for (const record of gone) {
      const since = this.#goneSince.get(record.id) ?? now;
      if (now - since < GONE_MS || cached.has(record.id) || !this.#isOver(record)) {
        left++;
        continue;
      }
      this.#remove(record);
    }
    // It would remove what is gone by itself.
    if (left > 0 || !thoroughly) return;
    using shaper = Shaper.open(this.#context.shaper);
    const { removed, problems } = shaper.gc();
    if (removed.length > 0) {
      records.expire();
      log.info({ removed }, "cleaned up what was left half done");
    }
    for (const { id, message } of problems) log.warn({ id }, `could not be cleaned up: ${message}`);
  }

  /** Whether the kernel and the API server agree that there is nothing left. */
  #isOver({ netns, pod }: AttachmentRecord): boolean {
    if (pod) {
      if (!this.#isSynced()) return false;
      const live = this.#context.pods.get(keyOf(pod));
      if (live && isPod(live, pod) && !live.exempt) return false;
    }
    // A namespace's mount that did not reach this process looks like an empty file, or like an empty folder's absence.
    if (!existsSync(dirname(netns))) return false;
    if (!existsSync(netns)) return true;
    try {
      NetworkNamespace.open(netns).close();
      return true;
    } catch {
      return false;
    }
  }

  #remove(record: AttachmentRecord): void {
    const { shaper: options, log, records } = this.#context;
    const fields = { ...nameInLog(record), interface: record.device };
    try {
      using shaper = Shaper.open(options);
      shaper.remove(record.id);
      records.expire();
      this.#goneSince.delete(record.id);
      log.info(fields, "removed what its pod left");
    } catch (error) {
      log.warn(fields, `could not be removed: ${sentenceOf(error)}`);
    }
  }
}

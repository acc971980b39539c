import { type AttachmentRecord, attachmentOf, type Inspection, Shaper } from "@weir/shaper";
import { Backoff } from "../api/backoff.js";
import { AgentError } from "../errors.js";
import type { Context } from "../node/context.js";
import type { NamespaceMonitor } from "../node/namespace-monitor.js";
import { nameInLog } from "../pods/pod.js";

/** Problems that applying the limits again does not put right. */
const beyondRepair: ReadonlySet<string> = new Set([
  "NETNS_MISSING",
  "DEVICE_MISSING",
  "DEVICE_DOWN",
  "FILTER_BEFORE",
  "LINK_BEFORE",
  "PROGRAM_LATER",
]);

/** That an attachment's namespace or device is not there. */
export const absences: ReadonlySet<string> = new Set(["NETNS_MISSING", "DEVICE_MISSING"]);

/** Another process may be at work on it; what is still so after this was left behind. */
const UNFINISHED_MS = 5_000;

/** So many repairs in so many milliseconds are mended at once; beyond that they are spaced. */
const REPAIRS = 5;
const REPAIRS_MS = 60_000;

/** What is known of an attachment. */
export interface AttachmentState {
  record: AttachmentRecord;
  inspection: Inspection;
}

/** Compares attachments with the kernel, and repairs them. */
export class AttachmentChecker {
  /** What was found last, by id. */
  readonly states = new Map<string, AttachmentState>();
  readonly #context: Context;
  readonly #monitor: NamespaceMonitor;
  readonly #again: (id: string, afterMs: number) => void;
  readonly #repairs = new Map<string, { times: number[]; backoff: Backoff; notBefore: number }>();

  /** @param again has an attachment checked again after a time */
  constructor(context: Context, monitor: NamespaceMonitor, again: (id: string, afterMs: number) => void) {
    this.#context = context;
    this.#monitor = monitor;
    this.#again = again;
  }

  /**
   * Compares one attachment, and repairs it where it can be repaired.
   * @throws what the shaper says; AgentError NOT_REPAIRED where the repair was of no use
   */
  check(id: string): void {
    const { records, shaper: options, log } = this.#context;
    const record = records.get(id);
    if (!record) {
      this.forget(id);
      return;
    }
    using shaper = Shaper.open(options);
    const inspection = this.#inspect(shaper, record);
    if (!inspection) return;
    const { problems } = inspection;
    if (problems.some(({ code }) => absences.has(code))) {
      this.#monitor.unwatch(record.netns);
      return;
    }
    try {
      this.#monitor.watch(record.netns, record.namespace);
    } catch (error) {
      log.debug({ id }, `the namespace cannot be watched: ${(error as Error).message}`);
    }
    // Whoever adds or removes it now is not to be disturbed, and what a crash left is the collector's.
    if (record.state !== "active") {
      records.expire();
      this.#again(id, UNFINISHED_MS);
      return;
    }
    const toRepair = problems.filter(({ code }) => !beyondRepair.has(code));
    if (toRepair.length > 0 && this.#mayRepair(id)) this.#repair(shaper, record, toRepair);
  }

  /** Inspects without any repair, for the metrics. @returns whether something could be repaired */
  look(shaper: Shaper, record: AttachmentRecord): boolean {
    const inspection = this.#inspect(shaper, record);
    return inspection?.problems.some(({ code }) => !beyondRepair.has(code)) ?? false;
  }

  /** Forgets an attachment that is no more, and its namespace if it was the last one there. */
  forget(id: string): void {
    const netns = this.states.get(id)?.record.netns;
    this.states.delete(id);
    this.#repairs.delete(id);
    if (netns !== undefined && this.#context.records.inNamespace(netns).length === 0) {
      this.#monitor.unwatch(netns);
    }
  }

  #inspect(shaper: Shaper, record: AttachmentRecord): Inspection | undefined {
    try {
      const inspection = shaper.inspect(record.id);
      this.states.set(record.id, { record, inspection });
      return inspection;
    } catch (error) {
      if ((error as { code?: string }).code !== "NOT_FOUND") throw error;
      this.#context.records.expire();
      this.forget(record.id);
      return undefined;
    }
  }

  #repair(shaper: Shaper, record: AttachmentRecord, problems: Inspection["problems"]): void {
    const { metrics, log, records } = this.#context;
    shaper.apply(attachmentOf(record), record.limits);
    records.expire();
    for (const { code, message } of problems) {
      metrics.repairs.inc({ problem: code });
      log.info({ ...nameInLog(record), interface: record.device, problem: code }, `repaired: ${message}`);
    }
    const after = this.#inspect(shaper, record);
    const left = after?.problems.filter(({ code }) => !beyondRepair.has(code)) ?? [];
    if (left.length === 0) return;
    throw new AgentError("NOT_REPAIRED", `${record.id} was repaired, but still ${left[0]?.message}`);
  }

  /** Whether it is time: who destroys its shaping again and again is repaired after growing delays. */
  #mayRepair(id: string): boolean {
    const now = performance.now();
    const known = this.#repairs.get(id) ?? {
      times: [],
      backoff: new Backoff(1_000, REPAIRS_MS),
      notBefore: 0,
    };
    this.#repairs.set(id, known);
    if (now < known.notBefore) {
      this.#again(id, known.notBefore - now);
      return false;
    }
    known.times = known.times.filter((time) => now - time < REPAIRS_MS);
    known.times.push(now);
    if (known.times.length <= REPAIRS) known.backoff.reset();
    else known.notBefore = now + known.backoff.next();
    return true;
  }
}

import { existsSync } from "node:fs";
import { type AttachmentRecord, type Limits, Shaper } from "@weir/shaper";
import type { EventWriter } from "../api/events.js";
import { AgentError, codeOf } from "../errors.js";
import type { Context } from "../node/context.js";
import { isAsPlanned, type Place, placesOf, targetOf } from "../place/places.js";
import type { InterfacePlan, Planner } from "../place/planner.js";
import { keyOf, type Pod } from "../pods/pod.js";
import { wantedOf } from "../pods/wanted.js";

/** Errors that a pod's end brings about, at whatever moment it comes. */
const ended: ReadonlySet<string> = new Set(["NETNS_MISSING", "DEVICE_MISSING", "NOT_FOUND"]);

/** Makes pods' limits what their annotations and the node's settings say. */
export class PodReconciler {
  readonly #context: Context;
  readonly #planner: Planner;
  readonly #events: Pick<EventWriter, "warn" | "forget">;
  /** When the newest version of a pod arrived that has not been worked on yet. */
  readonly #arrived = new Map<string, number>();
  readonly #wrong = new Map<string, number>();

  constructor(context: Context, planner: Planner, events: Pick<EventWriter, "warn" | "forget">) {
    this.#context = context;
    this.#planner = planner;
    this.#events = events;
  }

  /** How many annotations are wrong now. */
  get wrongAnnotations(): number {
    let sum = 0;
    for (const count of this.#wrong.values()) sum += count;
    return sum;
  }

  /** Notes when a pod came, from which on its lag counts. */
  arrived(pod: Pod, at: number): void {
    const key = keyOf(pod);
    this.#arrived.set(key, this.#arrived.get(key) ?? at);
  }

  /** Forgets a pod. Its limits are left alone: they end with its namespace. */
  forget(pod: Pod): void {
    this.#arrived.delete(keyOf(pod));
    this.#wrong.delete(keyOf(pod));
    this.#events.forget(pod);
  }

  /**
   * Compares one pod with what it should be, and changes it.
   * @param key its namespace and name
   * @throws what the shaper says, and AgentError NO_ATTACHMENT where its interfaces cannot be found
   */
  reconcile(key: string): void {
    const { pods, settings, records, cache, metrics } = this.#context;
    metrics.reconciliations.inc();
    const pod = pods.get(key);
    if (!pod || pod.exempt || settings().excludedNamespaces.includes(pod.namespace)) {
      this.#wrong.delete(key);
      this.#arrived.delete(key);
      return;
    }
    const wanted = wantedOf(pod, settings());
    this.#wrong.set(key, wanted.wrong.length);
    for (const wrong of wanted.wrong) {
      if (!this.#events.warn(pod, wrong)) continue;
      this.#context.log.warn({ pod: key, annotation: wrong.annotation, value: wrong.value }, wrong.message);
    }
    let places = placesOf(pod, records.ofPod(pod), cache.ofPod(pod));
    if (places.length === 0 && pod.hasNetwork) {
      // The runtime may have written its file just now.
      cache.expire();
      places = placesOf(pod, records.ofPod(pod), cache.ofPod(pod));
    }
    const failures: unknown[] = [];
    for (const place of places) {
      try {
        this.#settle(place, pod, wanted);
      } catch (error) {
        if (ended.has(codeOf(error))) records.expire();
        // A pod that ends is no failure, and the next look will not find it.
        const isOver = !records.get(place.id) && !(place.cached && existsSync(place.cached.netns));
        if (!isOver) failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    if (places.length === 0 && pod.hasNetwork) this.#explainAbsence(pod, wanted.of(""));
    const since = this.#arrived.get(key);
    if (since !== undefined) metrics.lag.observe((performance.now() - since) / 1000);
    this.#arrived.delete(key);
  }

  #settle(place: Place, pod: Pod, wanted: ReturnType<typeof wantedOf>): void {
    const { id, record, cached } = place;
    // Multus leaves files of pods that are long gone.
    if (!record && cached && !existsSync(cached.netns)) return;
    const target = targetOf(place, pod, wanted, this.#planner);
    if (target === "untouched") return;
    if (target === "unshaped") {
      if (record) this.#lift(id, record, pod);
      return;
    }
    if (record && isAsPlanned(record, target.plan)) return;
    this.#apply(target.plan, record, pod);
  }

  #apply({ attachment, limits, guard }: InterfacePlan, before: AttachmentRecord | undefined, pod: Pod): void {
    const { shaper: options, records, log } = this.#context;
    using shaper = Shaper.open(guard === undefined ? options : { ...options, guard });
    shaper.apply(attachment, limits);
    records.expire();
    log.info(
      {
        pod: keyOf(pod),
        interface: attachment.device,
        ...show(limits),
        ...(before ? { before: show(before.limits) } : {}),
      },
      before ? "limits changed" : "limits set",
    );
  }

  #lift(id: string, before: AttachmentRecord, pod: Pod): void {
    const { shaper: options, records, log } = this.#context;
    using shaper = Shaper.open(options);
    // What is queued leaves first.
    shaper.remove(id, { drain: true });
    records.expire();
    log.info({ pod: keyOf(pod), interface: before.device, before: show(before.limits) }, "limits lifted");
  }

  #explainAbsence(pod: Pod, rates: ReturnType<ReturnType<typeof wantedOf>["of"]>): void {
    const isWanted = Object.values(rates).some((rate) =>
      "keep" in rate ? rate.otherwise : rate.bitsPerSecond,
    );
    if (!isWanted) return;
    throw new AgentError(
      "NO_ATTACHMENT",
      `no interface of the pod ${keyOf(pod)} is known: neither a record in weir's state directory nor a file in ${this.#context.cache.folders.join(", ")} names it`,
    );
  }
}

/** Limits as they stand in the log: digits, as the largest are no JSON numbers. */
export function show(limits: Limits): { egress?: string; ingress?: string } {
  const { egress, ingress } = limits;
  return {
    ...(egress ? { egress: String(egress.bitsPerSecond) } : {}),
    ...(ingress ? { ingress: String(ingress.bitsPerSecond) } : {}),
  };
}

import { type DirectionState, directions } from "@weir/shaper";
import type { AttachmentState } from "../reconcile/attachment-checker.js";
import { type Counted, nothing, SteadyCounters } from "./counters.js";
import type { AgentMetrics, Sample } from "./metrics.js";

interface Series {
  labels: { namespace: string; pod: string; interface: string; direction: string };
  counted: Counted;
}

/** The metrics of attachments: limits, counters and health. */
export class AttachmentMetrics {
  readonly #states: ReadonlyMap<string, AttachmentState>;
  readonly #steady = new SteadyCounters();
  readonly #guards = new SteadyCounters();

  /** @param states what was found of each attachment last */
  constructor(metrics: AgentMetrics, states: ReadonlyMap<string, AttachmentState>) {
    this.#states = states;
    metrics.addGauge("weir_attachments", "How many interfaces are shaped.", () => states.size);
    metrics.addSampled({
      name: "weir_limit_bits_per_second",
      help: "The limit in force, in bits per second.",
      type: "gauge",
      values: () =>
        this.#directions().map(({ labels, state }) => ({ labels, value: Number(state.bitsPerSecond) })),
    });
    const counter = (name: string, help: string, read: (counted: Counted) => number, more: object = {}) =>
      metrics.addSampled({
        name,
        help,
        type: "counter",
        values: () =>
          this.#counted().map(({ labels, counted }) => ({
            labels: { ...labels, ...more },
            value: read(counted),
          })),
      });
    counter("weir_bytes_total", "Bytes on the wire that were let through.", ({ bytes }) => Number(bytes));
    counter("weir_packets_total", "Packets that were let through.", ({ packets }) => Number(packets));
    counter(
      "weir_dropped_packets_total",
      "Packets that were dropped: at the horizon, because they would have waited too long.",
      ({ dropped }) => Number(dropped),
      { reason: "horizon" },
    );
    counter(
      "weir_marked_packets_total",
      "Packets that were marked as having met congestion (ECN).",
      ({ marked }) => Number(marked),
    );
    counter("weir_delayed_packets_total", "Packets that had to wait.", ({ delayed }) => Number(delayed));
    counter(
      "weir_delay_seconds_total",
      "How long packets waited, summed.",
      ({ delayNs }) => Number(delayNs) / 1e9,
    );
    metrics.addSampled({
      name: "weir_guard_dropped_packets_total",
      help: "Packets that were sent past the pod's own qdiscs and dropped by the guard on the host's side.",
      type: "counter",
      values: () => this.#guarded(),
    });
    metrics.addSampled({
      name: "weir_attachment_healthy",
      help: "1 where the kernel has all that it should, 0 where something is missing.",
      type: "gauge",
      values: () =>
        [...states.values()].map((state) => ({
          labels: labelsOf(state),
          value: state.inspection.healthy ? 1 : 0,
        })),
    });
  }

  /**
   * Brings the counters up to date; to be called after each inspection of all.
   * @param isAlive whether a pod is there, whose counters are kept while it has no limit
   */
  update(isAlive: (namespace: string, pod: string) => boolean): void {
    const isKept = (key: string) => {
      const { namespace, pod } = JSON.parse(key) as Series["labels"];
      return isAlive(namespace, pod);
    };
    this.#steady.updateAll(
      this.#directions().map(({ key, generation, state }) => ({ key, generation, counted: state })),
      isKept,
    );
    this.#guards.updateAll(this.#guardDrops(), isKept);
  }

  #counted(): Series[] {
    return [...this.#steady.keys()].flatMap((key) => {
      const counted = this.#steady.last(key);
      return counted ? [{ labels: JSON.parse(key) as Series["labels"], counted }] : [];
    });
  }

  #guarded(): Sample[] {
    return [...this.#guards.keys()].map((key) => ({
      labels: JSON.parse(key) as Sample["labels"],
      value: Number(this.#guards.last(key)?.dropped ?? 0n),
    }));
  }

  /** What each guard has dropped. */
  #guardDrops(): { key: string; generation: string; counted: Counted }[] {
    return [...this.#states.values()].flatMap((state) => {
      const dropped = state.inspection.guard?.counters?.dropped;
      if (dropped === undefined) return [];
      const key = JSON.stringify(labelsOf(state));
      return [{ key, generation: generationOf(state), counted: { ...nothing, dropped } }];
    });
  }

  /** Each direction that has a limit. Attachments of one aggregate have one set of counters: the first shows it. */
  #directions(): { key: string; labels: Series["labels"]; state: DirectionState; generation: string }[] {
    return [...this.#states.values()].flatMap((one) => {
      const { inspection } = one;
      return directions.flatMap((direction) => {
        const state = inspection[direction];
        if (!state) return [];
        const labels = { ...labelsOf(one), direction };
        const isFirst = inspection.sharedWith.every((id) => inspection.attachment.id < id);
        const shown = isFirst ? state : { ...state, ...nothing };
        return [{ key: JSON.stringify(labels), labels, state: shown, generation: generationOf(one) }];
      });
    });
  }
}

/** Whose counters begin anew when it changes. */
function generationOf({ record }: AttachmentState): string {
  return `${record.id} ${record.createdAtMs} ${record.slot}`;
}

function labelsOf({ record }: AttachmentState): { namespace: string; pod: string; interface: string } {
  const { id, pod, device } = record;
  return { namespace: pod?.namespace ?? "", pod: pod?.name ?? id, interface: device };
}

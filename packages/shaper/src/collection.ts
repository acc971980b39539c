import type { Attachments } from "./attachments.js";
import { directions } from "./limits.js";
import { entryOf } from "./names.js";
import type { NodeState } from "./node-state.js";
import { deviceExists } from "./place.js";
import type { AttachmentRecord } from "./records.js";

/** What {@link Shaper.gc} did. */
export interface GcReport {
  /** Ids of attachments, and names of leftovers, that were removed. */
  removed: string[];
  /** What could not be removed, and why. */
  problems: { id: string; message: string }[];
}

/** Which attachments a collection keeps. */
interface Kept {
  /** Their ids; undefined keeps every one whose device is there. */
  valid: ReadonlySet<string> | undefined;
  /** Whose attachments `valid` speaks of; undefined means everybody's. */
  network: string | undefined;
}

/** As {@link Shaper.gc}. */
export function collect(node: NodeState, attachments: Attachments, kept: Kept): GcReport {
  const report: GcReport = { removed: [], problems: [] };
  const carefully = (id: string, work: () => void): boolean => {
    try {
      work();
      return true;
    } catch (error) {
      report.problems.push({ id, message: (error as Error).message });
      return false;
    }
  };
  const remove = (id: string, work: () => void) => {
    if (carefully(id, work)) report.removed.push(id);
  };
  const { records: store, pins, slots, uplinks, guard } = node;
  if (!store.present() && !pins.find()) return report;
  // Without the lock, which pods that are made meanwhile need: most records are of no concern. What seems to be is
  // looked at again with it, since another process may only have been at work there.
  for (const found of store.readAll().records) {
    const { id } = found;
    carefully(id, () => {
      if (fateOf(found, kept) === "keep") return;
      using _lock = node.lock();
      const record = store.read(id);
      const fate = record ? fateOf(record, kept) : "keep";
      if (fate === "remove") remove(id, () => attachments.takeAway(record!));
      if (fate === "finish") attachments.finish(record!);
    });
  }
  using _lock = node.lock();
  const { records, damaged } = store.readAll();
  for (const { file } of damaged) remove(file, () => store.removeFile(file));
  for (const file of store.leftovers()) remove(file, () => store.removeFile(file));
  freeEntries(node, records, (entry, free) => remove(`map entry ${entry}`, free));
  carefully("uplinks", () => uplinks.restore());
  carefully("aggregates", () => slots.sweep());
  carefully("subnets", () => pins.find()?.sweepSubnets());
  carefully("guard", () => guard.gc(records, remove));
  return report;
}

function fateOf(record: AttachmentRecord, { valid, network }: Kept): "keep" | "remove" | "finish" {
  const { id, state } = record;
  const spokenOf = network === undefined || record.network === network;
  const unwanted = (valid && spokenOf && !valid.has(id)) || state === "applying" || state === "removing";
  if (unwanted || !deviceExists(record)) return "remove";
  return state === "changing" ? "finish" : "keep";
}

/** Frees the map entries that no record speaks of; called with the lock held. */
function freeEntries(
  { pins }: NodeState,
  records: readonly AttachmentRecord[],
  each: (entry: number, free: () => void) => void,
): void {
  const datapath = pins.find();
  if (!datapath) return;
  const slots = records.map(({ slot }) => slot);
  const owned = new Set(slots.flatMap((slot) => directions.map((direction) => entryOf(slot, direction))));
  for (const entry of datapath.takenEntries()) {
    if (!owned.has(entry)) each(entry, () => datapath.free(entry));
  }
}

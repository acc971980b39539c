import type { Rtnetlink } from "@weir/netlink";
import type { NetworkNamespace } from "@weir/syscall";
import type { AggregateLimits } from "./aggregate.js";
import type { Datapath } from "./datapath.js";
import { drain } from "./drain.js";
import { checkEgress, stampEgress, unstampEgress } from "./egress.js";
import { restoreGso } from "./gso.js";
import { checkIngress, drainIngress, removeIfb, stampIngress, unstampIngress } from "./ingress.js";
import { type Direction, directions } from "./limits.js";
import { entryOf } from "./names.js";
import type { Pins } from "./pins.js";
import { type OpenDevice, openInside, reopenNamespace } from "./place.js";
import type { Problem } from "./problem.js";
import type { AttachmentRecord, RecordStore } from "./records.js";
import { entryOwner, ownerOf } from "./slots.js";
import { type Stamp, stampPin } from "./stamp.js";
import { removeHeld } from "./tcx/held-link.js";

/** Has the kernel hold what records say: the entries' limits, and a device's qdiscs, filters and links. */
export class Enforcement {
  readonly #pins: Pins;
  readonly #records: RecordStore;
  readonly #limits: AggregateLimits;

  constructor(pins: Pins, records: RecordStore, limits: AggregateLimits) {
    this.#pins = pins;
    this.#records = records;
    this.#limits = limits;
  }

  /**
   * Makes the kernel hold a record's limits and no others, whatever it holds already.
   * @param before what was in force, where that is known
   */
  enforce(
    { namespace, rt, link }: OpenDevice,
    datapath: Datapath,
    record: AttachmentRecord,
    before?: AttachmentRecord,
  ): void {
    const { limits, found } = record;
    const leaving = this.#limits.lift(datapath, record, before);
    this.#limits.set(datapath, record, before, leaving);
    if (record.hold) this.#pins.openTable(datapath.program);
    const [egress, ingress] = directions.map((direction) =>
      this.stamp(record, direction, namespace, datapath),
    ) as [Stamp, Stamp];
    // Of a new attachment nothing is there yet, which saves each ADD a look.
    const isNew = record.state === "applying" || (before !== undefined && before.slot !== record.slot);
    if (limits.egress) {
      if (isNew || needsWork(checkEgress(rt, link, egress))) {
        stampEgress(rt, link, egress);
      }
    } else if (record.state !== "applying") {
      if (leaving.includes("egress")) drain(rt, link.index);
      // Filters are known by their entry, which is another one where the attachment has changed its aggregate.
      const isKnown = before?.state === "active" || this.#records.hasTwin(record);
      const entries = isKnown
        ? new Set([entryOf((before ?? record).slot, "egress"), egress.entry])
        : [undefined];
      for (const entry of entries) unstampEgress(rt, link.index, { ...egress, entry }, found.root);
    }
    if (limits.ingress) {
      if (isNew || needsWork(checkIngress(rt, link, ingress))) {
        stampIngress(rt, link, ingress);
      }
    } else if (record.state !== "applying") {
      if (leaving.includes("ingress")) drainIngress(rt, link.index);
      unstampIngress(rt, link.index, ingress);
    }
    for (const direction of leaving)
      datapath.setLimit(entryOf(record.slot, direction), undefined, entryOwner(record));
  }

  /** What stamps one direction of an attachment. */
  stamp(
    { id, slot, hold }: AttachmentRecord,
    direction: Direction,
    netns: NetworkNamespace,
    datapath: Datapath | undefined,
  ): Stamp {
    return {
      program: datapath?.program,
      table: hold ? this.#pins.findTable() : undefined,
      netns,
      pin: stampPin(this.#pins.folder, ownerOf(id), direction),
      entry: entryOf(slot, direction),
    };
  }

  /** Lets what an attachment has queued leave. */
  empty(record: AttachmentRecord): void {
    const datapath = this.#pins.find();
    const namespace = datapath && reopenNamespace(record);
    if (!namespace) return;
    using _namespace = namespace;
    using rt = openInside(namespace);
    const leaving = this.#limits.lift(datapath, { ...record, limits: {} }, record);
    if (leaving.includes("egress")) drain(rt, record.ifindex);
    if (leaving.includes("ingress")) drainIngress(rt, record.ifindex);
  }

  /** Leaves a record's device as it was found; the device and its namespace may be gone. Entries stay as they are. */
  undo(record: AttachmentRecord): void {
    const owner = ownerOf(record.id);
    const [egress, ingress] = directions.map((direction) => ({
      pin: stampPin(this.#pins.folder, owner, direction),
      entry: entryOf(record.slot, direction),
    })) as [Pick<Stamp, "pin" | "entry">, Pick<Stamp, "pin" | "entry">];
    const namespace = reopenNamespace(record);
    for (const { pin } of [egress, ingress]) removeHeld(pin);
    if (!namespace) return;
    using _namespace = namespace;
    using rt = openInside(namespace);
    removeIfb(rt, record.ifindex, ingress);
    const link = rt.links.find(record.ifindex);
    if (!link) return;
    unstampIngress(rt, link.index, ingress);
    // Where a change of its aggregate was cut short, its filter may still name the entry that it had before.
    const entry = record.state === "active" || this.#records.hasTwin(record) ? egress.entry : undefined;
    unstampEgress(rt, link.index, { ...egress, entry }, record.found.root);
    if (record.gso) restoreGso(rt, link, record.gso);
    if (!record.found.clsact && hasUnusedClsact(rt, link.index)) {
      rt.qdiscs.removeIfPresent({ index: link.index, parent: "clsact", kind: "clsact" });
    }
  }
}

function needsWork(problems: Problem[]): boolean {
  return problems.some(({ code }) => code !== "FILTER_BEFORE" && code !== "LINK_BEFORE");
}

/** Whether a device has a clsact qdisc on which nothing is left. */
function hasUnusedClsact(rt: Rtnetlink, index: number): boolean {
  if (rt.qdiscs.find(index, "clsact")?.kind !== "clsact") return false;
  for (const parent of directions) {
    for (const _filter of rt.filters.dump({ index, parent })) return false;
  }
  return true;
}

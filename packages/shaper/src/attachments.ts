import { SystemError } from "@weir/syscall";
import type { Attachment } from "./attachment.js";
import type { Datapath } from "./datapath.js";
import { findClsact } from "./egress.js";
import { ShaperError } from "./errors.js";
import { applyGso, planGso, withoutCap } from "./gso.js";
import { succeed } from "./guard/guard.js";
import { directions, equalLimits, type Limits } from "./limits.js";
import { entryOf } from "./names.js";
import type { NodeState } from "./node-state.js";
import {
  findDevice,
  identityOf,
  type OpenDevice,
  openInside,
  openNamespace,
  reopenNamespace,
} from "./place.js";
import type { AttachmentRecord } from "./records.js";
import { findRoot } from "./root-qdisc.js";
import { entryOwner } from "./slots.js";
import { sameSubnets } from "./subnets.js";
import { hasTcx } from "./tcx/program-table.js";

/**
 * Makes attachments, changes them and takes them away, so that a crash at any moment leaves a record by which the next
 * operation can finish or undo it. All methods but {@link apply} are called with the lock held.
 */
export class Attachments {
  readonly #node: NodeState;

  constructor(node: NodeState) {
    this.#node = node;
  }

  /** As {@link Shaper.apply}, for limits that there are. @param hold undefined leaves it as it is */
  apply(attachment: Attachment, limits: Limits, hold: boolean | undefined): void {
    const { pins, records, slots, uplinks } = this.#node;
    pins.requireBpffs();
    using _lock = this.#node.lock();
    using namespace = openNamespace(attachment.netns);
    using rt = openInside(namespace);
    const link = findDevice(rt, attachment);
    const identity = identityOf(namespace);

    let known = records.read(attachment.id);
    const isAnother = known && (known.namespace !== identity || known.ifindex !== link.index);
    // The id was used for another device before, of which something may be left; or a removal was cut short, which may
    // have given the map entries back already.
    if (known && (isAnother || known.state === "removing")) {
      this.takeAway(known);
      known = undefined;
    }
    const datapath = this.openDatapath();
    const own = [known, ...slots.members(attachment)].flatMap((one) => (one ? [one.slot] : []));
    uplinks.admit(attachment, limits, own, () => records.readAll().records);
    const held = (hold ?? known?.hold ?? false) && hasTcx();
    const device = { namespace, rt, link };
    if (known) this.#change(device, datapath, known, attachment, limits, held);
    else this.#create(device, datapath, attachment, limits, held);
  }

  #create(
    device: OpenDevice,
    datapath: Datapath,
    attachment: Attachment,
    limits: Limits,
    hold: boolean,
  ): void {
    const { records, slots, guard, enforcement } = this.#node;
    const { namespace, rt, link } = device;
    const found: AttachmentRecord["found"] = { clsact: findClsact(rt, link) };
    if (limits.egress) {
      const root = findRoot(rt, link);
      if (root) found.root = root;
    }
    // The entries are taken before the record is written: a crash in between leaves an entry that gc frees, where the
    // other order could give one slot to two attachments.
    const slot = slots.claim(datapath, attachment);
    const gso = planGso(link, limits.egress, undefined);
    const record: AttachmentRecord = {
      ...attachment,
      ifindex: link.index,
      namespace: identityOf(namespace),
      slot,
      limits,
      state: "applying",
      found,
      ...(gso ? { gso } : {}),
      ...(hold ? { hold } : {}),
      ...guard.plan(rt, link, attachment, limits),
      createdAtMs: Date.now(),
    };
    try {
      records.write(record);
      enforcement.enforce(device, datapath, record);
      this.#settle(device, record);
    } catch (error) {
      undo(error, () => {
        this.takeAway(record);
        this.#restoreMembers(datapath, record);
      });
      throw error;
    }
  }

  #change(
    device: OpenDevice,
    datapath: Datapath,
    known: AttachmentRecord,
    attachment: Attachment,
    limits: Limits,
    hold: boolean,
  ): void {
    const { records, slots, guard: guards, enforcement } = this.#node;
    const { rt, link } = device;
    const found = { ...known.found };
    // What stands at the root now was not weir's to replace until now.
    if (limits.egress && !known.limits.egress) {
      const root = findRoot(rt, link);
      if (root) found.root = root;
    }
    const { guard } = guards.plan(rt, link, { ...known, ...attachment }, limits, known.guard);
    const { hold: _, uplink: __, aggregate: left, gso: wasGso, ...before } = known;
    const gso = planGso(link, limits.egress, wasGso);
    const moves = left !== attachment.aggregate;
    const record: AttachmentRecord = {
      ...before,
      ...attachment,
      ...(moves ? { slot: slots.claim(datapath, attachment) } : {}),
      found,
      limits,
      ...(gso ? { gso } : {}),
      ...(hold ? { hold } : {}),
      ...(guard ? { guard } : {}),
      state: "changing",
    };
    try {
      records.write(record);
      const isSame = equalLimits(limits.egress, known.limits.egress) && sameSubnets(limits, known.limits);
      if (guard && !isSame) guards.pause(record);
      enforcement.enforce(device, datapath, record, known);
      this.#settle(device, record);
    } catch (error) {
      undo(error, () => {
        enforcement.enforce(device, datapath, known, record);
        const before = guard && { guard: succeed(guard, known.guard ?? {}) };
        const largest = wasGso ?? (gso && withoutCap(gso));
        const back = { ...known, ...before, ...(largest ? { gso: largest } : {}) };
        const resized = resize({ ...device, link: rt.links.get(link.index) }, back);
        records.write({ ...guards.protect(resized), state: known.state });
        this.#restoreMembers(datapath, record);
        if (moves) this.#leave(datapath, record);
      });
      throw error;
    }
    if (moves) this.#leave(datapath, known);
  }

  /** What follows once the kernel holds a record's limits: the record says so then. */
  #settle(device: OpenDevice, record: AttachmentRecord): void {
    const { records, guard, limits } = this.#node;
    records.write({ ...guard.protect(resize(device, record)), state: "active" });
    limits.spread(record);
  }

  /** Finishes a change that was cut short, unless the namespace's path names another one now. */
  finish(record: AttachmentRecord): void {
    const { records, guard, enforcement } = this.#node;
    const namespace = reopenNamespace(record);
    if (!namespace) return;
    using _namespace = namespace;
    using rt = openInside(namespace);
    if (record.state === "changing") guard.pause(record);
    const link = rt.links.get(record.ifindex);
    const gso = planGso(link, record.limits.egress, record.gso);
    // A record of a weir that left the size of packets alone says nothing of it yet.
    const planned: AttachmentRecord = gso ? { ...record, gso } : record;
    if (gso && !record.gso) records.write({ ...planned, state: "changing" });
    const device = { namespace, rt, link };
    enforcement.enforce(device, this.openDatapath(), planned);
    this.#settle(device, planned);
  }

  /** Removes an attachment from the kernel and then its record. */
  takeAway(record: AttachmentRecord): void {
    const { records, slots, limits, guard, enforcement } = this.#node;
    if (record.state !== "removing" && records.exists(record.id)) this.#markRemoving(record);
    // An earlier version's maps are brought to this one first: the guard reads them as well.
    const datapath = this.#usableDatapath();
    guard.release(record);
    enforcement.undo(record);
    // What others of an aggregate have is kept by their records, so this one's goes last.
    slots.release(datapath, record);
    if (datapath && limits.hasLeftOthersChanged(datapath, record)) this.#restoreMembers(datapath, record);
    records.remove(record.id);
    slots.leave(record);
  }

  /** Opens the pinned program, or loads it. */
  openDatapath(): Datapath {
    const { pins, records: store, limits, uplinks } = this.#node;
    const existing = pins.find();
    if (existing) return existing;
    const datapath = pins.load();
    const { records } = store.readAll();
    // New maps know nothing of attachments that were made with maps that are lost, or of fields that they had not.
    uplinks.restore();
    for (const record of records) {
      const owner = entryOwner(record);
      const owners = directions.map((direction) => datapath.limit(entryOf(record.slot, direction)).owner);
      if (owners.every((is) => is === 0n || is === owner)) limits.set(datapath, record, record);
    }
    // Links call the new program already; a filter runs the one that it was given.
    for (const record of records) if (record.state === "active") this.#renew(record);
    return datapath;
  }

  /** As {@link openDatapath} where an earlier version is pinned; undefined where there is nothing, or a later one. */
  #usableDatapath(): Datapath | undefined {
    const { pins } = this.#node;
    return pins.find() ?? (pins.areEarlier ? this.openDatapath() : undefined);
  }

  /** Has an attachment run the program that was just pinned. Where its device is gone, a collection will find it. */
  #renew(record: AttachmentRecord): void {
    try {
      this.finish(record);
    } catch (error) {
      // What is wrong with one pod must not keep another from being made; `inspect` names it.
      if (error instanceof ShaperError || error instanceof SystemError) return;
      throw error;
    }
  }

  /** Gives the others of an aggregate their limits back, after one that was to change them failed. */
  #restoreMembers(datapath: Datapath, record: AttachmentRecord): void {
    const member = this.#node.limits.restore(datapath, record);
    if (member) this.#node.guard.protect(member);
  }

  /** Gives entries back that an attachment had, and its place in the aggregate. */
  #leave(datapath: Datapath, record: AttachmentRecord): void {
    this.#node.slots.release(datapath, record);
    this.#node.slots.leave(record);
  }

  /** Records that a removal has begun. A full disk takes no mark, but must not keep a pod from being removed. */
  #markRemoving(record: AttachmentRecord): void {
    try {
      this.#node.records.write({ ...record, state: "removing" });
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
      if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
    }
  }
}

/** Makes a device's largest packet what its record says. @returns the record with what became of it */
function resize({ rt, link }: OpenDevice, { gso: plan, ...record }: AttachmentRecord): AttachmentRecord {
  const gso = plan && applyGso(rt, link, plan);
  return gso ? { ...record, gso } : record;
}

/** Rolls back after a failure; where that fails as well, the first error keeps its place and says so. */
function undo(error: unknown, rollBack: () => void): void {
  try {
    rollBack();
  } catch (second) {
    if (error instanceof Error) {
      error.message += ` (taking back what was done failed as well: ${(second as Error).message}; \`weir gc\` finishes it)`;
    }
  }
}

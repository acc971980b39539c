import { join } from "node:path";
import type { Link, Rtnetlink } from "@weir/netlink";
import { type FileLock, type NetworkNamespace, SystemError } from "@weir/syscall";
import { liftLimits, setLimits, spreadLimits } from "./aggregate.js";
import { type Attachment, validateAttachment, validateId } from "./attachment.js";
import { type Counters, Datapath, requireBpffs, shapeInstallable } from "./datapath.js";
import { drain } from "./drain.js";
import { checkEgress, findClsact, stampEgress, unstampEgress } from "./egress.js";
import { ShaperError } from "./errors.js";
import { applyGso, gsoState, planGso, restoreGso, withoutCap } from "./gso.js";
import { Guard, type GuardRecord, SWITCHED_OFF, succeed } from "./guard/guard.js";
import { type GuardPolicy, guardPolicy } from "./guard/options.js";
import { checkIngress, drainIngress, removeIfb, stampIngress, unstampIngress } from "./ingress.js";
import { type Inspection, inspectDevice, inspectEntries } from "./inspection.js";
import { installedVersion } from "./installation.js";
import { type Direction, directions, equalLimits, type Limits, validateLimits } from "./limits.js";
import { entryOf } from "./names.js";
import { DEFAULT_BPFFS, DEFAULT_STATE_DIRECTORY, type ShaperOptions } from "./options.js";
import { deviceExists, findDevice, identityOf, openInside, openNamespace, reopenNamespace } from "./place.js";
import { type Problem, repairable } from "./problem.js";
import { type AttachmentRecord, attachmentOf, RecordStore } from "./records.js";
import { findRoot } from "./root-qdisc.js";
import { entryOwner, ownerOf, Slots } from "./slots.js";
import { type Stamp, stampPin } from "./stamp.js";
import { lockState } from "./state-lock.js";
import { sameSubnets } from "./subnets.js";
import { removeHeld } from "./tcx/held-link.js";
import { hasTcx, ProgramSlot, ProgramTable } from "./tcx/program-table.js";
import { type UplinkRates, validateShares } from "./uplink/rates.js";
import { type Uplink, Uplinks } from "./uplink/uplinks.js";

/** What {@link Shaper.gc} did. */
export interface GcReport {
  /** Ids of attachments, and names of leftovers, that were removed. */
  removed: string[];
  /** What could not be removed, and why. */
  problems: { id: string; message: string }[];
}

/**
 * Shapes network devices inside network namespaces.
 *
 * The truth is in the kernel: pinned maps, qdiscs and filters, which work on when no process of weir's is left. A
 * record on disk says what each attachment should be; every operation writes it before it touches the kernel, so that
 * the next `apply`, `remove` or `gc` can finish or undo what a crash left half done. All methods are synchronous, and
 * a lock on the state folder keeps several processes apart.
 */
export class Shaper implements Disposable {
  readonly #bpffs: string;
  readonly #stateDirectory: string;
  readonly #lockTimeoutMs: number;
  readonly #records: RecordStore;
  readonly #slots: Slots;
  readonly #guard: Guard;
  readonly #uplinks: Uplinks;
  readonly #policy: GuardPolicy | undefined;
  /** Whether a guard was asked for, so that its absence is an error, or refused; undefined leaves it as it is. */
  readonly #wantsGuard: boolean | undefined;
  readonly #hold: boolean | undefined;
  #datapath: Datapath | undefined;
  #table: ProgramTable | undefined;

  private constructor(options: ShaperOptions) {
    this.#bpffs = options.bpffs ?? DEFAULT_BPFFS;
    this.#stateDirectory = options.stateDirectory ?? DEFAULT_STATE_DIRECTORY;
    this.#lockTimeoutMs = options.lockTimeoutMs ?? 10_000;
    this.#records = new RecordStore(this.#stateDirectory);
    this.#slots = new Slots(this.#records, this.#stateDirectory);
    this.#guard = new Guard(this.pinFolder, this.#stateDirectory);
    this.#hold = options.hold;
    this.#uplinks = new Uplinks(this.pinFolder, this.#stateDirectory);
    this.#policy = guardPolicy(options.guard);
    this.#wantsGuard = options.guard === undefined ? undefined : options.guard !== false;
  }

  /** Makes a shaper. Nothing is opened or loaded before it is needed. */
  static open(options: ShaperOptions = {}): Shaper {
    return new Shaper(options);
  }

  /** The folder on the BPF filesystem that holds the pinned program and maps. */
  get pinFolder(): string {
    return join(this.#bpffs, "weir");
  }

  /**
   * Limits a device. Calling it again changes the limits in place, without losing a packet; a direction that is left
   * out is no longer limited, and without any limit the attachment is removed. Where it fails, everything is as it was.
   * @throws ShaperError; SystemError and NetlinkError where the kernel refuses something unexpectedly
   */
  apply(attachment: Attachment, limits: Limits): void {
    this.#apply(attachment, limits, this.#hold);
  }

  /**
   * Puts links that the host holds in place of the filters that stamp an attachment's packets, which a pod with
   * CAP_NET_ADMIN could remove. Nothing else changes, and no packet is lost.
   * @returns false where the kernel has no tcx (Linux 6.6)
   * @throws ShaperError NOT_FOUND for an unknown id; else as {@link apply}
   */
  hold(id: string): boolean {
    const record = this.#records.get(id);
    if (!hasTcx()) return false;
    this.#apply(attachmentOf(record), record.limits, true);
    return true;
  }

  #apply(attachment: Attachment, limits: Limits, hold: boolean | undefined): void {
    validateAttachment(attachment);
    validateLimits(limits);
    validateShares(attachment, limits);
    if (!limits.egress && !limits.ingress) {
      this.remove(attachment.id, { drain: true });
      return;
    }
    requireBpffs(this.#bpffs);
    using _lock = this.#lock();
    using namespace = openNamespace(attachment.netns);
    using rt = openInside(namespace);
    const link = findDevice(rt, attachment);
    const identity = identityOf(namespace);

    let known = this.#records.read(attachment.id);
    const isAnother = known && (known.namespace !== identity || known.ifindex !== link.index);
    // The id was used for another device before, of which something may be left; or a removal was cut short, which may
    // have given the map entries back already.
    if (known && (isAnother || known.state === "removing")) {
      this.#takeAway(known);
      known = undefined;
    }
    const datapath = this.#openDatapath();
    const slots = [known, ...this.#slots.members(attachment)].flatMap((one) => (one ? [one.slot] : []));
    this.#uplinks.admit(attachment, limits, slots, () => this.list());
    const held = (hold ?? known?.hold ?? false) && hasTcx();
    if (known) this.#change(namespace, rt, link, datapath, known, attachment, limits, held);
    else this.#create(namespace, rt, link, datapath, attachment, limits, held);
  }

  /**
   * Takes an attachment's limits away and leaves the device as it was found. It succeeds as well where the namespace or
   * the device is gone.
   * @param options with `drain`, what is queued leaves first, for at most a second; without it what is queued is lost,
   *   which nobody misses whose pod has ended
   * @returns false where nothing was known under the id
   */
  remove(id: string, options: { drain?: boolean } = {}): boolean {
    validateId(id);
    // Without a record there is nothing to do, and no reason to make a folder for the lock.
    if (!this.#records.exists(id)) return false;
    using _lock = this.#lock();
    const record = this.#records.read(id);
    if (!record) return false;
    if (options.drain) this.#empty(record);
    this.#takeAway(record);
    return true;
  }

  /** Compares what the kernel has with what the record says. @throws ShaperError NOT_FOUND for an unknown id */
  inspect(id: string): Inspection {
    const record = this.#records.get(id);
    // Not what it was applied with, but what it is.
    const { network: _, addresses: __, fixed: ___, ...attachment } = attachmentOf(record);
    const inspection: Inspection = {
      attachment,
      limits: record.limits,
      sharedWith: this.#slots.members(record).map((member) => member.id),
      healthy: false,
      problems: [],
    };
    const { problems } = inspection;
    if (record.state !== "active") {
      problems.push(repairable("UNFINISHED", `${id}: an operation (${record.state}) was cut short`));
    }
    const datapath = this.#existingDatapath();
    if (datapath) {
      const { problems: found, ...states } = inspectEntries(record, datapath, this.#uplinks.entries(record));
      Object.assign(inspection, states);
      problems.push(...found);
    } else {
      problems.push(this.#missingPins());
    }
    const stamp = (direction: Direction, netns: NetworkNamespace) =>
      this.#stamp(record, direction, netns, datapath);
    problems.push(...this.#uplinks.problems(record), ...inspectDevice(record, stamp));
    if (record.guard) {
      const { state, problems: more } = this.#guard.inspect(this.#guarded(record, record.guard));
      inspection.guard = state;
      problems.push(...more);
    }
    if (record.gso) inspection.gso = gsoState(record.gso);
    inspection.healthy = problems.length === 0;
    return inspection;
  }

  /**
   * What was counted for an attachment, and nothing else: no look at its namespace, so that it can be asked for often.
   * Directions that are not limited are left out, and all of them where the maps are gone.
   * @throws ShaperError NOT_FOUND for an unknown id
   */
  counters(id: string): { [direction in Direction]?: Counters } {
    const record = this.#records.get(id);
    const datapath = this.#existingDatapath();
    const counted: { [direction in Direction]?: Counters } = {};
    for (const direction of directions) {
      if (datapath && record.limits[direction])
        counted[direction] = datapath.counters(entryOf(record.slot, direction));
    }
    return counted;
  }

  /**
   * Makes an uplink that attachments can share ({@link Attachment.uplink}), or changes what it carries, live. While they
   * want more than it carries together, each gets what it is guaranteed, and what is left is shared by weight.
   * @throws ShaperError INVALID_UPLINK; OVERCOMMITTED where more is guaranteed already; FULL beyond 63 uplinks
   */
  setUplink(name: string, rates: UplinkRates): void {
    requireBpffs(this.#bpffs);
    using _lock = this.#lock();
    this.#openDatapath();
    this.#uplinks.set(name, rates, this.list());
  }

  /**
   * Forgets an uplink.
   * @returns false where there is none of that name
   * @throws ShaperError UPLINK_IN_USE while attachments share it
   */
  removeUplink(name: string): boolean {
    if (!this.#uplinks.exists(name)) return false;
    using _lock = this.#lock();
    return this.#uplinks.remove(name, this.list());
  }

  /** Every uplink and who shares it, by name. */
  listUplinks(): Uplink[] {
    return this.#uplinks.list(this.list());
  }

  /** Every attachment that has a record, damaged ones left out, by id. */
  list(): AttachmentRecord[] {
    return this.#records.readAll().records;
  }

  /**
   * Finishes changes that were cut short, and removes what belongs to nobody: attachments whose namespace or device is
   * gone, which are not among the valid ones, or which were never finished; map entries without a record; damaged
   * records. It goes on past errors.
   * @param valid ids to keep; undefined keeps every one whose device is there
   * @param network whose attachments `valid` speaks of ({@link Attachment.network}): others are kept while their device
   *   is there; undefined means everybody's
   */
  gc(valid?: ReadonlySet<string>, network?: string): GcReport {
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
    if (!this.#records.present() && !this.#existingDatapath()) return report;
    const fate = (record: AttachmentRecord): "keep" | "remove" | "finish" => {
      const { id, state } = record;
      const spokenOf = network === undefined || record.network === network;
      const unwanted = (valid && spokenOf && !valid.has(id)) || state === "applying" || state === "removing";
      if (unwanted || !deviceExists(record)) return "remove";
      return state === "changing" ? "finish" : "keep";
    };
    // Without the lock, which pods that are made meanwhile need: most records are of no concern. What seems to be is
    // looked at again with it, since another process may only have been at work there.
    for (const found of this.#records.readAll().records) {
      const { id } = found;
      carefully(id, () => {
        if (fate(found) === "keep") return;
        using _lock = this.#lock();
        const record = this.#records.read(id);
        const what = record ? fate(record) : "keep";
        if (what === "remove") remove(id, () => this.#takeAway(record!));
        if (what === "finish") this.#finish(record!);
      });
    }
    using _lock = this.#lock();
    const { records, damaged } = this.#records.readAll();
    for (const { file } of damaged) remove(file, () => this.#records.removeFile(file));
    for (const file of this.#records.leftovers()) remove(file, () => this.#records.removeFile(file));
    this.#freeEntries(records, (entry, free) => remove(`map entry ${entry}`, free));
    carefully("uplinks", () => this.#uplinks.restore());
    carefully("aggregates", () => this.#slots.sweep());
    carefully("subnets", () => this.#existingDatapath()?.sweepSubnets());
    carefully("guard", () => this.#guard.gc(guardedDevices(records), remove));
    return report;
  }

  /** Closes what was opened. What is shaped stays shaped. */
  close(): void {
    this.#guard.close();
    this.#table?.close();
    this.#table = undefined;
    this.#datapath?.close();
    this.#datapath = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #create(
    namespace: NetworkNamespace,
    rt: Rtnetlink,
    link: Link,
    datapath: Datapath,
    attachment: Attachment,
    limits: Limits,
    hold: boolean,
  ): void {
    const found: AttachmentRecord["found"] = { clsact: findClsact(rt, link) };
    if (limits.egress) {
      const root = findRoot(rt, link);
      if (root) found.root = root;
    }
    // The entries are taken before the record is written: a crash in between leaves an entry that gc frees, where the
    // other order could give one slot to two attachments.
    const slot = this.#slots.claim(datapath, attachment);
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
      ...this.#planGuard(rt, link, attachment, limits),
      createdAtMs: Date.now(),
    };
    try {
      this.#records.write(record);
      this.#enforce(namespace, rt, link, datapath, record);
      this.#records.write({ ...this.#protect(resize(rt, link, record)), state: "active" });
      spreadLimits(this.#slots, this.#records, record);
    } catch (error) {
      undo(error, () => {
        this.#takeAway(record);
        this.#restoreMembers(datapath, record);
      });
      throw error;
    }
  }

  #change(
    namespace: NetworkNamespace,
    rt: Rtnetlink,
    link: Link,
    datapath: Datapath,
    known: AttachmentRecord,
    attachment: Attachment,
    limits: Limits,
    hold: boolean,
  ): void {
    const found = { ...known.found };
    // What stands at the root now was not weir's to replace until now.
    if (limits.egress && !known.limits.egress) {
      const root = findRoot(rt, link);
      if (root) found.root = root;
    }
    const { guard } = this.#planGuard(rt, link, { ...known, ...attachment }, limits, known.guard);
    const { hold: _, uplink: __, aggregate: left, gso: wasGso, ...before } = known;
    const gso = planGso(link, limits.egress, wasGso);
    const moves = left !== attachment.aggregate;
    const record: AttachmentRecord = {
      ...before,
      ...attachment,
      ...(moves ? { slot: this.#slots.claim(datapath, attachment) } : {}),
      found,
      limits,
      ...(gso ? { gso } : {}),
      ...(hold ? { hold } : {}),
      ...(guard ? { guard } : {}),
      state: "changing",
    };
    try {
      this.#records.write(record);
      const isSame = equalLimits(limits.egress, known.limits.egress) && sameSubnets(limits, known.limits);
      if (guard && !isSame) this.#guard.pause(this.#guarded(record, guard));
      this.#enforce(namespace, rt, link, datapath, record, known);
      this.#records.write({ ...this.#protect(resize(rt, link, record)), state: "active" });
      spreadLimits(this.#slots, this.#records, record);
    } catch (error) {
      undo(error, () => {
        this.#enforce(namespace, rt, link, datapath, known, record);
        const before = guard && { guard: succeed(guard, known.guard ?? {}) };
        const largest = wasGso ?? (gso && withoutCap(gso));
        const back = { ...known, ...before, ...(largest ? { gso: largest } : {}) };
        const resized = resize(rt, rt.links.get(link.index), back);
        this.#records.write({ ...this.#protect(resized), state: known.state });
        this.#restoreMembers(datapath, record);
        if (moves) this.#leave(datapath, record);
      });
      throw error;
    }
    if (moves) this.#leave(datapath, known);
  }

  /**
   * Makes the kernel hold a record's limits and no others, whatever it holds already.
   * @param before what was in force, where that is known
   */
  #enforce(
    namespace: NetworkNamespace,
    rt: Rtnetlink,
    link: Link,
    datapath: Datapath,
    record: AttachmentRecord,
    before?: AttachmentRecord,
  ): void {
    const { limits, found } = record;
    const leaving = liftLimits(this.#slots, datapath, record, before);
    this.#setLimits(datapath, record, before, leaving);
    if (record.hold) this.#table ??= ProgramTable.open(this.pinFolder, ProgramSlot.shape, datapath.program);
    const [egress, ingress] = directions.map((direction) =>
      this.#stamp(record, direction, namespace, datapath),
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
      const isKnown = before?.state === "active" || this.#hasTwin(record);
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
  #stamp(
    { id, slot, hold }: AttachmentRecord,
    direction: Direction,
    netns: NetworkNamespace,
    datapath: Datapath | undefined,
  ): Stamp {
    if (hold) this.#table ??= ProgramTable.find(this.pinFolder);
    return {
      program: datapath?.program,
      table: hold ? this.#table : undefined,
      netns,
      pin: stampPin(this.pinFolder, ownerOf(id), direction),
      entry: entryOf(slot, direction),
    };
  }

  #setLimits(
    datapath: Datapath,
    record: AttachmentRecord,
    before?: AttachmentRecord,
    leaving?: readonly Direction[],
  ): void {
    setLimits(this.#slots, datapath, record, {
      ...(before ? { before } : {}),
      ...(leaving ? { leaving } : {}),
      uplinks: this.#uplinks.entries(record),
    });
  }

  /** Gives the others of an aggregate their limits back, after one that was to change them failed. */
  #restoreMembers(datapath: Datapath, record: AttachmentRecord): void {
    const [member] = this.#slots.members(record);
    if (!member) return;
    this.#setLimits(datapath, member, record);
    if (member.guard) this.#protect(member);
  }

  /** Whether one that goes had changed what others of its aggregate have, and no record of theirs says so. */
  #hasLeftOthersChanged(datapath: Datapath, record: AttachmentRecord): boolean {
    const member = this.#slots.members(record).find(({ slot }) => slot === record.slot);
    if (!member) return false;
    const { problems } = inspectEntries(member, datapath, this.#uplinks.entries(member));
    return problems.length > 0 && problems.every(({ code }) => code !== "ENTRY_LOST");
  }

  /** Gives entries back that an attachment had, and its place in the aggregate. */
  #leave(datapath: Datapath | undefined, record: AttachmentRecord): void {
    this.#slots.release(datapath, record);
    this.#slots.leave(record);
  }

  /** Finishes a change that was cut short; called with the lock held. */
  #finish(record: AttachmentRecord): void {
    using namespace = openNamespace(record.netns);
    using rt = openInside(namespace);
    if (record.guard && record.state === "changing") this.#guard.pause(this.#guarded(record, record.guard));
    const link = rt.links.get(record.ifindex);
    const gso = planGso(link, record.limits.egress, record.gso);
    // A record of a weir that left the size of packets alone says nothing of it yet.
    const planned: AttachmentRecord = gso ? { ...record, gso } : record;
    if (gso && !record.gso) this.#records.write({ ...planned, state: "changing" });
    this.#enforce(namespace, rt, link, this.#openDatapath(), planned);
    this.#records.write({ ...this.#protect(resize(rt, link, planned)), state: "active" });
    spreadLimits(this.#slots, this.#records, planned);
  }

  /** How an attachment is to be guarded, beside what a guard that was there before leaves behind. */
  #planGuard(
    rt: Rtnetlink,
    link: Link,
    { addresses = [] }: Attachment,
    limits: Limits,
    before?: GuardRecord,
  ): { guard?: GuardRecord } {
    if (!limits.egress) return before ? { guard: succeed(before, {}) } : {};
    if (!(this.#wantsGuard ?? before?.none !== SWITCHED_OFF)) {
      return { guard: succeed(before, { none: SWITCHED_OFF }) };
    }
    const guard = this.#guard.plan(rt, link, this.#policy, addresses);
    if (guard.none !== undefined && this.#wantsGuard) {
      throw new ShaperError("NOT_SUPPORTED", `there is no place for a guard: ${guard.none}`, {
        remedy: "Leave the guard's option out, to have one only where it is possible.",
      });
    }
    return { guard: succeed(before, guard) };
  }

  /** Makes the guard do what a record says. @returns the record with what became of it */
  #protect(record: AttachmentRecord): AttachmentRecord {
    const { guard, ...rest } = record;
    const limit = record.limits.egress;
    if (!guard) return record;
    if (!limit) {
      this.#releaseGuard(record);
      return rest;
    }
    try {
      this.#guard.protect({ ...this.#guarded(record, guard), limit });
    } catch (error) {
      if (this.#wantsGuard) throw error;
      this.#releaseGuard(record);
      return { ...rest, guard: { none: (error as Error).message } };
    }
    const { leaving: _, ...kept } = guard;
    return Object.keys(kept).length === 0 ? rest : { ...rest, guard: kept };
  }

  #releaseGuard(record: AttachmentRecord): void {
    if (record.guard) this.#guard.release(this.#guarded(record, record.guard));
  }

  #guarded(record: AttachmentRecord, guard: GuardRecord) {
    const { id, slot, namespace } = record;
    return {
      entry: entryOf(slot, "egress"),
      entryOwner: entryOwner(record),
      shared: this.#slots.sharing(record),
      owner: ownerOf(id),
      netns: BigInt(namespace.split(":")[1]!),
      guard,
    };
  }

  /** Frees the map entries that no record speaks of; called with the lock held. */
  #freeEntries(records: AttachmentRecord[], each: (entry: number, free: () => void) => void): void {
    const datapath = this.#existingDatapath();
    if (!datapath) return;
    const slots = records.map(({ slot }) => slot);
    const owned = new Set(slots.flatMap((slot) => directions.map((direction) => entryOf(slot, direction))));
    for (const entry of datapath.takenEntries())
      if (!owned.has(entry)) each(entry, () => datapath.free(entry));
  }

  /** Lets what an attachment has queued leave. */
  #empty(record: AttachmentRecord): void {
    const datapath = this.#existingDatapath();
    const namespace = datapath && reopenNamespace(record);
    if (!namespace) return;
    using _namespace = namespace;
    using rt = openInside(namespace);
    const leaving = liftLimits(this.#slots, datapath, { ...record, limits: {} }, record);
    if (leaving.includes("egress")) drain(rt, record.ifindex);
    if (leaving.includes("ingress")) drainIngress(rt, record.ifindex);
  }

  /** Removes an attachment from the kernel and then its record; called with the lock held. */
  #takeAway(record: AttachmentRecord): void {
    if (record.state !== "removing" && this.#records.exists(record.id)) this.#markRemoving(record);
    // An earlier version's maps are brought to this one first: the guard reads them as well.
    const datapath = this.#usableDatapath();
    this.#releaseGuard(record);
    const owner = ownerOf(record.id);
    const [egress, ingress] = directions.map((direction) => ({
      pin: stampPin(this.pinFolder, owner, direction),
      entry: entryOf(record.slot, direction),
    })) as [Stamp, Stamp];
    const namespace = reopenNamespace(record);
    for (const { pin } of [egress, ingress]) removeHeld(pin);
    if (namespace) {
      using _namespace = namespace;
      using rt = openInside(namespace);
      removeIfb(rt, record.ifindex, ingress);
      const link = rt.links.find(record.ifindex);
      if (link) {
        unstampIngress(rt, link.index, ingress);
        // Where a change of its aggregate was cut short, its filter may still name the entry that it had before.
        const entry = record.state === "active" || this.#hasTwin(record) ? egress.entry : undefined;
        unstampEgress(rt, link.index, { ...egress, entry }, record.found.root);
        if (record.gso) restoreGso(rt, link, record.gso);
        if (!record.found.clsact && isUnused(rt, link.index)) {
          rt.qdiscs.removeIfPresent({ index: link.index, parent: "clsact", kind: "clsact" });
        }
      }
    }
    // What others of an aggregate have is kept by their records, so this one's goes last.
    this.#slots.release(datapath, record);
    if (datapath && this.#hasLeftOthersChanged(datapath, record)) this.#restoreMembers(datapath, record);
    this.#records.remove(record.id);
    this.#slots.leave(record);
  }

  /** Whether another attachment has the same device. */
  #hasTwin({ id, namespace, ifindex }: AttachmentRecord): boolean {
    return this.list().some(
      (other) => other.id !== id && other.namespace === namespace && other.ifindex === ifindex,
    );
  }

  /** Records that a removal has begun. A full disk takes no mark, but must not keep a pod from being removed. */
  #markRemoving(record: AttachmentRecord): void {
    try {
      this.#records.write({ ...record, state: "removing" });
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
      if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
    }
  }

  #lock(): FileLock {
    return lockState(this.#stateDirectory, this.#lockTimeoutMs);
  }

  #existingDatapath(): Datapath | undefined {
    this.#datapath ??= Datapath.open(this.pinFolder);
    return this.#datapath;
  }

  /** Opens the pinned program, or loads it; called with the lock held. */
  #openDatapath(): Datapath {
    const existing = this.#existingDatapath();
    if (existing) return existing;
    const datapath = Datapath.load(this.#bpffs, this.pinFolder);
    this.#datapath = datapath;
    const { records } = this.#records.readAll();
    // New maps know nothing of attachments that were made with maps that are lost, or of fields that they had not.
    this.#uplinks.restore();
    for (const record of records) {
      const owner = entryOwner(record);
      const owners = directions.map((direction) => datapath.limit(entryOf(record.slot, direction)).owner);
      if (owners.every((is) => is === 0n || is === owner)) this.#setLimits(datapath, record, record);
    }
    // Links call the new program already; a filter runs the one that it was given.
    for (const record of records) if (record.state === "active") this.#renew(record);
    return datapath;
  }

  /** Has an attachment run the program that was just pinned. Where its device is gone, a collection will find it. */
  #renew(record: AttachmentRecord): void {
    try {
      this.#finish(record);
    } catch (error) {
      // What is wrong with one pod must not keep another from being made; `inspect` names it.
      if (error instanceof ShaperError || error instanceof SystemError) return;
      throw error;
    }
  }

  /** As {@link Shaper.#openDatapath} where an earlier version is pinned; undefined where there is nothing, or a later one. */
  #usableDatapath(): Datapath | undefined {
    const existing = this.#existingDatapath();
    if (existing) return existing;
    const version = installedVersion(this.pinFolder, shapeInstallable);
    return version !== undefined && version < shapeInstallable.version ? this.#openDatapath() : undefined;
  }

  /** What is wrong where the program and the maps of this version are not pinned. */
  #missingPins(): Problem {
    const version = installedVersion(this.pinFolder, shapeInstallable);
    if (version === undefined || version === shapeInstallable.version) {
      return repairable("PINS_MISSING", `the pinned program or maps in ${this.pinFolder} are gone`);
    }
    const message = `the program pinned in ${this.pinFolder} is version ${version}, and this weir has version ${shapeInstallable.version}`;
    return version < shapeInstallable.version
      ? repairable("PROGRAM_EARLIER", message)
      : { code: "PROGRAM_LATER", message, remedy: "Use the later weir." };
  }
}

/** Who needs which of the host's devices guarded. */
function guardedDevices(records: AttachmentRecord[]): Map<string, Set<bigint>> {
  const members = new Map<string, Set<bigint>>();
  for (const { id, guard } of records) {
    for (const device of [guard?.device, guard?.leaving?.device]) {
      if (device === undefined) continue;
      const owners = members.get(device) ?? new Set();
      members.set(device, owners.add(ownerOf(id)));
    }
  }
  return members;
}

/** Whether nothing is left on a clsact qdisc that weir made. */
function isUnused(rt: Rtnetlink, index: number): boolean {
  for (const parent of ["egress", "ingress"] as const) {
    for (const _filter of rt.filters.dump({ index, parent })) return false;
  }
  return true;
}

/** Makes a device's largest packet what its record says. @returns the record with what became of it */
function resize(rt: Rtnetlink, link: Link, { gso: plan, ...record }: AttachmentRecord): AttachmentRecord {
  const gso = plan && applyGso(rt, link, plan);
  return gso ? { ...record, gso } : record;
}

function needsWork(problems: Problem[]): boolean {
  return problems.some(({ code }) => code !== "FILTER_BEFORE" && code !== "LINK_BEFORE");
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

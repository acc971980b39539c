import type { Datapath } from "./datapath.js";
import { checkEntries } from "./entries.js";
import { type Direction, directions, type Limits, MAX_BITS_PER_SECOND, sameLimits } from "./limits.js";
import { entryOf } from "./names.js";
import type { AttachmentRecord, RecordStore } from "./records.js";
import { entryOwner, type Slots } from "./slots.js";
import type { Uplinks } from "./uplink/uplinks.js";

/** The limits of map entries, which are one attachment's, or those of all members of an aggregate together. */
export class AggregateLimits {
  readonly #records: RecordStore;
  readonly #slots: Slots;
  readonly #uplinks: Uplinks;

  constructor(records: RecordStore, slots: Slots, uplinks: Uplinks) {
    this.#records = records;
    this.#slots = slots;
    this.#uplinks = uplinks;
  }

  /**
   * Sets the limits of a record's entries; what only others of its aggregate limit stays.
   * @param before what was in force, where that is known
   * @param leaving directions that stay as they are as well
   */
  set(
    datapath: Datapath,
    record: AttachmentRecord,
    before?: AttachmentRecord,
    leaving: readonly Direction[] = [],
  ): void {
    const members = this.#slots.members(record);
    const keep = directions.filter(
      (direction) =>
        leaving.includes(direction) ||
        (!record.limits[direction] && members.some(({ limits }) => limits[direction])),
    );
    const [previous] = [before, ...members].filter((one) => one?.slot === record.slot);
    datapath.setLimits(record.slot, record.limits, entryOwner(record), {
      keep,
      uplinks: this.#uplinks.entries(record),
      ...(previous ? { previous: previous.limits } : {}),
    });
  }

  /**
   * Lifts the limits of directions that a record does not limit any more, so that what is queued leaves in its order
   * and soon, and then the queue can be taken away.
   * @returns those directions
   */
  lift(datapath: Datapath, record: AttachmentRecord, before: AttachmentRecord | undefined): Direction[] {
    if (before?.slot !== record.slot || this.#slots.sharing(record)) return [];
    const leaving = directions.filter((direction) => before.limits[direction] && !record.limits[direction]);
    for (const direction of leaving) {
      const entry = entryOf(record.slot, direction);
      datapath.setLimit(entry, { bitsPerSecond: MAX_BITS_PER_SECOND }, entryOwner(record));
    }
    return leaving;
  }

  /** Makes the records of an aggregate agree with the one that was applied last. */
  spread(record: AttachmentRecord): void {
    const { egress, ingress, ...subnets } = record.limits;
    for (const member of this.#slots.members(record)) {
      const theirs = member.limits;
      const wanted: Limits = {
        ...(theirs.egress ? { egress: egress ?? theirs.egress } : {}),
        ...(theirs.ingress ? { ingress: ingress ?? theirs.ingress } : {}),
        ...subnets,
      };
      if (sameLimits(wanted, theirs) && member.uplink === record.uplink) continue;
      const { uplink: _, ...others } = member;
      const shared = record.uplink === undefined ? {} : { uplink: record.uplink };
      this.#records.write({ ...others, ...shared, limits: wanted });
    }
  }

  /**
   * Gives the others of an aggregate their limits back, after one that was to change them failed.
   * @returns the member whose record says what they are; undefined where there are no others
   */
  restore(datapath: Datapath, record: AttachmentRecord): AttachmentRecord | undefined {
    const [member] = this.#slots.members(record);
    if (member) this.set(datapath, member, record);
    return member;
  }

  /** Whether one that goes had changed what others of its aggregate have, and no record of theirs says so. */
  hasLeftOthersChanged(datapath: Datapath, record: AttachmentRecord): boolean {
    const member = this.#slots.members(record).find(({ slot }) => slot === record.slot);
    if (!member) return false;
    const { problems } = checkEntries(member, datapath, this.#uplinks.entries(member));
    return problems.length > 0 && problems.every(({ code }) => code !== "ENTRY_LOST");
  }
}

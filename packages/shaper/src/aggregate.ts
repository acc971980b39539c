import type { Datapath } from "./datapath.js";
import { type Direction, directions, type Limits, MAX_BITS_PER_SECOND, sameLimits } from "./limits.js";
import { entryOf } from "./names.js";
import type { AttachmentRecord, RecordStore } from "./records.js";
import { entryOwner, type Slots } from "./slots.js";

/**
 * Sets the limits of a record's entries; what only others of its aggregate limit stays.
 * @param options.before what was in force, where that is known
 * @param options.leaving directions that stay as they are as well
 * @param options.uplinks the entries of the uplinks that they share
 */
export function setLimits(
  slots: Slots,
  datapath: Datapath,
  record: AttachmentRecord,
  {
    before,
    leaving = [],
    uplinks,
  }: {
    before?: AttachmentRecord;
    leaving?: readonly Direction[];
    uplinks: { [direction in Direction]?: number };
  },
): void {
  const members = slots.members(record);
  const keep = directions.filter(
    (direction) =>
      leaving.includes(direction) ||
      (!record.limits[direction] && members.some(({ limits }) => limits[direction])),
  );
  const [previous] = [before, ...members].filter((one) => one?.slot === record.slot);
  datapath.setLimits(record.slot, record.limits, entryOwner(record), {
    keep,
    uplinks,
    ...(previous ? { previous: previous.limits } : {}),
  });
}

/** Makes the records of an aggregate agree with the one that was applied last. */
export function spreadLimits(slots: Slots, records: RecordStore, record: AttachmentRecord): void {
  const { egress, ingress, ...subnets } = record.limits;
  for (const member of slots.members(record)) {
    const theirs = member.limits;
    const wanted: Limits = {
      ...(theirs.egress ? { egress: egress ?? theirs.egress } : {}),
      ...(theirs.ingress ? { ingress: ingress ?? theirs.ingress } : {}),
      ...subnets,
    };
    if (sameLimits(wanted, theirs) && member.uplink === record.uplink) continue;
    const { uplink: _, ...others } = member;
    const shared = record.uplink === undefined ? {} : { uplink: record.uplink };
    records.write({ ...others, ...shared, limits: wanted });
  }
}

/**
 * Lifts the limits of directions that a record does not limit any more, so that what is queued leaves in its order and
 * soon, and then the queue can be taken away.
 * @returns those directions
 */
export function liftLimits(
  slots: Slots,
  datapath: Datapath,
  record: AttachmentRecord,
  before: AttachmentRecord | undefined,
): Direction[] {
  if (before?.slot !== record.slot || slots.sharing(record)) return [];
  const leaving = directions.filter((direction) => before.limits[direction] && !record.limits[direction]);
  for (const direction of leaving) {
    const entry = entryOf(record.slot, direction);
    datapath.setLimit(entry, { bitsPerSecond: MAX_BITS_PER_SECOND }, entryOwner(record));
  }
  return leaving;
}

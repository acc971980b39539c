import type { Counters, Datapath } from "./datapath.js";
import { holds, horizonNs, markNs } from "./limit-entry.js";
import { type Direction, directions, type Limit } from "./limits.js";
import { entryOf } from "./names.js";
import { type Problem, repairable } from "./problem.js";
import type { AttachmentRecord } from "./records.js";
import { entryOwner } from "./slots.js";

/** One direction of an attachment: its limit and what was counted. */
export interface DirectionState extends Counters {
  bitsPerSecond: bigint;
  /** How long a packet may wait for its flow's turn before it is dropped instead. */
  horizonNs: bigint;
  /** From which wait on a packet that knows ECN is marked; 0 where none is. */
  markNs: bigint;
}

/** Compares what the maps hold with a record. @param uplinks the entries of the uplinks that it shares */
export function checkEntries(
  record: AttachmentRecord,
  datapath: Datapath,
  uplinks: { [direction in Direction]?: number },
): { problems: Problem[] } & { [direction in Direction]?: DirectionState } {
  const problems: Problem[] = [];
  const states: { [direction in Direction]?: DirectionState } = {};
  for (const direction of directions) {
    const limit = record.limits[direction];
    if (limit)
      states[direction] = checkEntry(datapath, record, direction, limit, uplinks[direction], problems);
  }
  if (!datapath.subnetLists.holds(datapath.subnetRule(record.slot), record.limits)) {
    problems.push(
      repairable("SUBNETS_DIFFER", "the subnets that are exempt in the kernel are not those of the limits"),
    );
  }
  return { problems, ...states };
}

function checkEntry(
  datapath: Datapath,
  record: AttachmentRecord,
  direction: Direction,
  limit: Limit,
  uplink: number | undefined,
  problems: Problem[],
): DirectionState {
  const entry = entryOf(record.slot, direction);
  const actual = datapath.limit(entry);
  const { bitsPerSecond } = limit;
  if (actual.owner !== entryOwner(record)) {
    problems.push(repairable("ENTRY_LOST", `map entry ${entry} is not ${record.id}'s any more`));
  } else if (actual.bitsPerSecond !== bitsPerSecond) {
    const message = `the ${direction} limit in the kernel is ${actual.bitsPerSecond} bit/s, not ${bitsPerSecond}`;
    problems.push(repairable("LIMIT_DIFFERS", message));
  } else if (!holds(actual, limit, uplink)) {
    const message = `the ${direction} limit in the kernel has another burst, horizon, threshold or share of an uplink`;
    problems.push(repairable("LIMIT_DIFFERS", message));
  }
  return {
    bitsPerSecond,
    horizonNs: horizonNs(limit),
    markNs: markNs(limit),
    ...datapath.counters(entry),
  };
}

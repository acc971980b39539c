import type { NetworkNamespace } from "@weir/syscall";
import type { Attachment } from "./attachment.js";
import type { Counters, Datapath } from "./datapath.js";
import { checkEgress } from "./egress.js";
import { checkGso, type GsoState } from "./gso.js";
import type { GuardState } from "./guard/guard.js";
import { checkIngress } from "./ingress.js";
import { holds, horizonNs, markNs } from "./limit-entry.js";
import { type Direction, directions, type Limit, type Limits } from "./limits.js";
import { entryOf } from "./names.js";
import { openInside, reopenNamespace } from "./place.js";
import { type Problem, repairable } from "./problem.js";
import type { AttachmentRecord } from "./records.js";
import { entryOwner } from "./slots.js";
import type { Stamp } from "./stamp.js";

/** One direction of an attachment: its limit and what was counted. */
export interface DirectionState extends Counters {
  bitsPerSecond: bigint;
  /** How long a packet may wait for its flow's turn before it is dropped instead. */
  horizonNs: bigint;
  /** From which wait on a packet that knows ECN is marked; 0 where none is. */
  markNs: bigint;
}

/** What {@link Shaper.inspect} found. */
export interface Inspection {
  attachment: Attachment;
  limits: Limits;
  /** The ids of other attachments that have the same limit together with it: those of its aggregate. */
  sharedWith: string[];
  /** Whether the kernel holds all that the record says. */
  healthy: boolean;
  problems: Problem[];
  egress?: DirectionState;
  ingress?: DirectionState;
  /** How large the packets may be that the pod's stack builds; absent where the limit leaves the device as it was. */
  gso?: GsoState;
  /** The second line on the host's side; absent where nothing that the pod sends is limited, or it is switched off. */
  guard?: GuardState;
}

/** Compares what the maps hold with a record. @param uplinks the entries of the uplinks that it shares */
export function inspectEntries(
  record: AttachmentRecord,
  datapath: Datapath,
  uplinks: { [direction in Direction]?: number },
): { problems: Problem[] } & Pick<Inspection, Direction> {
  const problems: Problem[] = [];
  const states: Pick<Inspection, Direction> = {};
  for (const direction of directions) {
    const limit = record.limits[direction];
    if (limit)
      states[direction] = inspectEntry(datapath, record, direction, limit, uplinks[direction], problems);
  }
  if (!datapath.subnetLists.holds(datapath.subnetRule(record.slot), record.limits)) {
    problems.push(
      repairable("SUBNETS_DIFFER", "the subnets that are exempt in the kernel are not those of the limits"),
    );
  }
  return { problems, ...states };
}

function inspectEntry(
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

/** Compares a device with its record: its state, qdiscs and filters. @param stampOf what stamps a direction */
export function inspectDevice(
  record: AttachmentRecord,
  stampOf: (direction: Direction, netns: NetworkNamespace) => Stamp,
): Problem[] {
  const gone = { remedy: "If the pod is gone: weir gc" };
  const namespace = reopenNamespace(record);
  if (!namespace) {
    const message = `the network namespace ${record.netns} is gone, or is another one now`;
    return [{ code: "NETNS_MISSING", message, ...gone }];
  }
  using _namespace = namespace;
  using rt = openInside(namespace);
  const link = rt.links.find(record.ifindex);
  if (!link) {
    const message = `the device ${record.device} (index ${record.ifindex}) is gone`;
    return [{ code: "DEVICE_MISSING", message, ...gone }];
  }
  const problems: Problem[] = [];
  if (!link.up) {
    problems.push({
      code: "DEVICE_DOWN",
      message: `the device ${link.name} is down`,
      remedy: `ip link set ${link.name} up, inside the pod`,
    });
  }
  const { limits } = record;
  if (limits.egress) problems.push(...checkEgress(rt, link, stampOf("egress", namespace)));
  if (record.gso) problems.push(...checkGso(link, record.gso));
  if (limits.ingress) problems.push(...checkIngress(rt, link, stampOf("ingress", namespace)));
  return problems;
}

import type { NetworkNamespace } from "@weir/syscall";
import type { Attachment } from "./attachment.js";
import { checkEgress } from "./egress.js";
import { checkEntries, type DirectionState } from "./entries.js";
import { checkGso, type GsoState, gsoState } from "./gso.js";
import type { GuardState } from "./guard/guard.js";
import { checkIngress } from "./ingress.js";
import type { Direction, Limits } from "./limits.js";
import type { NodeState } from "./node-state.js";
import { openInside, reopenNamespace } from "./place.js";
import { type Problem, repairable } from "./problem.js";
import { type AttachmentRecord, attachmentOf } from "./records.js";
import type { Stamp } from "./stamp.js";

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

/** As {@link Shaper.inspect}, for a record. */
export function inspect(
  { pins, slots, uplinks, guard, enforcement }: NodeState,
  record: AttachmentRecord,
): Inspection {
  const { id, limits, state } = record;
  // Not what it was applied with, but what it is.
  const { network: _, addresses: __, fixed: ___, ...attachment } = attachmentOf(record);
  const inspection: Inspection = {
    attachment,
    limits,
    sharedWith: slots.members(record).map((member) => member.id),
    healthy: false,
    problems: [],
  };
  const { problems } = inspection;
  if (state !== "active") {
    problems.push(repairable("UNFINISHED", `${id}: an operation (${state}) was cut short`));
  }
  const datapath = pins.find();
  if (datapath) {
    const { problems: found, ...states } = checkEntries(record, datapath, uplinks.entries(record));
    Object.assign(inspection, states);
    problems.push(...found);
  } else {
    problems.push(pins.problem());
  }
  const stampOf = (direction: Direction, netns: NetworkNamespace) =>
    enforcement.stamp(record, direction, netns, datapath);
  problems.push(...uplinks.problems(record), ...inspectDevice(record, stampOf));
  const guarded = guard.inspect(record);
  if (guarded) {
    inspection.guard = guarded.state;
    problems.push(...guarded.problems);
  }
  if (record.gso) inspection.gso = gsoState(record.gso);
  inspection.healthy = problems.length === 0;
  return inspection;
}

/** Compares a device with its record: its state, qdiscs and filters. @param stampOf what stamps a direction */
function inspectDevice(
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

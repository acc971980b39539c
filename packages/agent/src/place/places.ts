import {
  type AttachmentRecord,
  attachmentOf,
  type Direction,
  directions,
  type Limit,
  type Limits,
  type PodIdentity,
  sameLimits,
} from "@weir/shaper";
import { isPod, type Pod } from "../pods/pod.js";
import type { Wanted, WantedRate } from "../pods/wanted.js";
import type { CachedInterface } from "./cni-cache.js";
import type { InterfacePlan, Planner } from "./planner.js";

/** An interface of a pod that weir is asked to shape: it has a record, or a conflist with weir in its chain. */
export interface Place {
  /** The attachment's id, CONTAINERID/IFNAME. */
  id: string;
  ifname: string;
  record?: AttachmentRecord;
  cached?: CachedInterface;
}

/** What a place should be: shaped in some way, unshaped, or left as it is. */
export type Target = { plan: InterfacePlan } | "unshaped" | "untouched";

/** The interfaces of a pod, from the records and from libcni's cache. */
export function placesOf(
  pod: Pod,
  records: Iterable<AttachmentRecord>,
  cache: readonly CachedInterface[],
): Place[] {
  const places = new Map<string, Place>();
  const cachedById = new Map<string, CachedInterface>();
  // Of a network that Multus delegates to there are two files, and that of Multus itself says nothing of weir.
  for (const one of cache) {
    const id = `${one.containerId}/${one.ifname}`;
    if (!cachedById.get(id)?.entry) cachedById.set(id, one);
  }
  for (const record of records) {
    // Records of earlier versions do not say whose they are; the cache does.
    const identity = record.pod ?? cachedById.get(record.id)?.pod;
    if (identity && isPod(pod, identity)) {
      places.set(record.id, { id: record.id, ifname: record.device, record });
    }
  }
  for (const [id, cached] of cachedById) {
    if (!cached.pod || !isPod(pod, cached.pod)) continue;
    const known = places.get(id);
    if (known) known.cached = cached;
    else places.set(id, { id, ifname: cached.ifname, cached });
  }
  return [...places.values()];
}

/**
 * What a place should be.
 * @throws Error where the conflist of the pod says something wrong
 */
export function targetOf(
  { ifname, record, cached }: Place,
  pod: Pod,
  wanted: Wanted,
  planner: Planner,
): Target {
  const rates = settle(wanted.of(ifname), record?.limits);
  if (cached) {
    if (!cached.entry) return record ? fromRecord(record, pod, rates) : "untouched";
    return fromConflist(cached, cached.entry, pod, rates, record, planner);
  }
  return record ? fromRecord(record, pod, rates) : "untouched";
}

/** The rates that count, where an annotation that is wrong leaves what is in force. */
function settle(
  wanted: { [direction in Direction]: WantedRate },
  live: Limits | undefined,
): { [direction in Direction]: bigint | undefined } {
  const rate = (direction: Direction) => {
    const one = wanted[direction];
    return "keep" in one ? (live?.[direction]?.bitsPerSecond ?? one.otherwise) : one.bitsPerSecond;
  };
  return { egress: rate("egress"), ingress: rate("ingress") };
}

/** As the plugin would, with these rates in the place of those that the runtime gave it. */
function fromConflist(
  { containerId, ifname, netns, network, cniVersion, result }: CachedInterface,
  entry: { [name: string]: unknown },
  pod: Pod,
  rates: { [direction in Direction]: bigint | undefined },
  record: AttachmentRecord | undefined,
  planner: Planner,
): Target {
  // Without it the runtime hands the plugin no rates, and the pod's annotations are not meant for this network.
  const { bandwidth: isAsked } = (entry.capabilities ?? {}) as { bandwidth?: boolean };
  const bandwidth = Object.fromEntries(
    directions.flatMap((direction) => {
      const rate = rates[direction];
      return isAsked === true && rate !== undefined ? [[`${direction}Rate`, Number(rate)]] : [];
    }),
  );
  const { prevResult: _, ...own } = entry;
  const configuration = {
    ...own,
    cniVersion,
    name: network,
    ...(Object.keys(bandwidth).length > 0 ? { runtimeConfig: { bandwidth } } : {}),
    prevResult: result,
  };
  const plan = planner(JSON.stringify(configuration), { containerId, ifname, netns, pod: identityOf(pod) });
  if (!plan) return isAsked === true && record ? "unshaped" : "untouched";
  // A rate that has not changed keeps the burst that the runtime gave with it.
  for (const direction of directions) {
    const [limit, live] = [plan.limits[direction], record?.limits[direction]];
    if (limit && live?.burstBits !== undefined && live.bitsPerSecond === limit.bitsPerSecond) {
      plan.limits[direction] = { burstBits: live.burstBits, ...limit };
    }
  }
  return { plan };
}

/** As the record has it, with these rates. */
function fromRecord(
  record: AttachmentRecord,
  pod: Pod,
  rates: { [direction in Direction]: bigint | undefined },
): Target {
  if (record.fixed) return "untouched";
  const limits: Limits = {};
  for (const direction of directions) {
    const bitsPerSecond = rates[direction];
    if (bitsPerSecond === undefined) continue;
    const live = record.limits[direction];
    if (live?.bitsPerSecond === bitsPerSecond) limits[direction] = live;
    else limits[direction] = { ...waitsOf(live ?? otherOf(record, direction)), bitsPerSecond };
    const { guaranteeBitsPerSecond } = limits[direction];
    if (guaranteeBitsPerSecond !== undefined && guaranteeBitsPerSecond > bitsPerSecond) {
      limits[direction] = { ...limits[direction], guaranteeBitsPerSecond: bitsPerSecond };
    }
  }
  if (!limits.egress && !limits.ingress) return "unshaped";
  for (const name of ["shapedSubnets", "unshapedSubnets"] as const) {
    const subnets = record.limits[name];
    if (subnets) limits[name] = subnets;
  }
  return { plan: { attachment: { ...attachmentOf(record), pod: identityOf(pod) }, limits } };
}

/** The other direction's limit, whose times hold for both, without its share of the uplink. */
function otherOf({ limits }: AttachmentRecord, direction: Direction): Limit | undefined {
  const other = limits[direction === "egress" ? "ingress" : "egress"];
  if (!other) return undefined;
  const { guaranteeBitsPerSecond: _, weight: __, ...rest } = other;
  return rest;
}

/** All of a limit but its rate and the burst that belongs to it. */
function waitsOf(limit: Limit | undefined): Partial<Limit> {
  const { bitsPerSecond: _, burstBits: __, ...rest } = limit ?? { bitsPerSecond: 0n };
  return rest;
}

/** Which pod it is, as attachments say it. */
function identityOf({ namespace, name, uid }: Pod): PodIdentity {
  return { namespace, name, uid };
}

/** Whether a record is what a plan asks for, so that nothing is to be done. */
export function isAsPlanned(record: AttachmentRecord, { attachment, limits }: InterfacePlan): boolean {
  if (record.state !== "active" || onRun(record.netns) !== onRun(attachment.netns)) return false;
  for (const name of ["aggregate", "uplink"] as const) if (record[name] !== attachment[name]) return false;
  return sameLimits(record.limits, limits);
}

/** /var/run is /run on every current distribution. */
function onRun(path: string): string {
  return path.replace(/^\/var\/run\//, "/run/");
}

import type { Link, Rtnetlink } from "@weir/netlink";
import { monotonicNow, NetworkNamespace } from "@weir/syscall";
import { installedVersion } from "../installation.js";
import { burstNs, horizonNs, passNs } from "../limit-entry.js";
import type { Limit } from "../limits.js";
import { type Problem, repairable } from "../problem.js";
import { DeviceStore, type GuardedDevice } from "./device-store.js";
import { forgetUplink, isCurrent, LATENESS_NS, prepareDevice } from "./devices.js";
import { attachGuard, checkGuard, detachGuard } from "./hook.js";
import { type GuardCounters, type GuardLimit, GuardMaps, guardInstallable, MAX_ENTRIES } from "./maps.js";
import type { GuardPolicy } from "./options.js";
import { findPlace } from "./uplink.js";

/** How an attachment is guarded, as its record holds it. */
export interface GuardRecord {
  /** Why it is not; the other fields are absent then. */
  none?: string;
  /** The guarded device's name in the store. */
  device?: string;
  kind?: "uplink" | "peer";
  /** The guarded device, in the host's namespace. */
  ifindex?: number;
  /** Addresses that are charged to the attachment, on an uplink. */
  addresses?: string[];
  /** What a change has yet to take back. */
  leaving?: { device: string; addresses: string[] };
  /** What becomes of packets from unknown sources; absent where nobody asked, and the uplink's policy stays. */
  policy?: { unknown: string; known: readonly string[] };
}

/** Why an attachment whose guard was switched off has none. */
export const SWITCHED_OFF = "it is switched off";

/** What is guarded, and for whom. */
export interface Guarded {
  /** The map entry, which is the shaper's too. */
  entry: number;
  /** Whose the entry is: the attachment's, or its aggregate's. */
  entryOwner: bigint;
  /** Others of the aggregate have the entry too, so that it stays when this one goes. */
  shared: boolean;
  /** Whose the other elements are. */
  owner: bigint;
  /** The inode number of the pod's namespace. */
  netns: bigint;
  limit: Limit;
  guard: GuardRecord;
}

/** What {@link Shaper.inspect} says of the guard. */
export interface GuardState {
  /** The host's device where packets are counted and dropped; undefined where there is none. */
  device?: string;
  /** "uplink": the egress of the device below; "peer": the ingress of the other end. */
  kind?: "uplink" | "peer";
  hook?: "tcx" | "clsact";
  /** Why there is no guard. */
  none?: string;
  /** What comes before it: a filter of another program, whose accepted packets do not reach it. */
  behind?: string;
  addresses: string[];
  /** What came from the attachment; `dropped` beyond what its limit allows, which it sent past the shaper. */
  counters?: GuardCounters;
  /** What came from nobody that is known, on the whole uplink. */
  unknown?: GuardCounters;
}

/** The guard allows this many percent of a limit, so that it never bites what fq lets go. */
const RATE_PERCENT = 102n;

/** What a change of a limit takes at most, as a rule: when it is over the guard is told so. */
const CHANGE_NS = 2_000_000_000n;

/** A second line of defence, on the host's side of pods' devices: see bpf/guard.bpf.c. */
export class Guard implements Disposable {
  readonly #pinFolder: string;
  readonly #store: DeviceStore;
  #maps: GuardMaps | undefined;

  /** @param pinFolder weir's folder on the BPF filesystem; @param stateDirectory where its state lies */
  constructor(pinFolder: string, stateDirectory: string) {
    this.#pinFolder = pinFolder;
    this.#store = new DeviceStore(stateDirectory);
  }

  /**
   * Finds out how an attachment is to be guarded; changes nothing.
   * @param rt a socket inside the pod's namespace
   * @param policy undefined leaves the uplink's as it is
   * @param given addresses beside those that the device has
   */
  plan(rt: Rtnetlink, link: Link, policy: GuardPolicy | undefined, given: readonly string[]): GuardRecord {
    using host = NetworkNamespace.current();
    const place = findPlace(rt, link, host);
    if (place.kind === "none") return { none: place.reason };
    const { kind, ifindex } = place;
    return {
      device: `${host.identity.inode}-${ifindex}`,
      kind,
      ifindex,
      addresses: kind === "uplink" ? addressesOf(rt, link, given) : [],
      ...(policy ? { policy: { unknown: policy.unknown.toString(), known: policy.known } } : {}),
    };
  }

  /** Makes the kernel guard an attachment as its record says, and takes back what the record says is leaving. */
  protect({ entry, entryOwner, owner, netns, limit, guard }: Guarded): void {
    const { device: key, addresses = [] } = guard;
    if (key !== undefined) {
      this.#store.join(key, owner);
      const maps = this.#openMaps();
      const device = prepareDevice(this.#pinFolder, this.#store, maps, guard, entry);
      this.#setLimit(maps, entry, limit, entryOwner);
      if (guard.kind === "uplink") {
        for (const address of addresses) maps.setAddress(device.classid, address, entry, netns, owner);
        // The first attachment of a namespace stands for all of it.
        const sender = maps.sender(device.classid, netns);
        if (!sender || maps.limit(sender.entry).owner === 0n) {
          maps.setSender(device.classid, netns, entry, owner);
        }
      }
      attachGuard(this.#pinFolder, device, maps.program);
    }
    if (guard.leaving) this.#leave({ owner, netns }, guard.leaving, key);
  }

  /**
   * Has the guard drop nothing of an attachment's while its limit, or what that is for, changes: until {@link protect}
   * says what holds from then on, or for a few seconds.
   */
  pause({ entry, entryOwner, guard }: Pick<Guarded, "entry" | "entryOwner" | "guard">): void {
    if (guard.device === undefined) return;
    const maps = this.#findMaps();
    const is = maps?.limit(entry);
    if (is?.owner !== entryOwner) return;
    maps?.setLimit(entry, { ...is, sinceNs: monotonicNow() + is.burstNs + CHANGE_NS });
  }

  /** Takes an attachment out of the guard's care; the last one of a device takes the guard off it. */
  release({ entry, entryOwner, shared, owner, netns, guard }: Omit<Guarded, "limit">): void {
    const { device, addresses = [], leaving } = guard;
    if (leaving) this.#leave({ owner, netns }, leaving, undefined);
    if (device !== undefined) this.#leave({ owner, netns }, { device, addresses }, undefined);
    const maps = this.#usableMaps();
    if (!shared && maps?.limit(entry).owner === entryOwner) maps.free(entry);
  }

  /** What the guard counted, and what of it is missing. */
  inspect({ entry, entryOwner, owner, netns, guard }: Omit<Guarded, "limit">): {
    state: GuardState;
    problems: Problem[];
  } {
    const { device: key, kind, addresses = [], none } = guard;
    if (key === undefined)
      return { state: { addresses, ...(none === undefined ? {} : { none }) }, problems: [] };
    const device = this.#store.read(key);
    const maps = this.#findMaps();
    const base = { addresses, ...(kind ? { kind } : {}) };
    if (!device || !maps) {
      const message = `what the guard needs in ${this.#pinFolder} or beside the records is gone`;
      return { state: base, problems: [repairable("GUARD_MISSING", message)] };
    }
    const state: GuardState = {
      ...base,
      device: device.name,
      hook: device.hook,
      counters: maps.counters(entry),
      ...(kind === "uplink" ? { unknown: maps.counters(MAX_ENTRIES + device.classid) } : {}),
    };
    const problems: Problem[] = [];
    if (device.hook === "tcx" || isCurrent(device)) {
      const check = checkGuard(this.#pinFolder, device, maps.program);
      problems.push(...check.problems);
      if (check.behind !== undefined) state.behind = check.behind;
    }
    if (!maps.readsShaper(this.#pinFolder)) {
      const message = `the guard does not read the limits that are pinned in ${this.#pinFolder}, whose pins were removed`;
      problems.push(repairable("GUARD_LIMITS", message));
    }
    if (maps.limit(entry).owner !== entryOwner) {
      problems.push(repairable("GUARD_ENTRY", `the guard's entry ${entry} is not the attachment's`));
    }
    if (kind === "uplink") {
      const lost = addresses.filter((address) => maps.address(device.classid, address)?.owner !== owner);
      if (lost.length > 0) {
        problems.push(repairable("GUARD_ADDRESS", `the guard does not know ${lost.join(", ")}`));
      }
      if (!maps.sender(device.classid, netns)) {
        problems.push(repairable("GUARD_SENDER", "the guard does not know the pod's namespace"));
      }
    }
    return { state, problems };
  }

  /**
   * Takes the guard off devices that nobody needs guarded any more.
   * @param members who needs each device, by its name in the store; all others are strangers
   */
  gc(
    members: ReadonlyMap<string, ReadonlySet<bigint>>,
    each: (what: string, remove: () => void) => void,
  ): void {
    for (const key of this.#store.keys()) {
      for (const owner of this.#store.members(key)) {
        if (!members.get(key)?.has(owner)) this.#store.leave(key, owner);
      }
      if (this.#store.isDeserted(key)) each(`guard of device ${key}`, () => this.#tearDown(key));
    }
    const owners = new Set([...members.values()].flatMap((some) => [...some]));
    this.#findMaps()?.sweep(owners);
  }

  close(): void {
    this.#maps?.close();
    this.#maps = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #setLimit(maps: GuardMaps, entry: number, limit: Limit, owner: bigint): void {
    const is = maps.limit(entry);
    const wanted: GuardLimit = { ...guardLimit(limit), owner };
    if (is.owner !== owner) {
      maps.take(entry, wanted);
      return;
    }
    // What was stamped under the old limit leaves within its horizon, which is part of its burst.
    const sinceNs = monotonicNow() + is.burstNs;
    const isSame = is.bitsPerSecond === wanted.bitsPerSecond && is.burstNs === wanted.burstNs;
    if (!isSame || is.sinceNs > sinceNs) maps.setLimit(entry, { ...wanted, sinceNs });
  }

  #leave(
    { owner, netns }: Pick<Guarded, "owner" | "netns">,
    { device: key, addresses }: { device: string; addresses: string[] },
    staysAt: string | undefined,
  ): void {
    const device = this.#store.read(key);
    const maps = this.#usableMaps();
    if (device && maps && device.direction === "egress") {
      for (const address of addresses) maps.removeAddress(device.classid, address, owner);
      if (staysAt !== key) maps.removeSender(device.classid, netns, owner);
    }
    if (staysAt !== key && this.#store.leave(key, owner)) this.#tearDown(key);
  }

  /** Takes the guard off a device that nobody needs guarded. */
  #tearDown(key: string): void {
    const device = this.#store.read(key);
    if (device) {
      // A filter in a namespace that is not this one cannot be reached; without entries it lets everything through.
      if (device.hook === "tcx" || isCurrent(device)) detachGuard(this.#pinFolder, device);
    }
    const maps = this.#usableMaps();
    if (maps && device?.direction !== "ingress") forgetUplink(maps, key);
    this.#store.remove(key);
  }

  #findMaps(): GuardMaps | undefined {
    this.#maps ??= GuardMaps.find(this.#pinFolder);
    return this.#maps;
  }

  /** As {@link Guard.#openMaps} where an earlier version is pinned; undefined where there is nothing, or a later one. */
  #usableMaps(): GuardMaps | undefined {
    const found = this.#findMaps();
    // Whatever limits its program reads.
    if (found) return found;
    const version = installedVersion(this.#pinFolder, guardInstallable);
    return version !== undefined && version < guardInstallable.version ? this.#openMaps() : undefined;
  }

  #openMaps(): GuardMaps {
    const found = this.#findMaps();
    if (found?.readsShaper(this.#pinFolder)) return found;
    found?.close();
    const maps = GuardMaps.install(this.#pinFolder);
    this.#maps = maps;
    // Filters run the program that they were given; links find the new one in the table.
    for (const key of this.#store.keys()) {
      const device = this.#store.read(key);
      if (device?.hook === "clsact" && isCurrent(device)) reattach(this.#pinFolder, device, maps);
    }
    return maps;
  }
}

/**
 * What the guard allows under a limit: all that the shaper lets go, however unevenly.
 *
 * The shaper's clock gives each packet a slot of its own, one after the other. A packet that waits leaves no later than
 * its slot, and at most two horizons before it; one that finds nobody waiting leaves at once, at most a burst behind its
 * slot. So what leaves from a to b has slots from a - burst to b + 2 * horizon, and is not more than the limit sends in
 * that time, whatever the number of flows and the size of their packets. What quiet flows may send in front of others
 * comes on top of it, and how late fq may be where the guard does not see departure times.
 *
 * Two things are not in it. Quiet flows that keep sending up to half of the limit while the rest of the pod has a queue
 * of more than two horizons leave at more than the limit until that queue is gone; and a socket may ask for departure
 * times of its own (SO_TXTIME), and for the same one for many packets.
 */
export function guardLimit(limit: Limit): Pick<GuardLimit, "bitsPerSecond" | "burstNs" | "sinceNs" | "drop"> {
  return {
    bitsPerSecond: (limit.bitsPerSecond * RATE_PERCENT) / 100n,
    burstNs: burstNs(limit) + 2n * horizonNs(limit) + passNs(limit) + LATENESS_NS,
    sinceNs: 0n,
    drop: false,
  };
}

function addressesOf(rt: Rtnetlink, link: Link, given: readonly string[]): string[] {
  const found = new Set<string>();
  for (const { address, scope } of rt.addresses.dump({ index: link.index })) {
    // A link-local address is the link's own: another link may have the same.
    if (scope !== "host") found.add(address);
  }
  for (const address of given) found.add(address.split("/")[0]!);
  return [...found].sort();
}

/** A guard that takes another's place, and what it has to take back of it. */
export function succeed(before: GuardRecord | undefined, next: GuardRecord): GuardRecord {
  const { leaving: _, ...after } = next;
  if (before?.device === undefined) return after;
  const left = [...(before.addresses ?? []), ...(before.leaving?.addresses ?? [])];
  const stays = before.device === next.device;
  const addresses = stays ? left.filter((address) => !next.addresses?.includes(address)) : left;
  return stays && addresses.length === 0
    ? after
    : { ...after, leaving: { device: before.device, addresses } };
}

/** A device that is gone needs no guard. */
function reattach(pinFolder: string, device: GuardedDevice, { program }: GuardMaps): void {
  try {
    attachGuard(pinFolder, device, program);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENODEV") throw error;
  }
}

import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";
import { ShaperError } from "../errors.js";
import { hasTcx } from "../tcx/program-table.js";
import type { DeviceStore, GuardedDevice } from "./device-store.js";
import type { GuardRecord } from "./guard.js";
import { detachGuard, findHostClsact } from "./hook.js";
import { type GuardLimit, type GuardMaps, HOST_ENTRY, MAX_ENTRIES, MAX_UPLINKS, PEER } from "./maps.js";
import { DEFAULT_POLICY, type GuardPolicy } from "./options.js";

/** How late fq may let packets go, all at once: its timers and the CPU that serves them are not always on time. */
export const LATENESS_NS = 150_000_000n;

/** Sources that every network has: addresses not yet assigned, and those of a link. */
const ALWAYS_KNOWN = ["0.0.0.0", "::", "fe80::/10"];

/** Whether a device is in the current namespace. */
export function isCurrent(device: GuardedDevice): boolean {
  using host = NetworkNamespace.current();
  return host.identity.inode.toString() === device.netns;
}

/** Describes the device that an attachment needs guarded on disk, an uplink with a number and a policy of its own. */
export function prepareDevice(
  pinFolder: string,
  store: DeviceStore,
  maps: GuardMaps,
  guard: GuardRecord,
  entry: number,
): GuardedDevice {
  const { device: key, ifindex } = guard as Required<GuardRecord>;
  const known = store.read(key);
  return guard.kind === "uplink"
    ? prepareUplink(store, maps, { key, ifindex }, policyOf(guard), known)
    : preparePeer(pinFolder, store, { key, ifindex }, entry, known);
}

/** Gives an uplink's number back, with all that the maps hold for it, also where it was not yet written down. */
export function forgetUplink(maps: GuardMaps, key: string): void {
  const owner = keyOwner(key);
  for (let number = 1; number < MAX_UPLINKS; number++) {
    if (maps.limit(MAX_ENTRIES + number).owner !== owner) continue;
    maps.forgetUplink(number);
    maps.free(MAX_ENTRIES + number);
  }
}

interface Place {
  key: string;
  ifindex: number;
}

function preparePeer(
  pinFolder: string,
  store: DeviceStore,
  { key, ifindex }: Place,
  entry: number,
  known: GuardedDevice | undefined,
): GuardedDevice {
  const classid = PEER | entry;
  if (known?.classid === classid) return known;
  // The attachment has another entry now. The filter is known by its classid.
  if (known) detachGuard(pinFolder, known);
  const device: GuardedDevice = {
    ...describe(key, ifindex),
    direction: "ingress",
    classid,
    // A link takes a grace period of RCU, and this would be each pod's.
    hook: "clsact",
    clsactFound: findHostClsact(ifindex),
  };
  store.write(device);
  return device;
}

function prepareUplink(
  store: DeviceStore,
  maps: GuardMaps,
  { key, ifindex }: Place,
  asked: GuardPolicy | undefined,
  known: GuardedDevice | undefined,
): GuardedDevice {
  const policy = asked ?? known?.policy ?? DEFAULT_POLICY;
  if (known) {
    const isSame = samePolicy(known.policy, policy);
    const isLost = maps.limit(MAX_ENTRIES + known.classid).owner !== keyOwner(key);
    // The host's own addresses may have changed as well.
    if (!isSame || isLost || policy.unknown !== "pass") applyPolicy(maps, known.classid, key, policy);
    if (!isSame) store.write({ ...known, policy });
    return known;
  }
  const hook = hasTcx() ? "tcx" : "clsact";
  const device: GuardedDevice = {
    ...describe(key, ifindex),
    direction: "egress",
    classid: takeNumber(maps, key),
    hook,
    clsactFound: hook === "clsact" && findHostClsact(ifindex),
    policy,
  };
  applyPolicy(maps, device.classid, key, policy);
  store.write(device);
  return device;
}

function describe(key: string, ifindex: number): Pick<GuardedDevice, "key" | "netns" | "ifindex" | "name"> {
  using rt = Rtnetlink.open();
  return { key, netns: key.split("-")[0] ?? "", ifindex, name: rt.links.get(ifindex).name };
}

/** A number for an uplink that has none; one that a process took before it died is found again. */
function takeNumber(maps: GuardMaps, key: string): number {
  const owner = keyOwner(key);
  let free: number | undefined;
  for (let number = 1; number < MAX_UPLINKS; number++) {
    const taken = maps.limit(MAX_ENTRIES + number).owner;
    if (taken === owner) return number;
    if (taken === 0n) free ??= number;
  }
  if (free !== undefined) return free;
  throw new ShaperError("FULL", `${MAX_UPLINKS - 1} uplinks are guarded already`, {
    remedy: "`weir gc` frees those that nobody needs; or switch the guard off.",
  });
}

function applyPolicy(maps: GuardMaps, number: number, key: string, { unknown, known }: GuardPolicy): void {
  const entry = MAX_ENTRIES + number;
  const limit: GuardLimit = {
    bitsPerSecond: typeof unknown === "bigint" ? unknown : 0n,
    burstNs: LATENESS_NS,
    sinceNs: 0n,
    drop: unknown === "drop",
    owner: keyOwner(key),
  };
  if (maps.limit(entry).owner === limit.owner) maps.setLimit(entry, limit);
  else maps.take(entry, limit);
  using host = NetworkNamespace.current();
  maps.setSender(number, host.identity.inode, HOST_ENTRY, limit.owner);
  const own = unknown === "pass" ? [] : [...ALWAYS_KNOWN, ...hostAddresses()];
  maps.setKnown(number, [...known, ...own]);
}

function hostAddresses(): string[] {
  using rt = Rtnetlink.open();
  return [...rt.addresses.dump()].map(({ address }) => address);
}

function policyOf({ policy }: GuardRecord): GuardPolicy | undefined {
  if (!policy) return undefined;
  const { unknown, known } = policy;
  return { unknown: /^\d+$/.test(unknown) ? BigInt(unknown) : (unknown as "pass" | "drop"), known };
}

function samePolicy(one: GuardPolicy | undefined, other: GuardPolicy): boolean {
  return one?.unknown === other.unknown && one.known.join() === other.known.join();
}

/** What an uplink's entry is known by: no attachment's number begins so. */
function keyOwner(key: string): bigint {
  const [netns = "0", ifindex = "0"] = key.split("-");
  return (1n << 63n) | (BigInt(netns) << 24n) | BigInt(ifindex);
}

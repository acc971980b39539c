import { type Link, NetlinkError, type Rtnetlink } from "@weir/netlink";
import type { Limit } from "./limits.js";
import { type Problem, repairable } from "./problem.js";

/**
 * How large a packet the stack may build for a device to cut up (generic segmentation offload), as it was found and as
 * it is to be. Bytes throughout, as in IFLA_GSO_MAX_SIZE of include/uapi/linux/if_link.h.
 */
export interface GsoRecord {
  /** What weir sets; what was found, where a change is taking the cap away. */
  maxSize: number;
  found: number;
  /** IFLA_GSO_IPV4_MAX_SIZE, which Linux has from 6.3 on. */
  foundIpv4?: number;
  /** Why the device has no cap although the limit wants one: what the kernel said. */
  none?: string;
}

/** What {@link Shaper.inspect} says of the largest packets that a pod's stack builds. */
export interface GsoState {
  /** The device's gso_max_size, in bytes, for as long as its egress is limited. */
  maxSize: number;
  /** What it was before, and will be again. */
  foundMaxSize: number;
  /** Why the device was left as it is: what the kernel said. */
  none?: string;
}

/**
 * How long the largest packet may take on the wire. A packet leaves when its flow's turn ends, so that what leaves at
 * once is as uneven as the flows' packets are long: docs/how-shaping-works.md has what was measured.
 */
const MAX_PACKET_NS = 2_000_000n;

/** TCP builds packets of two segments whatever the device allows: net.ipv4.tcp_min_tso_segs. */
const MIN_SEGMENTS = 2n;

/** The headers of IPv4 and TCP, without which a segment is as large as the device's MTU. */
const SEGMENT_HEADERS = 40n;
const ETHERNET_HEADER = 14n;

/**
 * TCP keeps room for its headers out of gso_max_size: MAX_TCP_HEADER and one byte (net/core/sock.c, sk_setup_caps),
 * which is 321 bytes where the kernel is built with tunnels and wireless devices. The rest is for segments that are a
 * little smaller than here.
 */
const TCP_ROOM = 384n;

/** The largest size that IPv4 knows: GSO_LEGACY_MAX_SIZE of include/linux/netdevice.h. */
const LEGACY_MAX_SIZE = 65_536;

/**
 * How large packets may get under a limit, in bytes: whole segments, as many as the limit sends in 2 ms, and two at
 * least.
 * @param mtu the device's, in bytes
 */
export function gsoMaxSize({ bitsPerSecond }: Pick<Limit, "bitsPerSecond">, mtu: number): number {
  const wire = (BigInt(mtu) + ETHERNET_HEADER) * 8n;
  const segments = (bitsPerSecond * MAX_PACKET_NS) / (wire * 1_000_000_000n);
  const most = segments > MIN_SEGMENTS ? segments : MIN_SEGMENTS;
  return Number(most * (BigInt(mtu) - SEGMENT_HEADERS) + TCP_ROOM);
}

/**
 * What a device's largest packet is to be under a limit.
 * @param limit undefined for none
 * @param before what was recorded of the device until now
 * @returns undefined where weir has nothing to do with it
 */
export function planGso(
  link: Link,
  limit: Limit | undefined,
  before: GsoRecord | undefined,
): GsoRecord | undefined {
  const known = before?.none === undefined ? before : undefined;
  const found = known?.found ?? link.gsoMaxSize;
  if (found === undefined) return undefined;
  const foundIpv4 = known ? known.foundIpv4 : link.attributes.gsoIpv4MaxSize;
  const wanted = limit ? gsoMaxSize(limit, link.mtu) : found;
  const largest = Math.max(found, foundIpv4 ?? 0);
  if (wanted >= largest && !known) return undefined;
  return {
    maxSize: Math.min(wanted, largest),
    found,
    ...(foundIpv4 === undefined ? {} : { foundIpv4 }),
  };
}

/** A plan by which a device gets back what it had. */
export function withoutCap({ none: _, ...gso }: GsoRecord): GsoRecord {
  return { ...gso, maxSize: Math.max(gso.found, gso.foundIpv4 ?? 0) };
}

/**
 * Makes a device's largest packet what a plan says.
 * @returns what is worth recording of it: undefined where the device is as it was found
 * @throws whatever is not the kernel's refusal
 */
export function applyGso(rt: Rtnetlink, link: Link, gso: GsoRecord): GsoRecord | undefined {
  const { none: _, ...plan } = gso;
  if (!isSet(link, plan)) {
    try {
      setGso(rt, link.index, plan);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return isCapped(plan) ? { ...plan, none: error.message } : undefined;
    }
  }
  return isCapped(plan) ? plan : undefined;
}

/** Gives a device its largest packet back, unless somebody has given it a larger one meanwhile. */
export function restoreGso(rt: Rtnetlink, link: Link, gso: GsoRecord): void {
  if ((link.gsoMaxSize ?? 0) > gso.found) return;
  applyGso(rt, link, withoutCap(gso));
}

/** What an inspection says of a device's largest packet. */
export function gsoState({ maxSize, found, none }: GsoRecord): GsoState {
  return {
    maxSize: none === undefined ? Math.min(maxSize, found) : found,
    foundMaxSize: found,
    ...(none === undefined ? {} : { none }),
  };
}

/** Says whether somebody has changed what weir set. */
export function checkGso(link: Link, gso: GsoRecord): Problem[] {
  if (gso.none !== undefined || isSet(link, gso)) return [];
  const { gsoMaxSize: is, name } = link;
  const ipv4 = link.attributes.gsoIpv4MaxSize;
  const both = ipv4 === undefined || ipv4 === is ? `${is}` : `${is}, and for IPv4 ${ipv4}`;
  const message = `the gso_max_size of ${name} is ${both}, not ${gso.maxSize}: large packets leave in clumps`;
  return [repairable("GSO_SIZE", message)];
}

function sizes({ maxSize, found, foundIpv4 }: GsoRecord): { all: number; ipv4: number | undefined } {
  return {
    all: Math.min(maxSize, found),
    ipv4: foundIpv4 === undefined ? undefined : Math.min(maxSize, foundIpv4),
  };
}

function isCapped({ maxSize, found, foundIpv4 = 0 }: GsoRecord): boolean {
  return maxSize < found || maxSize < foundIpv4;
}

function isSet(link: Link, gso: GsoRecord): boolean {
  const { all, ipv4 } = sizes(gso);
  return link.gsoMaxSize === all && link.attributes.gsoIpv4MaxSize === ipv4;
}

/** The kernel lowers and raises the size for IPv4 along with the other, up to 65,536 bytes: netif_set_gso_max_size. */
function setGso(rt: Rtnetlink, index: number, gso: GsoRecord): void {
  const { all, ipv4 } = sizes(gso);
  const follows = ipv4 === undefined || (ipv4 === all && all <= LEGACY_MAX_SIZE);
  rt.links.set(index, { gsoMaxSize: all, ...(follows ? {} : { gsoIpv4MaxSize: ipv4 }) });
}

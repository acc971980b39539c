import { formatIpv4, formatIpv6, ipAddress, parseAddress } from "../schema/address.js";
import { attributes } from "../schema/attributes.js";
import { type Input, littleEndian, type Output } from "../schema/bytes.js";
import { binary, type Codec, type Encodable, s32, u8, u16, u16be, u32 } from "../schema/codec.js";
import { NetlinkDecodeError, NetlinkEncodeError } from "../schema/errors.js";
import { message } from "../schema/message-body.js";
import { enumeration, flags } from "../schema/names.js";
import { struct } from "../schema/struct.js";
import { string } from "../schema/text.js";
import { family, scope } from "./address.js";
import { encap, encapType } from "./encap.js";

/** Who made a route: RTPROT_*, /etc/iproute2/rt_protos. */
export const routeProtocol = enumeration(u8, {
  unspec: 0,
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  gated: 8,
  ra: 9,
  mrt: 10,
  zebra: 11,
  bird: 12,
  dnrouted: 13,
  xorp: 14,
  ntk: 15,
  dhcp: 16,
  mrouted: 17,
  keepalived: 18,
  babel: 42,
  ovn: 84,
  openr: 99,
  bgp: 186,
  isis: 187,
  ospf: 188,
  rip: 189,
  eigrp: 192,
});

/** What a route does with packets: RTN_*. */
export const routeType = enumeration(u8, {
  unspec: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
  nat: 10,
});

/** RTM_F_* and RTNH_F_*, which share a word. */
export const routeFlags = flags(u32, {
  dead: 0x1,
  pervasive: 0x2,
  onlink: 0x4,
  offload: 0x8,
  linkDown: 0x10,
  unresolved: 0x20,
  trap: 0x40,
  notify: 0x100,
  cloned: 0x200,
  equalize: 0x400,
  prefix: 0x800,
  lookupTable: 0x1000,
  fibMatch: 0x2000,
  routeOffload: 0x4000,
  routeTrap: 0x8000,
  offloadFailed: 0x2000_0000,
});

/** The header of route messages: include/uapi/linux/rtnetlink.h. */
export const rtmsg = struct("rtmsg", {
  family,
  destinationLength: u8,
  sourceLength: u8,
  tos: u8,
  table: u8,
  protocol: routeProtocol,
  scope,
  type: routeType,
  flags: routeFlags,
});

/** What the kernel remembers of a route's use; times in hundredths of a second. */
export const rtaCacheinfo = struct("rta_cacheinfo", {
  references: u32,
  lastUse: u32,
  expires: s32,
  error: u32,
  used: u32,
  id: u32,
  timestamp: u32,
  timestampAge: u32,
});

/** A route's metrics: RTAX_*. */
export const routeMetrics = attributes({
  lock: [1, "RTAX_LOCK", u32],
  mtu: [2, "RTAX_MTU", u32],
  window: [3, "RTAX_WINDOW", u32],
  rtt: [4, "RTAX_RTT", u32],
  rttVariance: [5, "RTAX_RTTVAR", u32],
  slowStartThreshold: [6, "RTAX_SSTHRESH", u32],
  congestionWindow: [7, "RTAX_CWND", u32],
  advertisedMss: [8, "RTAX_ADVMSS", u32],
  reordering: [9, "RTAX_REORDERING", u32],
  hopLimit: [10, "RTAX_HOPLIMIT", u32],
  initialCongestionWindow: [11, "RTAX_INITCWND", u32],
  features: [12, "RTAX_FEATURES", u32],
  minimumRto: [13, "RTAX_RTO_MIN", u32],
  initialReceiveWindow: [14, "RTAX_INITRWND", u32],
  quickAck: [15, "RTAX_QUICKACK", u32],
  congestionControl: [16, "RTAX_CC_ALGO", string],
  fastOpenNoCookie: [17, "RTAX_FASTOPEN_NO_COOKIE", u32],
});

/** A gateway of either family: struct rtvia. */
export const via: Codec<string> = {
  decode: (input, start, end) => {
    const addressFamily = end - start >= 2 ? input.view.getUint16(start, littleEndian) : 0;
    if (addressFamily === 2 && end - start === 6) return formatIpv4(input.bytes, start + 2);
    return addressFamily === 10 && end - start === 18 ? formatIpv6(input.bytes, start + 2) : undefined;
  },
  encode: (output, value) => {
    const { bytes } = parseAddress(value);
    u16.encode(output, bytes.length === 4 ? 2 : 10, undefined);
    output.append(bytes);
  },
};

/** The attributes of one of several ways that a route takes. */
export const nexthopAttributes = attributes({
  gateway: [5, "RTA_GATEWAY", ipAddress],
  flow: [11, "RTA_FLOW", u32],
  via: [18, "RTA_VIA", via],
  newDestination: [19, "RTA_NEWDST", binary],
  encapType: [21, "RTA_ENCAP_TYPE", encapType],
  encap: [22, "RTA_ENCAP", encap],
});

/** sizeof(struct rtnexthop). */
const RTNEXTHOP = 8;

/** One of several ways that a route takes. */
export interface WireNexthop {
  /** RTNH_F_* */
  readonly flags?: number | undefined;
  /** The weight less one. */
  readonly hops?: number | undefined;
  readonly index?: number | undefined;
  readonly attributes?: NonNullable<ReturnType<typeof nexthopAttributes.decode>> | undefined;
}

/** As {@link WireNexthop}, but every value in the forms that encoding takes. */
export interface WireNexthopInput extends Omit<WireNexthop, "attributes"> {
  readonly attributes?: Encodable<typeof nexthopAttributes> | undefined;
}

/** RTA_MULTIPATH: structs rtnexthop one after the other, each with attributes. */
const nexthops: Codec<WireNexthop[], readonly WireNexthopInput[]> = {
  nests: true,
  decode: (input, start, end) => {
    const values: WireNexthop[] = [];
    for (let at = start; at < end; ) {
      const length = end - at >= RTNEXTHOP ? input.view.getUint16(at, littleEndian) : 0;
      if (length < RTNEXTHOP || length > end - at)
        throw new NetlinkDecodeError(`a next hop claims ${length} bytes where ${end - at} are left`, at);
      const attributes = nexthopAttributes.decode(input, at + RTNEXTHOP, at + length);
      if (!attributes) return undefined;
      values.push({
        flags: input.bytes[at + 2],
        hops: input.bytes[at + 3],
        index: input.view.getInt32(at + 4, littleEndian),
        attributes,
      });
      at = (at + length + 3) & ~3;
    }
    return values;
  },
  encode: (output: Output, values) => {
    for (const { flags = 0, hops = 0, index = 0, attributes = {} } of values) {
      const start = output.reserve(RTNEXTHOP);
      u8.write(output, start + 2, flags);
      u8.write(output, start + 3, hops);
      s32.write(output, start + 4, index);
      nexthopAttributes.encode(output, attributes);
      const length = output.length - start;
      if (length > 0xffff) throw new NetlinkEncodeError("a next hop is too long");
      u16.write(output, start, length);
    }
  },
  locate: (input: Input, start, end, offset) => {
    let index = 0;
    for (let at = start; at + RTNEXTHOP <= end; index++) {
      const length = input.view.getUint16(at, littleEndian);
      if (length < RTNEXTHOP) break;
      if (offset < at + length)
        return [String(index), ...nexthopAttributes.locate(input, at + RTNEXTHOP, at + length, offset)];
      at = (at + length + 3) & ~3;
    }
    return [];
  },
};

/** How routers are rated: ICMPV6_ROUTER_PREF_* of include/uapi/linux/icmpv6.h. */
export const routePreference = enumeration(u8, { medium: 0, high: 1, invalid: 2, low: 3 });

/** A route's attributes: enum RTA_*. */
export const routeAttributes = attributes({
  destination: [1, "RTA_DST", ipAddress],
  source: [2, "RTA_SRC", ipAddress],
  inputIndex: [3, "RTA_IIF", u32],
  index: [4, "RTA_OIF", u32],
  gateway: [5, "RTA_GATEWAY", ipAddress],
  priority: [6, "RTA_PRIORITY", u32],
  preferredSource: [7, "RTA_PREFSRC", ipAddress],
  metrics: [8, "RTA_METRICS", routeMetrics],
  multipath: [9, "RTA_MULTIPATH", nexthops],
  flow: [11, "RTA_FLOW", u32],
  cacheInfo: [12, "RTA_CACHEINFO", rtaCacheinfo],
  table: [15, "RTA_TABLE", u32],
  mark: [16, "RTA_MARK", u32],
  multicastStats: [17, "RTA_MFC_STATS", binary],
  via: [18, "RTA_VIA", via],
  newDestination: [19, "RTA_NEWDST", binary],
  preference: [20, "RTA_PREF", routePreference],
  encapType: [21, "RTA_ENCAP_TYPE", encapType],
  encap: [22, "RTA_ENCAP", encap],
  expires: [23, "RTA_EXPIRES", u32],
  uid: [25, "RTA_UID", u32],
  ttlPropagate: [26, "RTA_TTL_PROPAGATE", u8],
  ipProtocol: [27, "RTA_IP_PROTO", u8],
  sourcePort: [28, "RTA_SPORT", u16be],
  destinationPort: [29, "RTA_DPORT", u16be],
  nexthopId: [30, "RTA_NH_ID", u32],
});

/** The body of RTM_NEWROUTE, RTM_DELROUTE and RTM_GETROUTE. */
export const routeMessage = message(rtmsg, routeAttributes);

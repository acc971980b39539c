import { ipAddress } from "../schema/address.js";
import { attributes, flagged, repeated } from "../schema/attributes.js";
import { present, u8, u16, u32, u64 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { enumeration, flags } from "../schema/names.js";
import { elements, padding, struct } from "../schema/struct.js";
import { uint } from "../schema/uint.js";
import { family, scope } from "./address.js";
import { encap, encapType } from "./encap.js";
import { routeFlags, routeProtocol } from "./route-schema.js";

/** The header of nexthop messages: include/uapi/linux/nexthop.h. */
export const nhmsg = struct("nhmsg", {
  family,
  scope,
  protocol: routeProtocol,
  reserved: padding(1),
  flags: routeFlags,
});

/** A member of a group: its weight is `weight + 256 * weightHigh + 1`. */
export const nexthopGroupEntry = struct("nexthop_grp", {
  id: u32,
  weight: u8,
  weightHigh: u8,
  /** Before Linux 6.11 what lay there in memory. */
  reserved: u16,
});

/** How a resilient group works; times in hundredths of a second: enum NHA_RES_GROUP_*. */
export const resilientGroup = attributes({
  buckets: [1, "NHA_RES_GROUP_BUCKETS", u16],
  idleTimer: [2, "NHA_RES_GROUP_IDLE_TIMER", u32],
  unbalancedTimer: [3, "NHA_RES_GROUP_UNBALANCED_TIMER", u32],
  unbalancedTime: [4, "NHA_RES_GROUP_UNBALANCED_TIME", u64],
});

/** A bucket of a resilient group: enum NHA_RES_BUCKET_*. */
export const resilientBucket = attributes({
  index: [1, "NHA_RES_BUCKET_INDEX", u16],
  idleTime: [2, "NHA_RES_BUCKET_IDLE_TIME", u64],
  nexthopId: [3, "NHA_RES_BUCKET_NH_ID", u32],
});

/** A group's counters: enum NHA_GROUP_STATS_ENTRY_*. */
export const groupStatsEntry = attributes({
  id: [1, "NHA_GROUP_STATS_ENTRY_ID", u32],
  packets: [2, "NHA_GROUP_STATS_ENTRY_PACKETS", uint],
  hardwarePackets: [3, "NHA_GROUP_STATS_ENTRY_PACKETS_HW", uint],
});
const groupStats = attributes({ entries: [1, "NHA_GROUP_STATS_ENTRY", repeated(flagged(groupStatsEntry))] });

/** A nexthop's attributes: enum NHA_*. */
export const nexthopObjectAttributes = attributes({
  id: [1, "NHA_ID", u32],
  group: [2, "NHA_GROUP", elements(nexthopGroupEntry)],
  groupType: [3, "NHA_GROUP_TYPE", enumeration(u16, { multipath: 0, resilient: 1 })],
  blackhole: [4, "NHA_BLACKHOLE", present],
  index: [5, "NHA_OIF", u32],
  gateway: [6, "NHA_GATEWAY", ipAddress],
  encapType: [7, "NHA_ENCAP_TYPE", encapType],
  encap: [8, "NHA_ENCAP", encap],
  groups: [9, "NHA_GROUPS", present],
  master: [10, "NHA_MASTER", u32],
  fdb: [11, "NHA_FDB", present],
  resilientGroup: [12, "NHA_RES_GROUP", flagged(resilientGroup)],
  resilientBucket: [13, "NHA_RES_BUCKET", flagged(resilientBucket)],
  operationFlags: [
    14,
    "NHA_OP_FLAGS",
    flags(u32, { dumpStats: 1, dumpHardwareStats: 2, groupReservedZero: 0x8000_0000 }),
  ],
  groupStats: [15, "NHA_GROUP_STATS", flagged(groupStats)],
  hardwareStatsEnable: [16, "NHA_HW_STATS_ENABLE", u32],
  hardwareStatsUsed: [17, "NHA_HW_STATS_USED", u32],
});

/** The body of RTM_NEWNEXTHOP, RTM_GETNEXTHOP, RTM_NEWNEXTHOPBUCKET and so on. */
export const nexthopMessage = message(nhmsg, nexthopObjectAttributes);

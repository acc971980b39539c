import { ipAddress, linkLayerAddress } from "../schema/address.js";
import { attributes, flagged } from "../schema/attributes.js";
import { present, s32, u8, u16, u16be, u32, u64 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { enumeration, flags } from "../schema/names.js";
import { padding, struct } from "../schema/struct.js";
import { string } from "../schema/text.js";
import { routeProtocol } from "./route-schema.js";

/** Address families that neighbours have; "bridge" is that of forwarding databases. */
export const neighbourFamily = enumeration(u8, { unspec: 0, ipv4: 2, bridge: 7, ipv6: 10 });

/** What is known of a neighbour: NUD_* of include/uapi/linux/neighbour.h. */
export const neighbourState = flags(u16, {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noArp: 0x40,
  permanent: 0x80,
});

/** NTF_*. */
export const neighbourFlags = flags(u8, {
  use: 0x01,
  self: 0x02,
  master: 0x04,
  proxy: 0x08,
  externLearned: 0x10,
  offloaded: 0x20,
  sticky: 0x40,
  router: 0x80,
});

/** The header of neighbour messages. */
export const ndmsg = struct("ndmsg", {
  family: neighbourFamily,
  pad1: padding(1),
  pad2: padding(2),
  index: s32,
  state: neighbourState,
  flags: neighbourFlags,
  /** RTN_*: 1 is unicast, 5 multicast. */
  type: u8,
});

/** Times in hundredths of a second since the entry was confirmed, used and updated. */
export const ndaCacheinfo = struct("nda_cacheinfo", {
  confirmed: u32,
  used: u32,
  updated: u32,
  references: u32,
});

/** What an entry of a forwarding database tells of its use: enum NFEA_*. */
export const fdbExtension = attributes({
  activityNotify: [1, "NFEA_ACTIVITY_NOTIFY", u8],
  dontRefresh: [2, "NFEA_DONT_REFRESH", present],
});

/** A neighbour's attributes: enum NDA_*. */
export const neighbourAttributes = attributes({
  destination: [1, "NDA_DST", ipAddress],
  address: [2, "NDA_LLADDR", linkLayerAddress],
  cacheInfo: [3, "NDA_CACHEINFO", ndaCacheinfo],
  probes: [4, "NDA_PROBES", u32],
  vlan: [5, "NDA_VLAN", u16],
  port: [6, "NDA_PORT", u16be],
  vni: [7, "NDA_VNI", u32],
  index: [8, "NDA_IFINDEX", u32],
  master: [9, "NDA_MASTER", u32],
  linkNetnsId: [10, "NDA_LINK_NETNSID", s32],
  sourceVni: [11, "NDA_SRC_VNI", u32],
  protocol: [12, "NDA_PROTOCOL", routeProtocol],
  nexthopId: [13, "NDA_NH_ID", u32],
  fdbExtension: [14, "NDA_FDB_EXT_ATTRS", flagged(fdbExtension)],
  extendedFlags: [15, "NDA_FLAGS_EXT", flags(u32, { managed: 1, locked: 2, externValidated: 4 })],
  stateMask: [16, "NDA_NDM_STATE_MASK", u16],
  flagsMask: [17, "NDA_NDM_FLAGS_MASK", u8],
});

/** The body of RTM_NEWNEIGH, RTM_DELNEIGH and RTM_GETNEIGH. */
export const neighbourMessage = message(ndmsg, neighbourAttributes);

/** The header of messages about neighbour tables. */
export const ndtmsg = struct("ndtmsg", { family: neighbourFamily, pad1: padding(1), pad2: padding(2) });

/** How a table stands. Times in milliseconds. */
export const ndtConfig = struct("ndt_config", {
  keyLength: u16,
  entrySize: u16,
  entries: u32,
  lastFlushMs: u32,
  lastRandomMs: u32,
  hashRandom: u32,
  hashMask: u32,
  hashChainGc: u32,
  proxyQueueLength: u32,
});

/** A table's counters. */
export const ndtStats = struct("ndt_stats", {
  allocations: u64,
  destroys: u64,
  hashGrows: u64,
  resolutionFailures: u64,
  lookups: u64,
  hits: u64,
  receivedMulticastProbes: u64,
  receivedUnicastProbes: u64,
  periodicGcRuns: u64,
  forcedGcRuns: u64,
  tableFulls: u64,
});

/** The parameters of a table, or of it on one device: enum NDTPA_*. */
export const neighbourParameters = attributes({
  index: [1, "NDTPA_IFINDEX", u32],
  references: [2, "NDTPA_REFCNT", u32],
  reachableTimeMs: [3, "NDTPA_REACHABLE_TIME", u64],
  baseReachableTimeMs: [4, "NDTPA_BASE_REACHABLE_TIME", u64],
  retransmitTimeMs: [5, "NDTPA_RETRANS_TIME", u64],
  gcStaleTimeMs: [6, "NDTPA_GC_STALETIME", u64],
  delayProbeTimeMs: [7, "NDTPA_DELAY_PROBE_TIME", u64],
  queueLength: [8, "NDTPA_QUEUE_LEN", u32],
  appProbes: [9, "NDTPA_APP_PROBES", u32],
  unicastProbes: [10, "NDTPA_UCAST_PROBES", u32],
  multicastProbes: [11, "NDTPA_MCAST_PROBES", u32],
  anycastDelayMs: [12, "NDTPA_ANYCAST_DELAY", u64],
  proxyDelayMs: [13, "NDTPA_PROXY_DELAY", u64],
  proxyQueueLength: [14, "NDTPA_PROXY_QLEN", u32],
  lockTimeMs: [15, "NDTPA_LOCKTIME", u64],
  queueBytes: [16, "NDTPA_QUEUE_LENBYTES", u32],
  multicastReprobes: [17, "NDTPA_MCAST_REPROBES", u32],
  intervalProbeTimeMs: [19, "NDTPA_INTERVAL_PROBE_TIME_MS", u64],
});

/** A neighbour table's attributes: enum NDTA_*. */
export const neighbourTableAttributes = attributes({
  name: [1, "NDTA_NAME", string],
  threshold1: [2, "NDTA_THRESH1", u32],
  threshold2: [3, "NDTA_THRESH2", u32],
  threshold3: [4, "NDTA_THRESH3", u32],
  config: [5, "NDTA_CONFIG", ndtConfig],
  parameters: [6, "NDTA_PARMS", neighbourParameters],
  stats: [7, "NDTA_STATS", ndtStats],
  gcIntervalMs: [8, "NDTA_GC_INTERVAL", u64],
});

/** The body of RTM_NEWNEIGHTBL, RTM_GETNEIGHTBL and RTM_SETNEIGHTBL. */
export const neighbourTableMessage = message(ndtmsg, neighbourTableAttributes);

import { linkLayerAddress } from "../../schema/address.js";
import { attributes, flagged, repeated } from "../../schema/attributes.js";
import { binary, bool8, once, present, u8, u16, u32, u64 } from "../../schema/codec.js";
import { enumeration, flags } from "../../schema/names.js";
import { bytes, struct } from "../../schema/struct.js";
import { vlanProtocol } from "./vlan.js";

/** A bridge's identity: its priority and its MAC address. */
export const bridgeId = struct("ifla_bridge_id", { priority: bytes(2), address: bytes(6) });
const boolopts = struct("br_boolopt_multi", { values: u32, mask: u32 });

/** bridge: enum IFLA_BR_*. Times are in hundredths of a second (USER_HZ). */
export const bridgeData = once(() =>
  attributes({
    forwardDelay: [1, "IFLA_BR_FORWARD_DELAY", u32],
    helloTime: [2, "IFLA_BR_HELLO_TIME", u32],
    maxAge: [3, "IFLA_BR_MAX_AGE", u32],
    ageingTime: [4, "IFLA_BR_AGEING_TIME", u32],
    stpState: [5, "IFLA_BR_STP_STATE", u32],
    priority: [6, "IFLA_BR_PRIORITY", u16],
    vlanFiltering: [7, "IFLA_BR_VLAN_FILTERING", bool8],
    vlanProtocol: [8, "IFLA_BR_VLAN_PROTOCOL", vlanProtocol],
    groupForwardMask: [9, "IFLA_BR_GROUP_FWD_MASK", u16],
    rootId: [10, "IFLA_BR_ROOT_ID", bridgeId],
    bridgeId: [11, "IFLA_BR_BRIDGE_ID", bridgeId],
    rootPort: [12, "IFLA_BR_ROOT_PORT", u16],
    rootPathCost: [13, "IFLA_BR_ROOT_PATH_COST", u32],
    topologyChange: [14, "IFLA_BR_TOPOLOGY_CHANGE", u8],
    topologyChangeDetected: [15, "IFLA_BR_TOPOLOGY_CHANGE_DETECTED", u8],
    helloTimer: [16, "IFLA_BR_HELLO_TIMER", u64],
    tcnTimer: [17, "IFLA_BR_TCN_TIMER", u64],
    topologyChangeTimer: [18, "IFLA_BR_TOPOLOGY_CHANGE_TIMER", u64],
    gcTimer: [19, "IFLA_BR_GC_TIMER", u64],
    groupAddress: [20, "IFLA_BR_GROUP_ADDR", linkLayerAddress],
    flushFdb: [21, "IFLA_BR_FDB_FLUSH", present],
    multicastRouter: [22, "IFLA_BR_MCAST_ROUTER", u8],
    multicastSnooping: [23, "IFLA_BR_MCAST_SNOOPING", bool8],
    multicastQueryUseIfaddr: [24, "IFLA_BR_MCAST_QUERY_USE_IFADDR", bool8],
    multicastQuerier: [25, "IFLA_BR_MCAST_QUERIER", bool8],
    multicastHashElasticity: [26, "IFLA_BR_MCAST_HASH_ELASTICITY", u32],
    multicastHashMax: [27, "IFLA_BR_MCAST_HASH_MAX", u32],
    multicastLastMemberCount: [28, "IFLA_BR_MCAST_LAST_MEMBER_CNT", u32],
    multicastStartupQueryCount: [29, "IFLA_BR_MCAST_STARTUP_QUERY_CNT", u32],
    multicastLastMemberInterval: [30, "IFLA_BR_MCAST_LAST_MEMBER_INTVL", u64],
    multicastMembershipInterval: [31, "IFLA_BR_MCAST_MEMBERSHIP_INTVL", u64],
    multicastQuerierInterval: [32, "IFLA_BR_MCAST_QUERIER_INTVL", u64],
    multicastQueryInterval: [33, "IFLA_BR_MCAST_QUERY_INTVL", u64],
    multicastQueryResponseInterval: [34, "IFLA_BR_MCAST_QUERY_RESPONSE_INTVL", u64],
    multicastStartupQueryInterval: [35, "IFLA_BR_MCAST_STARTUP_QUERY_INTVL", u64],
    nfCallIptables: [36, "IFLA_BR_NF_CALL_IPTABLES", bool8],
    nfCallIp6tables: [37, "IFLA_BR_NF_CALL_IP6TABLES", bool8],
    nfCallArptables: [38, "IFLA_BR_NF_CALL_ARPTABLES", bool8],
    vlanDefaultPvid: [39, "IFLA_BR_VLAN_DEFAULT_PVID", u16],
    vlanStatsEnabled: [41, "IFLA_BR_VLAN_STATS_ENABLED", bool8],
    multicastStatsEnabled: [42, "IFLA_BR_MCAST_STATS_ENABLED", bool8],
    multicastIgmpVersion: [43, "IFLA_BR_MCAST_IGMP_VERSION", u8],
    multicastMldVersion: [44, "IFLA_BR_MCAST_MLD_VERSION", u8],
    vlanStatsPerPort: [45, "IFLA_BR_VLAN_STATS_PER_PORT", bool8],
    options: [46, "IFLA_BR_MULTI_BOOLOPT", boolopts],
    multicastQuerierState: [47, "IFLA_BR_MCAST_QUERIER_STATE", binary],
    fdbLearnedCount: [48, "IFLA_BR_FDB_N_LEARNED", u32],
    fdbMaxLearned: [49, "IFLA_BR_FDB_MAX_LEARNED", u32],
    stpMode: [50, "IFLA_BR_STP_MODE", u32],
  }),
);

/** A bridge's port: enum IFLA_BRPORT_*. Timers are in hundredths of a second (USER_HZ). */
export const bridgePortData = once(() =>
  attributes({
    state: [
      1,
      "IFLA_BRPORT_STATE",
      enumeration(u8, { disabled: 0, listening: 1, learning: 2, forwarding: 3, blocking: 4 }),
    ],
    priority: [2, "IFLA_BRPORT_PRIORITY", u16],
    cost: [3, "IFLA_BRPORT_COST", u32],
    hairpin: [4, "IFLA_BRPORT_MODE", bool8],
    bpduGuard: [5, "IFLA_BRPORT_GUARD", bool8],
    rootBlock: [6, "IFLA_BRPORT_PROTECT", bool8],
    fastLeave: [7, "IFLA_BRPORT_FAST_LEAVE", bool8],
    learning: [8, "IFLA_BRPORT_LEARNING", bool8],
    unicastFlood: [9, "IFLA_BRPORT_UNICAST_FLOOD", bool8],
    proxyArp: [10, "IFLA_BRPORT_PROXYARP", bool8],
    learningSync: [11, "IFLA_BRPORT_LEARNING_SYNC", bool8],
    proxyArpWifi: [12, "IFLA_BRPORT_PROXYARP_WIFI", bool8],
    rootId: [13, "IFLA_BRPORT_ROOT_ID", bridgeId],
    bridgeId: [14, "IFLA_BRPORT_BRIDGE_ID", bridgeId],
    designatedPort: [15, "IFLA_BRPORT_DESIGNATED_PORT", u16],
    designatedCost: [16, "IFLA_BRPORT_DESIGNATED_COST", u16],
    id: [17, "IFLA_BRPORT_ID", u16],
    number: [18, "IFLA_BRPORT_NO", u16],
    topologyChangeAcknowledged: [19, "IFLA_BRPORT_TOPOLOGY_CHANGE_ACK", u8],
    configPending: [20, "IFLA_BRPORT_CONFIG_PENDING", u8],
    messageAgeTimer: [21, "IFLA_BRPORT_MESSAGE_AGE_TIMER", u64],
    forwardDelayTimer: [22, "IFLA_BRPORT_FORWARD_DELAY_TIMER", u64],
    holdTimer: [23, "IFLA_BRPORT_HOLD_TIMER", u64],
    flush: [24, "IFLA_BRPORT_FLUSH", present],
    multicastRouter: [25, "IFLA_BRPORT_MULTICAST_ROUTER", u8],
    multicastFlood: [27, "IFLA_BRPORT_MCAST_FLOOD", bool8],
    multicastToUnicast: [28, "IFLA_BRPORT_MCAST_TO_UCAST", bool8],
    vlanTunnel: [29, "IFLA_BRPORT_VLAN_TUNNEL", bool8],
    broadcastFlood: [30, "IFLA_BRPORT_BCAST_FLOOD", bool8],
    groupForwardMask: [31, "IFLA_BRPORT_GROUP_FWD_MASK", u16],
    neighbourSuppress: [32, "IFLA_BRPORT_NEIGH_SUPPRESS", bool8],
    isolated: [33, "IFLA_BRPORT_ISOLATED", bool8],
    backupPort: [34, "IFLA_BRPORT_BACKUP_PORT", u32],
    mrpRingOpen: [35, "IFLA_BRPORT_MRP_RING_OPEN", u8],
    mrpInOpen: [36, "IFLA_BRPORT_MRP_IN_OPEN", u8],
    multicastHostsLimit: [37, "IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT", u32],
    multicastHostsCount: [38, "IFLA_BRPORT_MCAST_EHT_HOSTS_CNT", u32],
    locked: [39, "IFLA_BRPORT_LOCKED", bool8],
    macAuthBypass: [40, "IFLA_BRPORT_MAB", bool8],
    multicastGroupCount: [41, "IFLA_BRPORT_MCAST_N_GROUPS", u32],
    multicastMaxGroups: [42, "IFLA_BRPORT_MCAST_MAX_GROUPS", u32],
    neighbourVlanSuppress: [43, "IFLA_BRPORT_NEIGH_VLAN_SUPPRESS", bool8],
    backupNexthopId: [44, "IFLA_BRPORT_BACKUP_NHID", u32],
    neighbourForwardGratuitous: [45, "IFLA_BRPORT_NEIGH_FORWARD_GRAT", bool8],
  }),
);

/** BRIDGE_VLAN_INFO_*. */
export const bridgeVlanFlags = flags(u16, {
  master: 1,
  pvid: 2,
  untagged: 4,
  rangeBegin: 8,
  rangeEnd: 16,
  bridgeEntry: 32,
  onlyOptions: 64,
});
/** One VLAN of a port, or with the flags rangeBegin and rangeEnd one end of a range. */
export const bridgeVlanInfo = struct("bridge_vlan_info", { flags: bridgeVlanFlags, vid: u16 });

const bridgeVlanTunnel = attributes({
  id: [1, "IFLA_BRIDGE_VLAN_TUNNEL_ID", u32],
  vid: [2, "IFLA_BRIDGE_VLAN_TUNNEL_VID", u16],
  flags: [3, "IFLA_BRIDGE_VLAN_TUNNEL_FLAGS", bridgeVlanFlags],
});

/** IFLA_AF_SPEC of messages of the family AF_BRIDGE: enum IFLA_BRIDGE_*. */
export const bridgeAfSpec = attributes({
  flags: [0, "IFLA_BRIDGE_FLAGS", flags(u16, { master: 1, self: 2 })],
  mode: [1, "IFLA_BRIDGE_MODE", enumeration(u16, { veb: 0, vepa: 1, undefined: 0xffff })],
  vlans: [2, "IFLA_BRIDGE_VLAN_INFO", repeated(bridgeVlanInfo)],
  tunnels: [3, "IFLA_BRIDGE_VLAN_TUNNEL_INFO", repeated(bridgeVlanTunnel)],
  mrp: [4, "IFLA_BRIDGE_MRP", flagged(binary)],
  cfm: [5, "IFLA_BRIDGE_CFM", flagged(binary)],
  mst: [6, "IFLA_BRIDGE_MST", flagged(binary)],
});

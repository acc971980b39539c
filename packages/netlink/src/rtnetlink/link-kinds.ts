import { linkLayerAddress } from "../schema/address.js";
import { attributes } from "../schema/attributes.js";
import { binary, bool8, s32, u8, u16, u16be, u32, u64 } from "../schema/codec.js";
import { enumeration, flags } from "../schema/names.js";
import { bytes, struct } from "../schema/struct.js";

/** ipvlan: include/uapi/linux/if_link.h, enum IFLA_IPVLAN_*. */
export const ipvlanData = attributes({
  mode: [1, "IFLA_IPVLAN_MODE", enumeration(u16, { l2: 0, l3: 1, l3s: 2 })],
  flags: [2, "IFLA_IPVLAN_FLAGS", flags(u16, { private: 1, vepa: 2 })],
});

/** macvlan and macvtap: enum IFLA_MACVLAN_*. */
export const macvlanData = attributes({
  mode: [
    1,
    "IFLA_MACVLAN_MODE",
    enumeration(u32, { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 }),
  ],
  flags: [2, "IFLA_MACVLAN_FLAGS", flags(u16, { noPromiscuous: 1, noDestination: 2 })],
  macAddressMode: [3, "IFLA_MACVLAN_MACADDR_MODE", enumeration(u32, { add: 0, delete: 1, flush: 2, set: 3 })],
  macAddress: [4, "IFLA_MACVLAN_MACADDR", linkLayerAddress],
  macAddresses: [5, "IFLA_MACVLAN_MACADDR_DATA", attributes({})],
  macAddressCount: [6, "IFLA_MACVLAN_MACADDR_COUNT", u32],
  broadcastQueueLength: [7, "IFLA_MACVLAN_BC_QUEUE_LEN", u32],
  broadcastQueueLengthUsed: [8, "IFLA_MACVLAN_BC_QUEUE_LEN_USED", u32],
  broadcastCutoff: [9, "IFLA_MACVLAN_BC_CUTOFF", s32],
});

/** A bridge's identity: its priority and its MAC address. */
export const bridgeId = struct("ifla_bridge_id", { priority: bytes(2), address: bytes(6) });
const boolopts = struct("br_boolopt_multi", { values: u32, mask: u32 });

/** bridge: enum IFLA_BR_*. Times are in hundredths of a second (USER_HZ). */
export const bridgeData = attributes({
  forwardDelay: [1, "IFLA_BR_FORWARD_DELAY", u32],
  helloTime: [2, "IFLA_BR_HELLO_TIME", u32],
  maxAge: [3, "IFLA_BR_MAX_AGE", u32],
  ageingTime: [4, "IFLA_BR_AGEING_TIME", u32],
  stpState: [5, "IFLA_BR_STP_STATE", u32],
  priority: [6, "IFLA_BR_PRIORITY", u16],
  vlanFiltering: [7, "IFLA_BR_VLAN_FILTERING", bool8],
  vlanProtocol: [8, "IFLA_BR_VLAN_PROTOCOL", u16be],
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
});

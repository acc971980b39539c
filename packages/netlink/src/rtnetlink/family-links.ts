import { attributes, flagged, repeated } from "../schema/attributes.js";
import { binary, once, s32, u8, u16, u32, u64 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { padding, struct } from "../schema/struct.js";
import { bridgeAfSpec, bridgePortData, bridgeVlanInfo } from "./kinds/bridge.js";
import { ifinfomsg, inet6, linkAttributes } from "./link-schema.js";

/** The body of link messages of the family AF_BRIDGE, where two attributes mean something else. */
export const bridgeLinkMessage = once(() =>
  message(
    ifinfomsg,
    attributes({
      ...linkAttributes.declarations,
      protinfo: [12, "IFLA_PROTINFO", flagged(bridgePortData())],
      afSpec: [26, "IFLA_AF_SPEC", bridgeAfSpec],
    }),
  ),
);

/** The body of link messages of the family AF_INET6. */
export const inet6LinkMessage = once(() =>
  message(
    ifinfomsg,
    attributes({ ...linkAttributes.declarations, protinfo: [12, "IFLA_PROTINFO", flagged(inet6)] }),
  ),
);

/** The header of RTM_NEWVLAN and its like: include/uapi/linux/if_bridge.h. */
export const bridgeVlanMessageHeader = struct("br_vlan_msg", {
  family: u8,
  reserved1: padding(1),
  reserved2: padding(2),
  index: u32,
});

/** A VLAN's counters on a port: enum BRIDGE_VLANDB_STATS_*. */
export const bridgeVlanStats = attributes({
  rxBytes: [1, "BRIDGE_VLANDB_STATS_RX_BYTES", u64],
  rxPackets: [2, "BRIDGE_VLANDB_STATS_RX_PACKETS", u64],
  txBytes: [3, "BRIDGE_VLANDB_STATS_TX_BYTES", u64],
  txPackets: [4, "BRIDGE_VLANDB_STATS_TX_PACKETS", u64],
});

/** A VLAN, or a range of them, on a port: enum BRIDGE_VLANDB_ENTRY_*. */
export const bridgeVlanEntry = attributes({
  info: [1, "BRIDGE_VLANDB_ENTRY_INFO", bridgeVlanInfo],
  /** The last VLAN of a range. */
  rangeEnd: [2, "BRIDGE_VLANDB_ENTRY_RANGE", u16],
  state: [3, "BRIDGE_VLANDB_ENTRY_STATE", u8],
  tunnel: [4, "BRIDGE_VLANDB_ENTRY_TUNNEL_INFO", flagged(binary)],
  stats: [5, "BRIDGE_VLANDB_ENTRY_STATS", flagged(bridgeVlanStats)],
  multicastRouter: [6, "BRIDGE_VLANDB_ENTRY_MCAST_ROUTER", u8],
  multicastGroupCount: [7, "BRIDGE_VLANDB_ENTRY_MCAST_N_GROUPS", u32],
  multicastMaxGroups: [8, "BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS", u32],
  neighbourSuppress: [9, "BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS", u8],
  neighbourForwardGratuitous: [10, "BRIDGE_VLANDB_ENTRY_NEIGH_FORWARD_GRAT", u8],
});

/** The body of RTM_NEWVLAN, RTM_DELVLAN and RTM_GETVLAN. */
export const bridgeVlanMessage = once(() =>
  message(
    bridgeVlanMessageHeader,
    attributes({
      entries: [1, "BRIDGE_VLANDB_ENTRY", repeated(flagged(bridgeVlanEntry))],
      globalOptions: [2, "BRIDGE_VLANDB_GLOBAL_OPTIONS", flagged(binary)],
    }),
  ),
);

/** The header of RTM_NEWNETCONF and its like: include/uapi/linux/netconf.h. */
export const netconfHeader = struct("netconfmsg", { family: u8 });

/** A device's IP settings, index -1 for all, -2 for the default: enum NETCONFA_*. */
export const netconfAttributes = attributes({
  index: [1, "NETCONFA_IFINDEX", s32],
  forwarding: [2, "NETCONFA_FORWARDING", s32],
  reversePathFilter: [3, "NETCONFA_RP_FILTER", s32],
  multicastForwarding: [4, "NETCONFA_MC_FORWARDING", s32],
  proxyNeighbour: [5, "NETCONFA_PROXY_NEIGH", s32],
  ignoreRoutesWithLinkDown: [6, "NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN", s32],
  input: [7, "NETCONFA_INPUT", s32],
  broadcastForwarding: [8, "NETCONFA_BC_FORWARDING", s32],
});

/** The body of RTM_NEWNETCONF, RTM_DELNETCONF and RTM_GETNETCONF. */
export const netconfMessage = once(() => message(netconfHeader, netconfAttributes));

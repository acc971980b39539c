import { attributes, repeated } from "../schema/attributes.js";
import { once, u32, u64 } from "../schema/codec.js";
import { enumeration } from "../schema/names.js";
import { bytes, struct } from "../schema/struct.js";
import { vlanProtocol } from "./kinds/vlan.js";

/** A virtual function's address, in MAX_ADDR_LEN bytes whatever its length is. */
export const vfMac = struct("ifla_vf_mac", { vf: u32, address: bytes(32) });
export const vfVlan = struct("ifla_vf_vlan", { vf: u32, vlan: u32, qos: u32 });
export const vfVlanInfo = struct("ifla_vf_vlan_info", {
  vf: u32,
  vlan: u32,
  qos: u32,
  protocol: vlanProtocol,
});
/** Megabits per second; 0 is without limit. */
export const vfTxRate = struct("ifla_vf_tx_rate", { vf: u32, rate: u32 });
/** Megabits per second; 0 is without limit. */
export const vfRate = struct("ifla_vf_rate", { vf: u32, minimum: u32, maximum: u32 });
export const vfSpoofCheck = struct("ifla_vf_spoofchk", { vf: u32, setting: u32 });
export const vfLinkState = struct("ifla_vf_link_state", {
  vf: u32,
  state: enumeration(u32, { auto: 0, enable: 1, disable: 2 }),
});
export const vfRssQuery = struct("ifla_vf_rss_query_en", { vf: u32, setting: u32 });
export const vfTrust = struct("ifla_vf_trust", { vf: u32, setting: u32 });
export const vfGuid = struct("ifla_vf_guid", { vf: u32, guid: u64 });
export const vfBroadcast = struct("ifla_vf_broadcast", { address: bytes(32) });

/** A virtual function's counters: enum IFLA_VF_STATS_*. */
export const vfStats = attributes({
  rxPackets: [0, "IFLA_VF_STATS_RX_PACKETS", u64],
  txPackets: [1, "IFLA_VF_STATS_TX_PACKETS", u64],
  rxBytes: [2, "IFLA_VF_STATS_RX_BYTES", u64],
  txBytes: [3, "IFLA_VF_STATS_TX_BYTES", u64],
  broadcast: [4, "IFLA_VF_STATS_BROADCAST", u64],
  multicast: [5, "IFLA_VF_STATS_MULTICAST", u64],
  rxDropped: [7, "IFLA_VF_STATS_RX_DROPPED", u64],
  txDropped: [8, "IFLA_VF_STATS_TX_DROPPED", u64],
});

const vlanList = attributes({ vlans: [1, "IFLA_VF_VLAN_INFO", repeated(vfVlanInfo)] });

/** A virtual function of an SR-IOV device: include/uapi/linux/if_link.h, enum IFLA_VF_*. */
export const vfAttributes = attributes({
  mac: [1, "IFLA_VF_MAC", vfMac],
  vlan: [2, "IFLA_VF_VLAN", vfVlan],
  txRate: [3, "IFLA_VF_TX_RATE", vfTxRate],
  spoofCheck: [4, "IFLA_VF_SPOOFCHK", vfSpoofCheck],
  linkState: [5, "IFLA_VF_LINK_STATE", vfLinkState],
  rate: [6, "IFLA_VF_RATE", vfRate],
  rssQuery: [7, "IFLA_VF_RSS_QUERY_EN", vfRssQuery],
  stats: [8, "IFLA_VF_STATS", vfStats],
  trust: [9, "IFLA_VF_TRUST", vfTrust],
  nodeGuid: [10, "IFLA_VF_IB_NODE_GUID", vfGuid],
  portGuid: [11, "IFLA_VF_IB_PORT_GUID", vfGuid],
  vlanList: [12, "IFLA_VF_VLAN_LIST", vlanList],
  broadcast: [13, "IFLA_VF_BROADCAST", vfBroadcast],
});

/** IFLA_VFINFO_LIST: one nest for each virtual function. */
export const vfList = once(() => attributes({ vfs: [1, "IFLA_VF_INFO", repeated(vfAttributes)] }));

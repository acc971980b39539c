import { ipAddress } from "../../schema/address.js";
import { attributes } from "../../schema/attributes.js";
import { bool8, once, present, presentOrByte, u8, u16be, u32, u32be } from "../../schema/codec.js";
import { enumeration } from "../../schema/names.js";
import { bytes, struct } from "../../schema/struct.js";

/** The source ports that a VXLAN device chooses among. */
export const vxlanPortRange = struct("ifla_vxlan_port_range", { low: u16be, high: u16be });
/** Whether the outer header forbids fragments: enum ifla_vxlan_df and ifla_geneve_df. */
export const dontFragment = enumeration(u8, { unset: 0, set: 1, inherit: 2 });

/** vxlan: include/uapi/linux/if_link.h, enum IFLA_VXLAN_*. Ages are in seconds. */
export const vxlanData = once(() =>
  attributes({
    id: [1, "IFLA_VXLAN_ID", u32],
    /** A multicast group, or the one other end: IPv4. For IPv6 there is `group6`. */
    group: [2, "IFLA_VXLAN_GROUP", ipAddress],
    link: [3, "IFLA_VXLAN_LINK", u32],
    local: [4, "IFLA_VXLAN_LOCAL", ipAddress],
    ttl: [5, "IFLA_VXLAN_TTL", u8],
    tos: [6, "IFLA_VXLAN_TOS", u8],
    learning: [7, "IFLA_VXLAN_LEARNING", bool8],
    ageing: [8, "IFLA_VXLAN_AGEING", u32],
    limit: [9, "IFLA_VXLAN_LIMIT", u32],
    portRange: [10, "IFLA_VXLAN_PORT_RANGE", vxlanPortRange],
    proxy: [11, "IFLA_VXLAN_PROXY", bool8],
    routeShortCircuit: [12, "IFLA_VXLAN_RSC", bool8],
    l2Miss: [13, "IFLA_VXLAN_L2MISS", bool8],
    l3Miss: [14, "IFLA_VXLAN_L3MISS", bool8],
    port: [15, "IFLA_VXLAN_PORT", u16be],
    group6: [16, "IFLA_VXLAN_GROUP6", ipAddress],
    local6: [17, "IFLA_VXLAN_LOCAL6", ipAddress],
    udpChecksum: [18, "IFLA_VXLAN_UDP_CSUM", bool8],
    udpZeroChecksum6Tx: [19, "IFLA_VXLAN_UDP_ZERO_CSUM6_TX", bool8],
    udpZeroChecksum6Rx: [20, "IFLA_VXLAN_UDP_ZERO_CSUM6_RX", bool8],
    remoteChecksumTx: [21, "IFLA_VXLAN_REMCSUM_TX", bool8],
    remoteChecksumRx: [22, "IFLA_VXLAN_REMCSUM_RX", bool8],
    groupPolicy: [23, "IFLA_VXLAN_GBP", present],
    remoteChecksumNoPartial: [24, "IFLA_VXLAN_REMCSUM_NOPARTIAL", present],
    collectMetadata: [25, "IFLA_VXLAN_COLLECT_METADATA", bool8],
    label: [26, "IFLA_VXLAN_LABEL", u32be],
    genericProtocol: [27, "IFLA_VXLAN_GPE", present],
    ttlInherit: [28, "IFLA_VXLAN_TTL_INHERIT", presentOrByte],
    dontFragment: [29, "IFLA_VXLAN_DF", dontFragment],
    vniFilter: [30, "IFLA_VXLAN_VNIFILTER", bool8],
    localBypass: [31, "IFLA_VXLAN_LOCALBYPASS", bool8],
    labelPolicy: [32, "IFLA_VXLAN_LABEL_POLICY", enumeration(u32, { fixed: 0, inherit: 1 })],
    reservedBits: [33, "IFLA_VXLAN_RESERVED_BITS", bytes(8)],
    multicastRoute: [34, "IFLA_VXLAN_MC_ROUTE", bool8],
  }),
);

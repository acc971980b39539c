import { ipAddress, linkLayerAddress } from "../../schema/address.js";
import { attributes, repeated } from "../../schema/attributes.js";
import {
  binary,
  type Codec,
  type Decoded,
  type Encodable,
  lazy,
  once,
  u8,
  u16,
  u16be,
  u32,
  u32be,
} from "../../schema/codec.js";
import { enumeration, flags } from "../../schema/names.js";
import { string } from "../../schema/text.js";
import { actionList } from "../action.js";
import { etherProtocol, offloadFlags } from "../units.js";

/** One option of a Geneve header: enum TCA_FLOWER_KEY_ENC_OPT_GENEVE_*. */
export const geneveOption = once(() =>
  attributes({
    class: [1, "TCA_FLOWER_KEY_ENC_OPT_GENEVE_CLASS", u16be],
    type: [2, "TCA_FLOWER_KEY_ENC_OPT_GENEVE_TYPE", u8],
    data: [3, "TCA_FLOWER_KEY_ENC_OPT_GENEVE_DATA", binary],
  }),
);
/** The extension of a VXLAN header: enum TCA_FLOWER_KEY_ENC_OPT_VXLAN_*. */
export const vxlanOption = once(() =>
  attributes({ groupPolicy: [1, "TCA_FLOWER_KEY_ENC_OPT_VXLAN_GBP", u32] }),
);
/** An ERSPAN header: enum TCA_FLOWER_KEY_ENC_OPT_ERSPAN_*. */
export const erspanOption = once(() =>
  attributes({
    version: [1, "TCA_FLOWER_KEY_ENC_OPT_ERSPAN_VER", u8],
    index: [2, "TCA_FLOWER_KEY_ENC_OPT_ERSPAN_INDEX", u32be],
    direction: [3, "TCA_FLOWER_KEY_ENC_OPT_ERSPAN_DIR", u8],
    hardwareId: [4, "TCA_FLOWER_KEY_ENC_OPT_ERSPAN_HWID", u8],
  }),
);
/** The extension of a GTP header: enum TCA_FLOWER_KEY_ENC_OPT_GTP_*. */
export const gtpOption = once(() =>
  attributes({
    pduType: [1, "TCA_FLOWER_KEY_ENC_OPT_GTP_PDU_TYPE", u8],
    qosFlow: [2, "TCA_FLOWER_KEY_ENC_OPT_GTP_QFI", u8],
  }),
);
/** What a tunnel's header has beyond the usual: enum TCA_FLOWER_KEY_ENC_OPTS_*. */
export const tunnelOptions = once(() =>
  attributes({
    geneve: [1, "TCA_FLOWER_KEY_ENC_OPTS_GENEVE", repeated(geneveOption())],
    vxlan: [2, "TCA_FLOWER_KEY_ENC_OPTS_VXLAN", vxlanOption()],
    erspan: [3, "TCA_FLOWER_KEY_ENC_OPTS_ERSPAN", erspanOption()],
    gtp: [4, "TCA_FLOWER_KEY_ENC_OPTS_GTP", gtpOption()],
  }),
);
/** One entry of a stack of MPLS labels: enum TCA_FLOWER_KEY_MPLS_OPT_LSE_*. */
export const mplsStackEntry = once(() =>
  attributes({
    depth: [1, "TCA_FLOWER_KEY_MPLS_OPT_LSE_DEPTH", u8],
    ttl: [2, "TCA_FLOWER_KEY_MPLS_OPT_LSE_TTL", u8],
    bottomOfStack: [3, "TCA_FLOWER_KEY_MPLS_OPT_LSE_BOS", u8],
    trafficClass: [4, "TCA_FLOWER_KEY_MPLS_OPT_LSE_TC", u8],
    label: [5, "TCA_FLOWER_KEY_MPLS_OPT_LSE_LABEL", u32],
  }),
);
/** A stack of MPLS labels: enum TCA_FLOWER_KEY_MPLS_OPTS_*. */
export const mplsStack = once(() =>
  attributes({ entries: [1, "TCA_FLOWER_KEY_MPLS_OPTS_LSE", repeated(mplsStackEntry())] }),
);

/**
 * The flower classifier: enum TCA_FLOWER_* of include/uapi/linux/pkt_cls.h. A key without its mask is compared whole.
 * Keys of a protocol take the `ethType` (and `ipProtocol`) that they belong to.
 */
export const flowerFilter = once(() => {
  const ipProtocol = enumeration(u8, {
    icmp: 1,
    tcp: 6,
    udp: 17,
    gre: 47,
    icmpv6: 58,
    ospf: 89,
    l2tp: 115,
    sctp: 132,
  });
  /** TCA_FLOWER_KEY_FLAGS_*, in network byte order. */
  const packetFlags = flags(u32be, { fragment: 1, firstFragment: 2 });
  /** TCA_FLOWER_KEY_CT_FLAGS_*. */
  const ctState = flags(u16, { new: 1, established: 2, related: 4, tracked: 8, invalid: 16, reply: 32 });
  return attributes({
    classid: [1, "TCA_FLOWER_CLASSID", u32],
    inputDevice: [2, "TCA_FLOWER_INDEV", string],
    actions: [3, "TCA_FLOWER_ACT", actionList],
    ethDestination: [4, "TCA_FLOWER_KEY_ETH_DST", linkLayerAddress],
    ethDestinationMask: [5, "TCA_FLOWER_KEY_ETH_DST_MASK", linkLayerAddress],
    ethSource: [6, "TCA_FLOWER_KEY_ETH_SRC", linkLayerAddress],
    ethSourceMask: [7, "TCA_FLOWER_KEY_ETH_SRC_MASK", linkLayerAddress],
    ethType: [8, "TCA_FLOWER_KEY_ETH_TYPE", etherProtocol],
    ipProtocol: [9, "TCA_FLOWER_KEY_IP_PROTO", ipProtocol],
    ipv4Source: [10, "TCA_FLOWER_KEY_IPV4_SRC", ipAddress],
    ipv4SourceMask: [11, "TCA_FLOWER_KEY_IPV4_SRC_MASK", ipAddress],
    ipv4Destination: [12, "TCA_FLOWER_KEY_IPV4_DST", ipAddress],
    ipv4DestinationMask: [13, "TCA_FLOWER_KEY_IPV4_DST_MASK", ipAddress],
    ipv6Source: [14, "TCA_FLOWER_KEY_IPV6_SRC", ipAddress],
    ipv6SourceMask: [15, "TCA_FLOWER_KEY_IPV6_SRC_MASK", ipAddress],
    ipv6Destination: [16, "TCA_FLOWER_KEY_IPV6_DST", ipAddress],
    ipv6DestinationMask: [17, "TCA_FLOWER_KEY_IPV6_DST_MASK", ipAddress],
    tcpSourcePort: [18, "TCA_FLOWER_KEY_TCP_SRC", u16be],
    tcpDestinationPort: [19, "TCA_FLOWER_KEY_TCP_DST", u16be],
    udpSourcePort: [20, "TCA_FLOWER_KEY_UDP_SRC", u16be],
    udpDestinationPort: [21, "TCA_FLOWER_KEY_UDP_DST", u16be],
    flags: [22, "TCA_FLOWER_FLAGS", offloadFlags],
    vlanId: [23, "TCA_FLOWER_KEY_VLAN_ID", u16],
    vlanPriority: [24, "TCA_FLOWER_KEY_VLAN_PRIO", u8],
    vlanEthType: [25, "TCA_FLOWER_KEY_VLAN_ETH_TYPE", etherProtocol],
    tunnelId: [26, "TCA_FLOWER_KEY_ENC_KEY_ID", u32be],
    tunnelIpv4Source: [27, "TCA_FLOWER_KEY_ENC_IPV4_SRC", ipAddress],
    tunnelIpv4SourceMask: [28, "TCA_FLOWER_KEY_ENC_IPV4_SRC_MASK", ipAddress],
    tunnelIpv4Destination: [29, "TCA_FLOWER_KEY_ENC_IPV4_DST", ipAddress],
    tunnelIpv4DestinationMask: [30, "TCA_FLOWER_KEY_ENC_IPV4_DST_MASK", ipAddress],
    tunnelIpv6Source: [31, "TCA_FLOWER_KEY_ENC_IPV6_SRC", ipAddress],
    tunnelIpv6SourceMask: [32, "TCA_FLOWER_KEY_ENC_IPV6_SRC_MASK", ipAddress],
    tunnelIpv6Destination: [33, "TCA_FLOWER_KEY_ENC_IPV6_DST", ipAddress],
    tunnelIpv6DestinationMask: [34, "TCA_FLOWER_KEY_ENC_IPV6_DST_MASK", ipAddress],
    tcpSourcePortMask: [35, "TCA_FLOWER_KEY_TCP_SRC_MASK", u16be],
    tcpDestinationPortMask: [36, "TCA_FLOWER_KEY_TCP_DST_MASK", u16be],
    udpSourcePortMask: [37, "TCA_FLOWER_KEY_UDP_SRC_MASK", u16be],
    udpDestinationPortMask: [38, "TCA_FLOWER_KEY_UDP_DST_MASK", u16be],
    sctpSourcePortMask: [39, "TCA_FLOWER_KEY_SCTP_SRC_MASK", u16be],
    sctpDestinationPortMask: [40, "TCA_FLOWER_KEY_SCTP_DST_MASK", u16be],
    sctpSourcePort: [41, "TCA_FLOWER_KEY_SCTP_SRC", u16be],
    sctpDestinationPort: [42, "TCA_FLOWER_KEY_SCTP_DST", u16be],
    tunnelSourcePort: [43, "TCA_FLOWER_KEY_ENC_UDP_SRC_PORT", u16be],
    tunnelSourcePortMask: [44, "TCA_FLOWER_KEY_ENC_UDP_SRC_PORT_MASK", u16be],
    tunnelDestinationPort: [45, "TCA_FLOWER_KEY_ENC_UDP_DST_PORT", u16be],
    tunnelDestinationPortMask: [46, "TCA_FLOWER_KEY_ENC_UDP_DST_PORT_MASK", u16be],
    ipFlags: [47, "TCA_FLOWER_KEY_FLAGS", packetFlags],
    ipFlagsMask: [48, "TCA_FLOWER_KEY_FLAGS_MASK", packetFlags],
    icmpCode: [49, "TCA_FLOWER_KEY_ICMPV4_CODE", u8],
    icmpCodeMask: [50, "TCA_FLOWER_KEY_ICMPV4_CODE_MASK", u8],
    icmpType: [51, "TCA_FLOWER_KEY_ICMPV4_TYPE", u8],
    icmpTypeMask: [52, "TCA_FLOWER_KEY_ICMPV4_TYPE_MASK", u8],
    icmpv6Code: [53, "TCA_FLOWER_KEY_ICMPV6_CODE", u8],
    icmpv6CodeMask: [54, "TCA_FLOWER_KEY_ICMPV6_CODE_MASK", u8],
    icmpv6Type: [55, "TCA_FLOWER_KEY_ICMPV6_TYPE", u8],
    icmpv6TypeMask: [56, "TCA_FLOWER_KEY_ICMPV6_TYPE_MASK", u8],
    arpSourceIp: [57, "TCA_FLOWER_KEY_ARP_SIP", ipAddress],
    arpSourceIpMask: [58, "TCA_FLOWER_KEY_ARP_SIP_MASK", ipAddress],
    arpTargetIp: [59, "TCA_FLOWER_KEY_ARP_TIP", ipAddress],
    arpTargetIpMask: [60, "TCA_FLOWER_KEY_ARP_TIP_MASK", ipAddress],
    arpOperation: [61, "TCA_FLOWER_KEY_ARP_OP", u8],
    arpOperationMask: [62, "TCA_FLOWER_KEY_ARP_OP_MASK", u8],
    arpSourceMac: [63, "TCA_FLOWER_KEY_ARP_SHA", linkLayerAddress],
    arpSourceMacMask: [64, "TCA_FLOWER_KEY_ARP_SHA_MASK", linkLayerAddress],
    arpTargetMac: [65, "TCA_FLOWER_KEY_ARP_THA", linkLayerAddress],
    arpTargetMacMask: [66, "TCA_FLOWER_KEY_ARP_THA_MASK", linkLayerAddress],
    mplsTtl: [67, "TCA_FLOWER_KEY_MPLS_TTL", u8],
    mplsBottomOfStack: [68, "TCA_FLOWER_KEY_MPLS_BOS", u8],
    mplsTrafficClass: [69, "TCA_FLOWER_KEY_MPLS_TC", u8],
    mplsLabel: [70, "TCA_FLOWER_KEY_MPLS_LABEL", u32],
    tcpFlags: [71, "TCA_FLOWER_KEY_TCP_FLAGS", u16be],
    tcpFlagsMask: [72, "TCA_FLOWER_KEY_TCP_FLAGS_MASK", u16be],
    ipTos: [73, "TCA_FLOWER_KEY_IP_TOS", u8],
    ipTosMask: [74, "TCA_FLOWER_KEY_IP_TOS_MASK", u8],
    ipTtl: [75, "TCA_FLOWER_KEY_IP_TTL", u8],
    ipTtlMask: [76, "TCA_FLOWER_KEY_IP_TTL_MASK", u8],
    innerVlanId: [77, "TCA_FLOWER_KEY_CVLAN_ID", u16],
    innerVlanPriority: [78, "TCA_FLOWER_KEY_CVLAN_PRIO", u8],
    innerVlanEthType: [79, "TCA_FLOWER_KEY_CVLAN_ETH_TYPE", etherProtocol],
    tunnelIpTos: [80, "TCA_FLOWER_KEY_ENC_IP_TOS", u8],
    tunnelIpTosMask: [81, "TCA_FLOWER_KEY_ENC_IP_TOS_MASK", u8],
    tunnelIpTtl: [82, "TCA_FLOWER_KEY_ENC_IP_TTL", u8],
    tunnelIpTtlMask: [83, "TCA_FLOWER_KEY_ENC_IP_TTL_MASK", u8],
    tunnelOptions: [84, "TCA_FLOWER_KEY_ENC_OPTS", tunnelOptions()],
    tunnelOptionsMask: [85, "TCA_FLOWER_KEY_ENC_OPTS_MASK", tunnelOptions()],
    inHardwareCount: [86, "TCA_FLOWER_IN_HW_COUNT", u32],
    portSourceMin: [87, "TCA_FLOWER_KEY_PORT_SRC_MIN", u16be],
    portSourceMax: [88, "TCA_FLOWER_KEY_PORT_SRC_MAX", u16be],
    portDestinationMin: [89, "TCA_FLOWER_KEY_PORT_DST_MIN", u16be],
    portDestinationMax: [90, "TCA_FLOWER_KEY_PORT_DST_MAX", u16be],
    ctState: [91, "TCA_FLOWER_KEY_CT_STATE", ctState],
    ctStateMask: [92, "TCA_FLOWER_KEY_CT_STATE_MASK", ctState],
    ctZone: [93, "TCA_FLOWER_KEY_CT_ZONE", u16],
    ctZoneMask: [94, "TCA_FLOWER_KEY_CT_ZONE_MASK", u16],
    ctMark: [95, "TCA_FLOWER_KEY_CT_MARK", u32],
    ctMarkMask: [96, "TCA_FLOWER_KEY_CT_MARK_MASK", u32],
    ctLabels: [97, "TCA_FLOWER_KEY_CT_LABELS", binary],
    ctLabelsMask: [98, "TCA_FLOWER_KEY_CT_LABELS_MASK", binary],
    mplsStack: [99, "TCA_FLOWER_KEY_MPLS_OPTS", mplsStack()],
    hash: [100, "TCA_FLOWER_KEY_HASH", u32],
    hashMask: [101, "TCA_FLOWER_KEY_HASH_MASK", u32],
    vlanCount: [102, "TCA_FLOWER_KEY_NUM_OF_VLANS", u8],
    pppoeSessionId: [103, "TCA_FLOWER_KEY_PPPOE_SID", u16be],
    pppProtocol: [104, "TCA_FLOWER_KEY_PPP_PROTO", u16be],
    l2tpv3SessionId: [105, "TCA_FLOWER_KEY_L2TPV3_SID", u32be],
  });
});

type FlowerSet = ReturnType<typeof flowerFilter>;
/** flower's keys and masks as the kernel reports them. */
export interface FlowerKeys extends Decoded<FlowerSet> {}
/** flower's keys and masks to set. */
export interface FlowerKeysInput extends Encodable<FlowerSet> {}
/** {@link flowerFilter}, under types that have names. */
export const flower: Codec<FlowerKeys, FlowerKeysInput> = lazy(
  flowerFilter as () => Codec<FlowerKeys, FlowerKeysInput>,
);

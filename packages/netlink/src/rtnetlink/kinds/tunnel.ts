import { ipAddress } from "../../schema/address.js";
import { attributes } from "../../schema/attributes.js";
import { bool8, type Codec, once, present, u8, u16, u16be, u32, u32be } from "../../schema/codec.js";
import { enumeration, flags } from "../../schema/names.js";

/** What a tunnel's packets are wrapped in once more: enum tunnel_encap_types of include/uapi/linux/if_tunnel.h. */
const encapType = enumeration(u16, { none: 0, fou: 1, gue: 2, mpls: 3 });
const encapFlags = flags(u16, { checksum: 1, checksum6: 2, remoteChecksum: 4 });
/** What a GRE header carries: GRE_CSUM and so on, in network byte order. */
const greFlags = flags(u16be, { checksum: 0x8000, routing: 0x4000, key: 0x2000, sequence: 0x1000 });
/** IP6_TNL_F_* of include/uapi/linux/ip6_tunnel.h; the kernel adds those of include/net/ip6_tunnel.h. */
const ip6TunnelFlags = flags(u32, {
  ignoreEncapLimit: 0x1,
  useOriginalTrafficClass: 0x2,
  useOriginalFlowLabel: 0x4,
  mip6Device: 0x8,
  copyDscp: 0x10,
  useOriginalMark: 0x20,
  allowLocalRemote: 0x40,
  canTransmit: 0x1_0000,
  canReceive: 0x2_0000,
  perPacket: 0x4_0000,
});

/** gre, gretap, erspan and their IPv6 forms: enum IFLA_GRE_*. */
export const greData = once(() =>
  attributes({
    link: [1, "IFLA_GRE_LINK", u32],
    inputFlags: [2, "IFLA_GRE_IFLAGS", greFlags],
    outputFlags: [3, "IFLA_GRE_OFLAGS", greFlags],
    /** Counts where `inputFlags` holds "key". */
    inputKey: [4, "IFLA_GRE_IKEY", u32be],
    outputKey: [5, "IFLA_GRE_OKEY", u32be],
    local: [6, "IFLA_GRE_LOCAL", ipAddress],
    remote: [7, "IFLA_GRE_REMOTE", ipAddress],
    ttl: [8, "IFLA_GRE_TTL", u8],
    tos: [9, "IFLA_GRE_TOS", u8],
    pathMtuDiscovery: [10, "IFLA_GRE_PMTUDISC", bool8],
    encapLimit: [11, "IFLA_GRE_ENCAP_LIMIT", u8],
    flowInfo: [12, "IFLA_GRE_FLOWINFO", u32be],
    flags: [13, "IFLA_GRE_FLAGS", ip6TunnelFlags],
    encapType: [14, "IFLA_GRE_ENCAP_TYPE", encapType],
    encapFlags: [15, "IFLA_GRE_ENCAP_FLAGS", encapFlags],
    encapSourcePort: [16, "IFLA_GRE_ENCAP_SPORT", u16be],
    encapDestinationPort: [17, "IFLA_GRE_ENCAP_DPORT", u16be],
    collectMetadata: [18, "IFLA_GRE_COLLECT_METADATA", present],
    ignoreDontFragment: [19, "IFLA_GRE_IGNORE_DF", bool8],
    mark: [20, "IFLA_GRE_FWMARK", u32],
    erspanIndex: [21, "IFLA_GRE_ERSPAN_INDEX", u32],
    erspanVersion: [22, "IFLA_GRE_ERSPAN_VER", u8],
    erspanDirection: [23, "IFLA_GRE_ERSPAN_DIR", enumeration(u8, { ingress: 0, egress: 1 })],
    erspanHardwareId: [24, "IFLA_GRE_ERSPAN_HWID", u16],
  }),
);

/** ipip, sit and ip6tnl, which differ in the form of one attribute: enum IFLA_IPTUN_*. */
function ipTunnel<Out, In>(tunnelFlags: Codec<Out, In>) {
  return attributes({
    link: [1, "IFLA_IPTUN_LINK", u32],
    local: [2, "IFLA_IPTUN_LOCAL", ipAddress],
    remote: [3, "IFLA_IPTUN_REMOTE", ipAddress],
    ttl: [4, "IFLA_IPTUN_TTL", u8],
    tos: [5, "IFLA_IPTUN_TOS", u8],
    encapLimit: [6, "IFLA_IPTUN_ENCAP_LIMIT", u8],
    flowInfo: [7, "IFLA_IPTUN_FLOWINFO", u32be],
    flags: [8, "IFLA_IPTUN_FLAGS", tunnelFlags],
    /** What the tunnel carries. */
    protocol: [9, "IFLA_IPTUN_PROTO", enumeration(u8, { any: 0, ipv4: 4, ipv6: 41, mpls: 137 })],
    pathMtuDiscovery: [10, "IFLA_IPTUN_PMTUDISC", bool8],
    sixRdPrefix: [11, "IFLA_IPTUN_6RD_PREFIX", ipAddress],
    sixRdRelayPrefix: [12, "IFLA_IPTUN_6RD_RELAY_PREFIX", ipAddress],
    sixRdPrefixLength: [13, "IFLA_IPTUN_6RD_PREFIXLEN", u16],
    sixRdRelayPrefixLength: [14, "IFLA_IPTUN_6RD_RELAY_PREFIXLEN", u16],
    encapType: [15, "IFLA_IPTUN_ENCAP_TYPE", encapType],
    encapFlags: [16, "IFLA_IPTUN_ENCAP_FLAGS", encapFlags],
    encapSourcePort: [17, "IFLA_IPTUN_ENCAP_SPORT", u16be],
    encapDestinationPort: [18, "IFLA_IPTUN_ENCAP_DPORT", u16be],
    collectMetadata: [19, "IFLA_IPTUN_COLLECT_METADATA", present],
    mark: [20, "IFLA_IPTUN_FWMARK", u32],
  });
}

/** ip6tnl. */
export const ip6TunnelData = once(() => ipTunnel(ip6TunnelFlags));
/** ipip and sit, whose flag (SIT_ISATAP) is stored as it stands in memory: net/ipv6/sit.c, ipip6_fill_info. */
export const ipTunnelData = once(() => ipTunnel(flags(u16, { isatap: 1 })));

/** vti and vti6: enum IFLA_VTI_*. */
export const vtiData = once(() =>
  attributes({
    link: [1, "IFLA_VTI_LINK", u32],
    inputKey: [2, "IFLA_VTI_IKEY", u32be],
    outputKey: [3, "IFLA_VTI_OKEY", u32be],
    local: [4, "IFLA_VTI_LOCAL", ipAddress],
    remote: [5, "IFLA_VTI_REMOTE", ipAddress],
    mark: [6, "IFLA_VTI_FWMARK", u32],
  }),
);

/** xfrm: enum IFLA_XFRM_*. */
export const xfrmData = once(() =>
  attributes({
    link: [1, "IFLA_XFRM_LINK", u32],
    id: [2, "IFLA_XFRM_IF_ID", u32],
    collectMetadata: [3, "IFLA_XFRM_COLLECT_METADATA", present],
  }),
);

/** bareudp: enum IFLA_BAREUDP_*. */
export const bareudpData = once(() =>
  attributes({
    port: [1, "IFLA_BAREUDP_PORT", u16be],
    etherType: [2, "IFLA_BAREUDP_ETHERTYPE", u16be],
    sourcePortMinimum: [3, "IFLA_BAREUDP_SRCPORT_MIN", u16],
    multiprotocol: [4, "IFLA_BAREUDP_MULTIPROTO_MODE", present],
  }),
);

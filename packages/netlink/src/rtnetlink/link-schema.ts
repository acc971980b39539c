import { ipAddress, linkLayerAddress } from "../schema/address.js";
import {
  type AttributesInput,
  type AttributesOf,
  attributes,
  flagged,
  repeated,
} from "../schema/attributes.js";
import {
  binary,
  bool8,
  type Codec,
  type Decoded,
  type Encodable,
  lazy,
  once,
  orUnknown,
  s32,
  u8,
  u16,
  u32,
  u64,
} from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { enumeration, flags } from "../schema/names.js";
import { padding, type StructValue, struct } from "../schema/struct.js";
import { subMessage } from "../schema/sub-message.js";
import { string, stringUpTo } from "../schema/text.js";
import { bondData, bondPortData } from "./kinds/bond.js";
import { bridgeData, bridgePortData } from "./kinds/bridge.js";
import { geneveData } from "./kinds/geneve.js";
import { ipvlanData, macvlanData } from "./kinds/macvlan.js";
import { hsrData, tunData, vrfData, vrfPortData } from "./kinds/other.js";
import { bareudpData, greData, ip6TunnelData, ipTunnelData, vtiData, xfrmData } from "./kinds/tunnel.js";
import { vlanData } from "./kinds/vlan.js";
import { vxlanData } from "./kinds/vxlan.js";
import { vfList } from "./vf-schema.js";

/** A device's flags: include/uapi/linux/if.h, enum net_device_flags. */
export const linkFlags = flags(u32, {
  up: 1 << 0,
  broadcast: 1 << 1,
  debug: 1 << 2,
  loopback: 1 << 3,
  pointToPoint: 1 << 4,
  noTrailers: 1 << 5,
  running: 1 << 6,
  noArp: 1 << 7,
  promiscuous: 1 << 8,
  allMulticast: 1 << 9,
  master: 1 << 10,
  slave: 1 << 11,
  multicast: 1 << 12,
  portSelect: 1 << 13,
  autoMedia: 1 << 14,
  dynamic: 1 << 15,
  lowerUp: 1 << 16,
  dormant: 1 << 17,
  echo: 1 << 18,
});

/** RFC 2863 operational status, IF_OPER_* of include/uapi/linux/if.h. */
export const operState = enumeration(u8, {
  unknown: 0,
  notPresent: 1,
  down: 2,
  lowerLayerDown: 3,
  testing: 4,
  dormant: 5,
  up: 6,
});

/** The header of link messages: include/uapi/linux/rtnetlink.h. */
export const ifinfomsg = struct("ifinfomsg", {
  family: u8,
  pad: padding(1),
  type: u16,
  index: s32,
  flags: linkFlags,
  change: u32,
});

/** A device's counters since it was made; packets unless the name says bytes. */
export const linkStats64 = struct("rtnl_link_stats64", {
  rxPackets: u64,
  txPackets: u64,
  rxBytes: u64,
  txBytes: u64,
  rxErrors: u64,
  txErrors: u64,
  rxDropped: u64,
  txDropped: u64,
  multicast: u64,
  collisions: u64,
  rxLengthErrors: u64,
  rxOverErrors: u64,
  rxCrcErrors: u64,
  rxFrameErrors: u64,
  rxFifoErrors: u64,
  rxMissedErrors: u64,
  txAbortedErrors: u64,
  txCarrierErrors: u64,
  txFifoErrors: u64,
  txHeartbeatErrors: u64,
  txWindowErrors: u64,
  rxCompressed: u64,
  txCompressed: u64,
  rxNoHandler: u64,
  rxOtherHostDropped: u64,
});

/** Where a device's hardware is mapped. */
export const linkMap = struct("rtnl_link_ifmap", {
  memoryStart: u64,
  memoryEnd: u64,
  baseAddress: u64,
  irq: u16,
  dma: u8,
  port: u8,
});

// Annotated, since a peer is a link and a link may be a veth: the inference would go in circles.
const peerLink = lazy((): Codec<unknown, unknown> => linkMessage as Codec<unknown, unknown>);

/** veth: include/uapi/linux/veth.h. The kernel takes the peer when the pair is made, and never tells it. */
export const vethData = attributes({ peer: [1, "VETH_INFO_PEER", peerLink] });

/** netkit: include/uapi/linux/if_link.h, enum IFLA_NETKIT_*. */
export const netkitData = once(() => {
  const policy = enumeration(u32, { pass: 0, drop: 2 });
  const scrub = enumeration(u32, { none: 0, default: 1 });
  return attributes({
    peer: [1, "IFLA_NETKIT_PEER_INFO", peerLink],
    primary: [2, "IFLA_NETKIT_PRIMARY", bool8],
    policy: [3, "IFLA_NETKIT_POLICY", policy],
    peerPolicy: [4, "IFLA_NETKIT_PEER_POLICY", policy],
    mode: [5, "IFLA_NETKIT_MODE", enumeration(u32, { l2: 0, l3: 1 })],
    scrub: [6, "IFLA_NETKIT_SCRUB", scrub],
    peerScrub: [7, "IFLA_NETKIT_PEER_SCRUB", scrub],
    headroom: [8, "IFLA_NETKIT_HEADROOM", u16],
    tailroom: [9, "IFLA_NETKIT_TAILROOM", u16],
    pairing: [10, "IFLA_NETKIT_PAIRING", enumeration(u32, { pair: 0, single: 1 })],
  });
});

const ipTunnel = lazy(ipTunnelData);
const ip6Tunnel = lazy(ip6TunnelData);
const gre = lazy(greData);

/** What is particular to each kind of device, by IFLA_INFO_KIND. Other kinds are read and written as bytes. */
export const linkKinds = {
  bareudp: lazy(bareudpData),
  bond: lazy(bondData),
  bridge: lazy(bridgeData),
  erspan: gre,
  geneve: lazy(geneveData),
  gre,
  gretap: gre,
  hsr: lazy(hsrData),
  ip6erspan: gre,
  ip6gre: gre,
  ip6gretap: gre,
  ip6tnl: ip6Tunnel,
  ipip: ipTunnel,
  ipvlan: lazy(ipvlanData),
  ipvtap: lazy(ipvlanData),
  macvlan: lazy(macvlanData),
  macvtap: lazy(macvlanData),
  netkit: lazy(netkitData),
  sit: ipTunnel,
  tun: lazy(tunData),
  veth: vethData,
  vlan: lazy(vlanData),
  vrf: lazy(vrfData),
  vti: lazy(vtiData),
  vti6: lazy(vtiData),
  vxlan: lazy(vxlanData),
  xfrm: lazy(xfrmData),
} as const;

/** What is particular to the port of a device, by the device's kind (IFLA_INFO_SLAVE_KIND). */
export const portKinds = {
  bond: lazy(bondPortData),
  bridge: lazy(bridgePortData),
  vrf: lazy(vrfPortData),
} as const;

/** Of which kind a device is, and what is particular to that kind: enum IFLA_INFO_*. */
export const linkInfo = attributes({
  kind: [1, "IFLA_INFO_KIND", string],
  data: [2, "IFLA_INFO_DATA", subMessage("kind", linkKinds)],
  xstats: [3, "IFLA_INFO_XSTATS", binary],
  portKind: [4, "IFLA_INFO_SLAVE_KIND", string],
  portData: [5, "IFLA_INFO_SLAVE_DATA", subMessage("portKind", portKinds)],
});

/** XDP programs: enum IFLA_XDP_*. */
export const xdpAttributes = once(() =>
  attributes({
    fd: [1, "IFLA_XDP_FD", s32],
    attached: [2, "IFLA_XDP_ATTACHED", enumeration(u8, { none: 0, drv: 1, skb: 2, hw: 3, multi: 4 })],
    flags: [
      3,
      "IFLA_XDP_FLAGS",
      flags(u32, { updateIfNoExist: 1, skbMode: 2, drvMode: 4, hwMode: 8, replace: 16 }),
    ],
    programId: [4, "IFLA_XDP_PROG_ID", u32],
    drvProgramId: [5, "IFLA_XDP_DRV_PROG_ID", u32],
    skbProgramId: [6, "IFLA_XDP_SKB_PROG_ID", u32],
    hwProgramId: [7, "IFLA_XDP_HW_PROG_ID", u32],
    expectedFd: [8, "IFLA_XDP_EXPECTED_FD", s32],
  }),
);

/** How a device makes its IPv6 link-local address: enum in6_addr_gen_mode. */
export const addrGenMode = enumeration(u8, { eui64: 0, none: 1, stablePrivacy: 2, random: 3 });

const inet = attributes({ configuration: [1, "IFLA_INET_CONF", binary] });
/** What IPv6 keeps about a device: enum IFLA_INET6_*. */
export const inet6 = attributes({
  flags: [1, "IFLA_INET6_FLAGS", u32],
  configuration: [2, "IFLA_INET6_CONF", binary],
  stats: [3, "IFLA_INET6_STATS", binary],
  cacheInfo: [5, "IFLA_INET6_CACHEINFO", binary],
  icmp6Stats: [6, "IFLA_INET6_ICMP6STATS", binary],
  token: [7, "IFLA_INET6_TOKEN", ipAddress],
  addrGenMode: [8, "IFLA_INET6_ADDR_GEN_MODE", addrGenMode],
  raMtu: [9, "IFLA_INET6_RA_MTU", u32],
});

/** What address families keep about a device. */
export const afSpec = attributes({
  inet: [2, "AF_INET", inet],
  inet6: [10, "AF_INET6", inet6],
});

/** IFNAMSIZ, with the NUL. */
const name = stringUpTo(16);

/** A device's attributes: include/uapi/linux/if_link.h, enum IFLA_*. */
export const linkAttributes = attributes({
  address: [1, "IFLA_ADDRESS", linkLayerAddress],
  broadcast: [2, "IFLA_BROADCAST", linkLayerAddress],
  name: [3, "IFLA_IFNAME", name],
  mtu: [4, "IFLA_MTU", u32],
  link: [5, "IFLA_LINK", u32],
  qdisc: [6, "IFLA_QDISC", string],
  stats: [7, "IFLA_STATS", binary],
  master: [10, "IFLA_MASTER", u32],
  protinfo: [12, "IFLA_PROTINFO", binary],
  txQueueLength: [13, "IFLA_TXQLEN", u32],
  map: [14, "IFLA_MAP", linkMap],
  operState: [16, "IFLA_OPERSTATE", operState],
  linkMode: [17, "IFLA_LINKMODE", enumeration(u8, { default: 0, dormant: 1, testing: 2 })],
  linkinfo: [18, "IFLA_LINKINFO", linkInfo],
  netnsPid: [19, "IFLA_NET_NS_PID", u32],
  alias: [20, "IFLA_IFALIAS", string],
  numVfs: [21, "IFLA_NUM_VF", u32],
  vfs: [22, "IFLA_VFINFO_LIST", lazy(vfList)],
  stats64: [23, "IFLA_STATS64", linkStats64],
  // In messages of the family AF_BRIDGE the same number holds other attributes.
  afSpec: [26, "IFLA_AF_SPEC", orUnknown(afSpec)],
  group: [27, "IFLA_GROUP", u32],
  netnsFd: [28, "IFLA_NET_NS_FD", u32],
  extMask: [29, "IFLA_EXT_MASK", u32],
  promiscuity: [30, "IFLA_PROMISCUITY", u32],
  numTxQueues: [31, "IFLA_NUM_TX_QUEUES", u32],
  numRxQueues: [32, "IFLA_NUM_RX_QUEUES", u32],
  carrier: [33, "IFLA_CARRIER", bool8],
  physPortId: [34, "IFLA_PHYS_PORT_ID", binary],
  carrierChanges: [35, "IFLA_CARRIER_CHANGES", u32],
  physSwitchId: [36, "IFLA_PHYS_SWITCH_ID", binary],
  linkNetnsId: [37, "IFLA_LINK_NETNSID", s32],
  physPortName: [38, "IFLA_PHYS_PORT_NAME", string],
  protoDown: [39, "IFLA_PROTO_DOWN", bool8],
  gsoMaxSegments: [40, "IFLA_GSO_MAX_SEGS", u32],
  gsoMaxSize: [41, "IFLA_GSO_MAX_SIZE", u32],
  xdp: [43, "IFLA_XDP", lazy(xdpAttributes)],
  event: [44, "IFLA_EVENT", u32],
  newNetnsId: [45, "IFLA_NEW_NETNSID", s32],
  targetNetnsId: [46, "IFLA_TARGET_NETNSID", s32],
  carrierUpCount: [47, "IFLA_CARRIER_UP_COUNT", u32],
  carrierDownCount: [48, "IFLA_CARRIER_DOWN_COUNT", u32],
  newIndex: [49, "IFLA_NEW_IFINDEX", s32],
  minMtu: [50, "IFLA_MIN_MTU", u32],
  maxMtu: [51, "IFLA_MAX_MTU", u32],
  properties: [
    52,
    "IFLA_PROP_LIST",
    flagged(attributes({ altNames: [53, "IFLA_ALT_IFNAME", repeated(stringUpTo(128))] })),
  ],
  altName: [53, "IFLA_ALT_IFNAME", stringUpTo(128)],
  permanentAddress: [54, "IFLA_PERM_ADDRESS", linkLayerAddress],
  protoDownReason: [55, "IFLA_PROTO_DOWN_REASON", binary],
  parentDeviceName: [56, "IFLA_PARENT_DEV_NAME", string],
  parentDeviceBus: [57, "IFLA_PARENT_DEV_BUS_NAME", string],
  groMaxSize: [58, "IFLA_GRO_MAX_SIZE", u32],
  tsoMaxSize: [59, "IFLA_TSO_MAX_SIZE", u32],
  tsoMaxSegments: [60, "IFLA_TSO_MAX_SEGS", u32],
  allMulticastCount: [61, "IFLA_ALLMULTI", u32],
  devlinkPort: [62, "IFLA_DEVLINK_PORT", flagged(binary)],
  gsoIpv4MaxSize: [63, "IFLA_GSO_IPV4_MAX_SIZE", u32],
  groIpv4MaxSize: [64, "IFLA_GRO_IPV4_MAX_SIZE", u32],
  dpllPin: [65, "IFLA_DPLL_PIN", flagged(binary)],
  maxPacingOffloadHorizon: [66, "IFLA_MAX_PACING_OFFLOAD_HORIZON", u32],
  netnsImmutable: [67, "IFLA_NETNS_IMMUTABLE", bool8],
  headroom: [68, "IFLA_HEADROOM", u16],
  tailroom: [69, "IFLA_TAILROOM", u16],
});

/** The body of RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK and RTM_SETLINK. */
export const linkMessage = message(ifinfomsg, linkAttributes);

/** A device's attributes as decoded. */
export type LinkAttributes = AttributesOf<(typeof linkAttributes)["declarations"]>;
/** A device's attributes to encode. */
export type LinkAttributesInput = AttributesInput<(typeof linkAttributes)["declarations"]>;
/** A device's counters. */
export type LinkStats = ReturnType<(typeof linkStats64)["read"]> & StructValue<Record<never, never>>;
/** The kinds of device whose data is typed. */
export type LinkKind = keyof typeof linkKinds;
/** What is particular to a kind, as decoded. */
export type LinkDataOf<K extends LinkKind> = Decoded<(typeof linkKinds)[K]>;
/** What is particular to a kind, to encode. */
export type LinkDataInputOf<K extends LinkKind> = Encodable<(typeof linkKinds)[K]>;
/** The kinds of device whose ports have typed data. */
export type PortKind = keyof typeof portKinds;
/** What is particular to a port, as decoded. */
export type PortDataOf<K extends PortKind> = Decoded<(typeof portKinds)[K]>;
/** What is particular to a port, to encode. */
export type PortDataInputOf<K extends PortKind> = Encodable<(typeof portKinds)[K]>;

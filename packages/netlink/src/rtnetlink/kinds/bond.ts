import { ipAddress, linkLayerAddress } from "../../schema/address.js";
import { attributes } from "../../schema/attributes.js";
import { bool8, once, s32, u8, u16, u32 } from "../../schema/codec.js";
import { indexed } from "../../schema/indexed.js";
import { enumeration } from "../../schema/names.js";

/** What 802.3ad has agreed on: enum IFLA_BOND_AD_INFO_*. */
export const bondAggregator = attributes({
  aggregator: [1, "IFLA_BOND_AD_INFO_AGGREGATOR", u16],
  ports: [2, "IFLA_BOND_AD_INFO_NUM_PORTS", u16],
  actorKey: [3, "IFLA_BOND_AD_INFO_ACTOR_KEY", u16],
  partnerKey: [4, "IFLA_BOND_AD_INFO_PARTNER_KEY", u16],
  partnerAddress: [5, "IFLA_BOND_AD_INFO_PARTNER_MAC", linkLayerAddress],
});

/** bond: include/uapi/linux/if_link.h, enum IFLA_BOND_*; values as Documentation/networking/bonding.rst names them. */
export const bondData = once(() =>
  attributes({
    mode: [
      1,
      "IFLA_BOND_MODE",
      enumeration(u8, {
        "balance-rr": 0,
        "active-backup": 1,
        "balance-xor": 2,
        broadcast: 3,
        "802.3ad": 4,
        "balance-tlb": 5,
        "balance-alb": 6,
      }),
    ],
    activePort: [2, "IFLA_BOND_ACTIVE_SLAVE", u32],
    miiMonitorMs: [3, "IFLA_BOND_MIIMON", u32],
    upDelayMs: [4, "IFLA_BOND_UPDELAY", u32],
    downDelayMs: [5, "IFLA_BOND_DOWNDELAY", u32],
    useCarrier: [6, "IFLA_BOND_USE_CARRIER", bool8],
    arpIntervalMs: [7, "IFLA_BOND_ARP_INTERVAL", u32],
    arpTargets: [8, "IFLA_BOND_ARP_IP_TARGET", indexed(ipAddress, 0)],
    arpValidate: [
      9,
      "IFLA_BOND_ARP_VALIDATE",
      enumeration(u32, {
        none: 0,
        active: 1,
        backup: 2,
        all: 3,
        filter: 4,
        filter_active: 5,
        filter_backup: 6,
      }),
    ],
    arpAllTargets: [10, "IFLA_BOND_ARP_ALL_TARGETS", enumeration(u32, { any: 0, all: 1 })],
    primary: [11, "IFLA_BOND_PRIMARY", u32],
    primaryReselect: [
      12,
      "IFLA_BOND_PRIMARY_RESELECT",
      enumeration(u8, { always: 0, better: 1, failure: 2 }),
    ],
    failOverMac: [13, "IFLA_BOND_FAIL_OVER_MAC", enumeration(u8, { none: 0, active: 1, follow: 2 })],
    transmitHashPolicy: [
      14,
      "IFLA_BOND_XMIT_HASH_POLICY",
      enumeration(u8, {
        layer2: 0,
        "layer3+4": 1,
        "layer2+3": 2,
        "encap2+3": 3,
        "encap3+4": 4,
        "vlan+srcmac": 5,
      }),
    ],
    resendIgmp: [15, "IFLA_BOND_RESEND_IGMP", u32],
    peerNotifications: [16, "IFLA_BOND_NUM_PEER_NOTIF", u8],
    allPortsActive: [17, "IFLA_BOND_ALL_SLAVES_ACTIVE", bool8],
    minLinks: [18, "IFLA_BOND_MIN_LINKS", u32],
    /** Seconds between learning packets. */
    learningPacketInterval: [19, "IFLA_BOND_LP_INTERVAL", u32],
    packetsPerPort: [20, "IFLA_BOND_PACKETS_PER_SLAVE", u32],
    lacpRate: [21, "IFLA_BOND_AD_LACP_RATE", enumeration(u8, { slow: 0, fast: 1 })],
    aggregatorSelect: [
      22,
      "IFLA_BOND_AD_SELECT",
      enumeration(u8, { stable: 0, bandwidth: 1, count: 2, actor_port_prio: 3 }),
    ],
    aggregatorInfo: [23, "IFLA_BOND_AD_INFO", bondAggregator],
    actorSystemPriority: [24, "IFLA_BOND_AD_ACTOR_SYS_PRIO", u16],
    userPortKey: [25, "IFLA_BOND_AD_USER_PORT_KEY", u16],
    actorSystem: [26, "IFLA_BOND_AD_ACTOR_SYSTEM", linkLayerAddress],
    tlbDynamic: [27, "IFLA_BOND_TLB_DYNAMIC_LB", bool8],
    peerNotificationDelayMs: [28, "IFLA_BOND_PEER_NOTIF_DELAY", u32],
    lacpActive: [29, "IFLA_BOND_AD_LACP_ACTIVE", bool8],
    missedMaximum: [30, "IFLA_BOND_MISSED_MAX", u8],
    neighbourTargets: [31, "IFLA_BOND_NS_IP6_TARGET", indexed(ipAddress, 0)],
    coupledControl: [32, "IFLA_BOND_COUPLED_CONTROL", bool8],
    broadcastNeighbour: [33, "IFLA_BOND_BROADCAST_NEIGH", bool8],
    lacpStrict: [34, "IFLA_BOND_LACP_STRICT", bool8],
  }),
);

/** A bond's port: enum IFLA_BOND_SLAVE_*. */
export const bondPortData = once(() =>
  attributes({
    state: [1, "IFLA_BOND_SLAVE_STATE", enumeration(u8, { active: 0, backup: 1 })],
    miiStatus: [
      2,
      "IFLA_BOND_SLAVE_MII_STATUS",
      enumeration(u8, { up: 0, goingDown: 1, down: 2, goingBack: 3 }),
    ],
    linkFailures: [3, "IFLA_BOND_SLAVE_LINK_FAILURE_COUNT", u32],
    permanentAddress: [4, "IFLA_BOND_SLAVE_PERM_HWADDR", linkLayerAddress],
    queueId: [5, "IFLA_BOND_SLAVE_QUEUE_ID", u16],
    aggregatorId: [6, "IFLA_BOND_SLAVE_AD_AGGREGATOR_ID", u16],
    actorPortState: [7, "IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE", u8],
    partnerPortState: [8, "IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE", u16],
    priority: [9, "IFLA_BOND_SLAVE_PRIO", s32],
    actorPortPriority: [10, "IFLA_BOND_SLAVE_ACTOR_PORT_PRIO", u16],
    actorChurnState: [11, "IFLA_BOND_SLAVE_AD_CHURN_ACTOR_STATE", u8],
    partnerChurnState: [12, "IFLA_BOND_SLAVE_AD_CHURN_PARTNER_STATE", u8],
  }),
);

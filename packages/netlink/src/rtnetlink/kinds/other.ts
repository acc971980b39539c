import { linkLayerAddress } from "../../schema/address.js";
import { attributes } from "../../schema/attributes.js";
import { bool8, once, u8, u16, u32 } from "../../schema/codec.js";
import { enumeration } from "../../schema/names.js";

/** vrf: include/uapi/linux/if_link.h, enum IFLA_VRF_*. */
export const vrfData = once(() => attributes({ table: [1, "IFLA_VRF_TABLE", u32] }));
/** A VRF's port: enum IFLA_VRF_PORT_*. */
export const vrfPortData = once(() => attributes({ table: [1, "IFLA_VRF_PORT_TABLE", u32] }));

/** tun and tap: enum IFLA_TUN_*. They are made through /dev/net/tun and read here. */
export const tunData = once(() =>
  attributes({
    /** A user's id. */
    owner: [1, "IFLA_TUN_OWNER", u32],
    /** A group's id. */
    group: [2, "IFLA_TUN_GROUP", u32],
    type: [3, "IFLA_TUN_TYPE", enumeration(u8, { tun: 1, tap: 2 })],
    packetInformation: [4, "IFLA_TUN_PI", bool8],
    vnetHeader: [5, "IFLA_TUN_VNET_HDR", bool8],
    persist: [6, "IFLA_TUN_PERSIST", bool8],
    multiQueue: [7, "IFLA_TUN_MULTI_QUEUE", bool8],
    queues: [8, "IFLA_TUN_NUM_QUEUES", u32],
    disabledQueues: [9, "IFLA_TUN_NUM_DISABLED_QUEUES", u32],
  }),
);

/** hsr and prp: enum IFLA_HSR_*. */
export const hsrData = once(() =>
  attributes({
    port1: [1, "IFLA_HSR_SLAVE1", u32],
    port2: [2, "IFLA_HSR_SLAVE2", u32],
    multicastSpec: [3, "IFLA_HSR_MULTICAST_SPEC", u8],
    supervisionAddress: [4, "IFLA_HSR_SUPERVISION_ADDR", linkLayerAddress],
    sequence: [5, "IFLA_HSR_SEQ_NR", u16],
    version: [6, "IFLA_HSR_VERSION", u8],
    protocol: [7, "IFLA_HSR_PROTOCOL", enumeration(u8, { hsr: 0, prp: 1 })],
    interlink: [8, "IFLA_HSR_INTERLINK", u32],
  }),
);

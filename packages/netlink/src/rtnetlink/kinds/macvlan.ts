import { linkLayerAddress } from "../../schema/address.js";
import { attributes, repeated } from "../../schema/attributes.js";
import { once, s32, u16, u32 } from "../../schema/codec.js";
import { enumeration, flags } from "../../schema/names.js";

/** ipvlan: include/uapi/linux/if_link.h, enum IFLA_IPVLAN_*. */
export const ipvlanData = once(() =>
  attributes({
    mode: [1, "IFLA_IPVLAN_MODE", enumeration(u16, { l2: 0, l3: 1, l3s: 2 })],
    flags: [2, "IFLA_IPVLAN_FLAGS", flags(u16, { private: 1, vepa: 2 })],
  }),
);

/** Whose packets a macvlan of mode "source" takes. */
const sourceAddresses = attributes({
  addresses: [4, "IFLA_MACVLAN_MACADDR", repeated(linkLayerAddress)],
});

/** macvlan and macvtap: enum IFLA_MACVLAN_*. */
export const macvlanData = once(() =>
  attributes({
    mode: [
      1,
      "IFLA_MACVLAN_MODE",
      enumeration(u32, { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 }),
    ],
    flags: [2, "IFLA_MACVLAN_FLAGS", flags(u16, { noPromiscuous: 1, noDestination: 2 })],
    macAddressMode: [
      3,
      "IFLA_MACVLAN_MACADDR_MODE",
      enumeration(u32, { add: 0, delete: 1, flush: 2, set: 3 }),
    ],
    macAddress: [4, "IFLA_MACVLAN_MACADDR", linkLayerAddress],
    macAddresses: [5, "IFLA_MACVLAN_MACADDR_DATA", sourceAddresses],
    macAddressCount: [6, "IFLA_MACVLAN_MACADDR_COUNT", u32],
    broadcastQueueLength: [7, "IFLA_MACVLAN_BC_QUEUE_LEN", u32],
    broadcastQueueLengthUsed: [8, "IFLA_MACVLAN_BC_QUEUE_LEN_USED", u32],
    broadcastCutoff: [9, "IFLA_MACVLAN_BC_CUTOFF", s32],
  }),
);

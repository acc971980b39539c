import { attributes, repeated } from "../../schema/attributes.js";
import { once, u16, u16be, u32 } from "../../schema/codec.js";
import { enumeration, flags } from "../../schema/names.js";
import { struct } from "../../schema/struct.js";

/** The tag that a VLAN is marked with: ETH_P_8021Q and ETH_P_8021AD of include/uapi/linux/if_ether.h. */
export const vlanProtocol = enumeration(u16be, { "802.1q": 0x8100, "802.1ad": 0x88a8 });

/** Which of a VLAN's flags are set; encoding changes those in `mask` only. */
export const vlanFlags = struct("ifla_vlan_flags", {
  flags: flags(u32, { reorderHeader: 1, gvrp: 2, looseBinding: 4, mvrp: 8, bridgeBinding: 16 }),
  mask: u32,
});
/** A pair of priorities: of the packet, and of the tag. */
export const vlanQosMapping = struct("ifla_vlan_qos_mapping", { from: u32, to: u32 });

/** A map of priorities: enum IFLA_VLAN_QOS_*. */
export const vlanQos = attributes({ mappings: [1, "IFLA_VLAN_QOS_MAPPING", repeated(vlanQosMapping)] });

/** vlan: include/uapi/linux/if_link.h, enum IFLA_VLAN_*. */
export const vlanData = once(() =>
  attributes({
    id: [1, "IFLA_VLAN_ID", u16],
    flags: [2, "IFLA_VLAN_FLAGS", vlanFlags],
    egressQos: [3, "IFLA_VLAN_EGRESS_QOS", vlanQos],
    ingressQos: [4, "IFLA_VLAN_INGRESS_QOS", vlanQos],
    protocol: [5, "IFLA_VLAN_PROTOCOL", vlanProtocol],
  }),
);

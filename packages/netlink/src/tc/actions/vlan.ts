import { linkLayerAddress } from "../../schema/address.js";
import { attributes } from "../../schema/attributes.js";
import { once, s32, u8, u16, u16be } from "../../schema/codec.js";
import { enumeration } from "../../schema/names.js";
import { struct } from "../../schema/struct.js";
import type { ActionInput } from "../action.js";
import { actionFields, actionTimes, type Verdict } from "../verdict.js";

export const vlanParms = struct("tc_vlan", {
  ...actionFields,
  operation: enumeration(s32, { pop: 1, push: 2, modify: 3, popEth: 4, pushEth: 5 }),
});

/** vlan: enum TCA_VLAN_* of include/uapi/linux/tc_act/tc_vlan.h. */
export const vlanAttributes = once(() =>
  attributes({
    times: [1, "TCA_VLAN_TM", actionTimes],
    parms: [2, "TCA_VLAN_PARMS", vlanParms],
    id: [3, "TCA_VLAN_PUSH_VLAN_ID", u16],
    protocol: [4, "TCA_VLAN_PUSH_VLAN_PROTOCOL", enumeration(u16be, { "802.1q": 0x8100, "802.1ad": 0x88a8 })],
    priority: [6, "TCA_VLAN_PUSH_VLAN_PRIORITY", u8],
    ethDestination: [7, "TCA_VLAN_PUSH_ETH_DST", linkLayerAddress],
    ethSource: [8, "TCA_VLAN_PUSH_ETH_SRC", linkLayerAddress],
  }),
);

/** What the vlan action does with a packet's outermost VLAN tag, or its Ethernet header. */
export type VlanActionOptions = (
  | { readonly operation: "pop" | "popEth" }
  | {
      readonly operation: "push" | "modify";
      readonly id: number;
      readonly protocol?: "802.1q" | "802.1ad" | undefined;
      /** 0 to 7. */
      readonly priority?: number | undefined;
    }
  | {
      readonly operation: "pushEth";
      /** A MAC address, such as "02:00:00:00:00:01". */
      readonly ethDestination: string;
      readonly ethSource: string;
    }
) & {
  /** Default "pipe", as tc(8) has it. */
  readonly action?: Verdict | undefined;
  readonly index?: number | undefined;
};

/** Adds, takes away or changes a VLAN tag. */
export function vlan(options: VlanActionOptions): ActionInput {
  const { operation, action = "pipe", index, ...rest } = options;
  return { kind: "vlan", options: { parms: { index, action, operation }, ...rest } };
}

import type { NetlinkRequest } from "../request.js";
import { linkLayerAddress } from "../schema/address.js";
import type { Decoded } from "../schema/codec.js";
import { encode } from "../schema/message-body.js";
import type { LinkReference } from "./link.js";
import { linkMessage } from "./link-schema.js";
import { requestOf } from "./messages.js";
import type { vfAttributes, vfLinkState, vfList } from "./vf-schema.js";

/** A virtual function of an SR-IOV device. What the driver does not say is undefined. */
export interface Vf {
  /** Its number, from 0. */
  readonly index: number;
  readonly address: string | undefined;
  /** 0 where packets are not tagged. */
  readonly vlan: number | undefined;
  readonly vlanPriority: number | undefined;
  /** "802.1q" or "802.1ad". */
  readonly vlanProtocol: string | number | undefined;
  /** 0 is without limit. */
  readonly minimumMegabitsPerSecond: number | undefined;
  readonly maximumMegabitsPerSecond: number | undefined;
  readonly spoofCheck: boolean | undefined;
  readonly trust: boolean | undefined;
  readonly rssQuery: boolean | undefined;
  readonly linkState: Decoded<typeof vfLinkState>["state"] | undefined;
  readonly attributes: Decoded<typeof vfAttributes>;
}

/** What to change on a virtual function. */
export interface VfChanges {
  /** Of six bytes: "02:00:00:00:00:01". */
  readonly address?: string | undefined;
  /** 0 turns tagging off. */
  readonly vlan?: number | undefined;
  /** 0 to 7; given beside `vlan`. */
  readonly vlanPriority?: number | undefined;
  /** Given beside `vlan`; default "802.1q". */
  readonly vlanProtocol?: "802.1q" | "802.1ad" | undefined;
  /** 0 is without limit; both limits are set together, and the one that is not given is 0. */
  readonly minimumMegabitsPerSecond?: number | undefined;
  readonly maximumMegabitsPerSecond?: number | undefined;
  readonly spoofCheck?: boolean | undefined;
  readonly trust?: boolean | undefined;
  readonly rssQuery?: boolean | undefined;
  readonly linkState?: "auto" | "enable" | "disable" | undefined;
}

/** The virtual functions that a list describes. */
export function vfsOf(list: Decoded<ReturnType<typeof vfList>>): Vf[] {
  return (list.vfs ?? []).map((attributes, place) => {
    const { mac, vlan, vlanList, rate, txRate, spoofCheck, trust, rssQuery, linkState } = attributes;
    return {
      index: mac?.vf ?? place,
      // The kernel always sends 32 bytes; an Ethernet address is six of them.
      address: mac && colons(mac.address.subarray(0, 6)),
      vlan: vlan?.vlan,
      vlanPriority: vlan?.qos,
      vlanProtocol: vlanList?.vlans?.[0]?.protocol,
      minimumMegabitsPerSecond: rate?.minimum,
      maximumMegabitsPerSecond: rate?.maximum ?? txRate?.rate,
      spoofCheck: settingOf(spoofCheck),
      trust: settingOf(trust),
      rssQuery: settingOf(rssQuery),
      linkState: linkState?.state,
      attributes,
    };
  });
}

/** RTM_SETLINK that changes a virtual function of a device. */
export function setVf(
  selector: { header: object; attributes?: object },
  reference: LinkReference,
  vf: number,
  changes: VfChanges,
): NetlinkRequest {
  const { address, vlan, vlanPriority = 0, vlanProtocol, spoofCheck, trust, rssQuery, linkState } = changes;
  const minimum = changes.minimumMegabitsPerSecond;
  const maximum = changes.maximumMegabitsPerSecond;
  const one = {
    mac: address === undefined ? undefined : { vf, address: encode(linkLayerAddress, address) },
    vlan: vlan === undefined || vlanProtocol !== undefined ? undefined : { vf, vlan, qos: vlanPriority },
    vlanList:
      vlan === undefined || vlanProtocol === undefined
        ? undefined
        : { vlans: [{ vf, vlan, qos: vlanPriority, protocol: vlanProtocol }] },
    rate:
      minimum === undefined && maximum === undefined
        ? undefined
        : { vf, minimum: minimum ?? 0, maximum: maximum ?? 0 },
    spoofCheck: setting(vf, spoofCheck),
    linkState: linkState === undefined ? undefined : { vf, state: linkState },
    rssQuery: setting(vf, rssQuery),
    trust: setting(vf, trust),
  };
  return requestOf("RTM_SETLINK", `change virtual function ${vf} of link ${reference}`, linkMessage, {
    header: selector.header,
    attributes: { ...selector.attributes, vfs: { vfs: [one] } },
  });
}

function setting(vf: number, on: boolean | undefined): { vf: number; setting: number } | undefined {
  return on === undefined ? undefined : { vf, setting: on ? 1 : 0 };
}

// 0xffffffff says that the driver does not know: net/core/rtnetlink.c, rtnl_fill_vfinfo.
function settingOf(wire: { setting: number } | undefined): boolean | undefined {
  return wire === undefined || wire.setting > 1 ? undefined : wire.setting === 1;
}

function colons(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

import type { MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import type { Input } from "../schema/bytes.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import type { NetlinkSocket } from "../socket.js";
import { bridgeLinkMessage } from "./family-links.js";
import { RtmType, requestOf } from "./messages.js";

const AF_BRIDGE = 7;
/** RTEXT_FILTER_BRVLAN_COMPRESSED of include/uapi/linux/rtnetlink.h: ranges in place of single VLANs. */
const BRVLAN_COMPRESSED = 1 << 2;

/** VLANs of a bridge's port, or of the bridge itself. */
export interface BridgeVlan {
  /** The port, or the bridge. */
  readonly index: number;
  readonly vid: number;
  /** The last VLAN of the range, which is `vid` where there is only one. */
  readonly vidEnd: number;
  /** Whether untagged packets that come in belong to it. */
  readonly pvid: boolean;
  /** Whether its packets leave without a tag. */
  readonly untagged: boolean;
  /** The tunnel that the VLAN is mapped to (the first VLAN's id, of a range). */
  readonly tunnelId: number | undefined;
}

/** VLANs to be allowed on a port, or taken from it. */
export interface BridgeVlanRequest {
  /** The port; or the bridge, with `self`. */
  readonly index: number;
  /** 1 to 4094. */
  readonly vid: number;
  /** The last VLAN of a range. */
  readonly vidEnd?: number | undefined;
  readonly pvid?: boolean | undefined;
  readonly untagged?: boolean | undefined;
  /** The bridge itself takes part in the VLAN. */
  readonly self?: boolean | undefined;
  /** Maps the VLAN to a tunnel's id; of a range each VLAN to the next id. */
  readonly tunnelId?: number | undefined;
}

/** The VLANs that bridges filter by. */
export class BridgeVlans {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All VLANs of all ports, or of one, as ranges. */
  *dump(filter: { readonly index?: number | undefined } = {}): Iterable<BridgeVlan> {
    const request = requestOf("RTM_GETLINK", "read the bridges' VLANs", bridgeLinkMessage(), {
      header: { family: AF_BRIDGE },
      attributes: { extMask: BRVLAN_COMPRESSED },
    });
    const select = (input: Input, message: MessageView) =>
      message.type === RtmType.RTM_NEWLINK && input.bytes[message.start] === AF_BRIDGE;
    for (const { header, attributes } of this.#socket.dump(request, bridgeLinkMessage(), { select })) {
      const { index } = header;
      if (filter.index !== undefined && index !== filter.index) continue;
      const tunnels = new Map((attributes.afSpec?.tunnels ?? []).map(({ vid = 0, id }) => [vid, id]));
      let begin: number | undefined;
      for (const { vid, flags } of attributes.afSpec?.vlans ?? []) {
        if (flags.includes("rangeBegin")) {
          begin = vid;
          continue;
        }
        const first = flags.includes("rangeEnd") ? (begin ?? vid) : vid;
        begin = undefined;
        yield {
          index,
          vid: first,
          vidEnd: vid,
          pvid: flags.includes("pvid"),
          untagged: flags.includes("untagged"),
          tunnelId: tunnels.get(first),
        };
      }
    }
  }

  /** Allows VLANs on a port, or changes their flags. @throws NetlinkError EOPNOTSUPP where the device is no port */
  add(request: BridgeVlanRequest): void {
    this.#socket.acknowledge(bridgeVlanRequest("RTM_SETLINK", request));
  }

  /** Takes VLANs from a port. */
  remove(request: BridgeVlanRequest): void {
    this.#socket.acknowledge(bridgeVlanRequest("RTM_DELLINK", request));
  }
}

/** RTM_SETLINK, RTM_DELLINK of the family AF_BRIDGE: net/bridge/br_netlink.c, br_afspec. */
export function bridgeVlanRequest(
  operation: "RTM_SETLINK" | "RTM_DELLINK",
  request: BridgeVlanRequest,
): NetlinkRequest {
  const { index, vid, vidEnd = vid, pvid, untagged, self, tunnelId } = request;
  if (vidEnd < vid) throw new NetlinkEncodeError(`the VLANs ${vid} to ${vidEnd} are no range`);
  const flags = [...(pvid ? (["pvid"] as const) : []), ...(untagged ? (["untagged"] as const) : [])];
  const ends =
    vid === vidEnd
      ? [{ vid, flags }]
      : [
          { vid, flags: [...flags, "rangeBegin" as const] },
          { vid: vidEnd, flags: [...flags, "rangeEnd" as const] },
        ];
  return requestOf(
    operation,
    `${operation === "RTM_SETLINK" ? "allow" : "remove"} VLAN ${vid === vidEnd ? vid : `${vid} to ${vidEnd}`} ${operation === "RTM_SETLINK" ? "on" : "from"} port ${index}`,
    bridgeLinkMessage(),
    {
      header: { family: AF_BRIDGE, index },
      attributes: {
        afSpec: {
          flags: self ? ["self"] : undefined,
          vlans: ends,
          tunnels:
            tunnelId === undefined
              ? undefined
              : ends.map((end, place) => ({
                  id: tunnelId + (place === 0 ? 0 : vidEnd - vid),
                  vid: end.vid,
                  flags: end.flags.filter((flag) => flag.startsWith("range")),
                })),
        },
      },
    },
  );
}

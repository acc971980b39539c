import type { NetlinkRequest } from "../request.js";
import { parseAddress } from "../schema/address.js";
import type { Decoded } from "../schema/codec.js";
import { requestOf } from "./messages.js";
import {
  type neighbourAttributes,
  type neighbourFamily,
  type neighbourFlags,
  neighbourMessage,
  type neighbourState,
} from "./neighbour-schema.js";
import type { routeProtocol } from "./route-schema.js";

/** A neighbour's state by name. */
export type NeighbourState = keyof (typeof neighbourState)["names"];
/** A neighbour's flag by name. */
export type NeighbourFlag = keyof (typeof neighbourFlags)["names"];

/** An entry of a neighbour table, or of a forwarding database (of the family "bridge"), as the kernel describes it. */
export interface Neighbour {
  /** The device. */
  readonly index: number;
  readonly family: Decoded<typeof neighbourFamily>;
  /** The neighbour's IP address; in a forwarding database the address of the tunnel's other end. */
  readonly destination: string | undefined;
  /** The link-layer address. */
  readonly address: string | undefined;
  /** Usually one; none for entries of proxies. */
  readonly state: Decoded<typeof neighbourState>;
  readonly flags: Decoded<typeof neighbourFlags>;
  readonly proxy: boolean;
  /** The bridge or VRF that the device is a port of. */
  readonly master: number | undefined;
  readonly vlan: number | undefined;
  readonly vni: number | undefined;
  /** The UDP port of the tunnel's other end. */
  readonly port: number | undefined;
  readonly nexthopId: number | undefined;
  readonly protocol: Decoded<typeof routeProtocol> | undefined;
  readonly attributes: Decoded<typeof neighbourAttributes>;
}

/** An entry of a neighbour table to be made or removed. */
export interface NeighbourRequest {
  /** The device. */
  readonly index: number;
  /** The neighbour's IP address. */
  readonly destination: string;
  /** The link-layer address; not for proxies, and not where an entry is removed. */
  readonly address?: string | undefined;
  /** Default "permanent" where an entry is made. */
  readonly state?: NeighbourState | undefined;
  /** Answer for the neighbour instead of it. */
  readonly proxy?: boolean | undefined;
  /** The entry was learned by a program, which keeps it up to date. */
  readonly externLearned?: boolean | undefined;
  /** The neighbour is a router (IPv6). */
  readonly router?: boolean | undefined;
  /** Have the kernel resolve the address, and keep it resolved with `managed`; the state defaults to none then. */
  readonly use?: boolean | undefined;
  readonly managed?: boolean | undefined;
  readonly protocol?: Decoded<typeof routeProtocol> | undefined;
}

/** An entry of the forwarding database of a bridge or VXLAN device. */
export interface FdbRequest {
  /** The port of a bridge, or the VXLAN device. */
  readonly index: number;
  /** The link-layer address: "02:00:00:00:00:01". */
  readonly address: string;
  /** Default "permanent" (the device's own address, on a bridge); "noArp" is iproute2's "static". */
  readonly state?: NeighbourState | readonly NeighbourState[] | undefined;
  /** The device's own database (default), or its master's. */
  readonly master?: boolean | undefined;
  readonly self?: boolean | undefined;
  readonly vlan?: number | undefined;
  /** VXLAN: the other end. */
  readonly destination?: string | undefined;
  readonly port?: number | undefined;
  readonly vni?: number | undefined;
  readonly sourceVni?: number | undefined;
  /** VXLAN: the device to send through. */
  readonly via?: number | undefined;
  readonly nexthopId?: number | undefined;
  readonly externLearned?: boolean | undefined;
  readonly sticky?: boolean | undefined;
}

/** The neighbour that a message describes. */
export function neighbourOf(wire: Decoded<typeof neighbourMessage>): Neighbour {
  const { header, attributes } = wire;
  return {
    index: header.index,
    family: header.family,
    destination: attributes.destination,
    address: attributes.address,
    state: header.state,
    flags: header.flags,
    proxy: header.flags.includes("proxy"),
    master: attributes.master,
    vlan: attributes.vlan,
    vni: attributes.vni,
    port: attributes.port,
    nexthopId: attributes.nexthopId,
    protocol: attributes.protocol,
    attributes,
  };
}

type Operation = "RTM_NEWNEIGH" | "RTM_DELNEIGH";

/** RTM_NEWNEIGH, RTM_DELNEIGH of a neighbour table. */
export function neighbourRequest(
  operation: Operation,
  request: NeighbourRequest,
  messageFlags: number,
): NetlinkRequest {
  const { index, destination, address, state, proxy, externLearned, router, use, managed, protocol } =
    request;
  const flags = flagList({ proxy, externLearned, router, use });
  const known =
    state ?? (operation === "RTM_NEWNEIGH" && !proxy && !use && !managed ? "permanent" : undefined);
  return requestOf(
    operation,
    `${operation === "RTM_NEWNEIGH" ? "add" : "remove"} the neighbour ${destination} of device ${index}`,
    neighbourMessage,
    {
      header: {
        family: parseAddress(destination).family,
        index,
        state: known === undefined ? [] : [known],
        flags,
      },
      attributes: {
        destination,
        address,
        protocol,
        extendedFlags: managed ? ["managed"] : undefined,
      },
    },
    { flags: messageFlags },
  );
}

/** RTM_NEWNEIGH, RTM_DELNEIGH of a forwarding database. */
export function fdbRequest(operation: Operation, request: FdbRequest, messageFlags: number): NetlinkRequest {
  const {
    index,
    address,
    state = "permanent",
    master,
    self,
    externLearned,
    sticky,
    via,
    ...attributes
  } = request;
  const flags = flagList({ self: self ?? !master, master, externLearned, sticky });
  return requestOf(
    operation,
    `${operation === "RTM_NEWNEIGH" ? "add" : "remove"} the forwarding entry ${address} of device ${index}`,
    neighbourMessage,
    {
      header: { family: "bridge", index, state: typeof state === "string" ? [state] : state, flags },
      attributes: { ...attributes, address, index: via },
    },
    { flags: messageFlags },
  );
}

function flagList(flags: Partial<Record<NeighbourFlag, boolean | undefined>>): NeighbourFlag[] {
  return (Object.keys(flags) as NeighbourFlag[]).filter((name) => flags[name]);
}

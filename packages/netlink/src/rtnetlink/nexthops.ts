import type { MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { parseAddress } from "../schema/address.js";
import type { Input } from "../schema/bytes.js";
import { type Decoded, type Encodable, mapped } from "../schema/codec.js";
import type { NetlinkSocket } from "../socket.js";
import { CREATE, CREATE_OR_REPLACE, type IpFamily } from "./address.js";
import type { encap, encapType } from "./encap.js";
import { RtmType, requestOf, unlessError } from "./messages.js";
import { nexthopMessage, type nexthopObjectAttributes } from "./nexthop-schema.js";
import type { routeFlags, routeProtocol } from "./route-schema.js";

const ONLINK = 0x4;

/** A member of a group, and its share of the traffic. */
export interface NexthopGroupMember {
  readonly id: number;
  /** 1 to 65536 (to 256 before Linux 6.12). */
  readonly weight: number;
}

/** A nexthop object, as the kernel describes it. */
export interface NexthopObject {
  readonly id: number;
  readonly family: Decoded<typeof import("./address.js").family>;
  /** The device. */
  readonly index: number | undefined;
  readonly gateway: string | undefined;
  readonly blackhole: boolean;
  /** Whether it is for a forwarding database. */
  readonly fdb: boolean;
  /** The members, where it is a group. */
  readonly group: readonly NexthopGroupMember[] | undefined;
  readonly groupType: "multipath" | "resilient" | number | undefined;
  readonly protocol: Decoded<typeof routeProtocol>;
  readonly flags: Decoded<typeof routeFlags>;
  readonly encapType: Decoded<typeof encapType> | undefined;
  readonly encap: Decoded<typeof encap> | undefined;
  readonly attributes: Decoded<typeof nexthopObjectAttributes>;
}

/** A nexthop object to be made. */
export interface NexthopRequest {
  /** Default the kernel's choice. */
  readonly id?: number | undefined;
  /** Needed where the gateway does not say it; default "ipv4", none for groups. */
  readonly family?: IpFamily | undefined;
  /** The device. */
  readonly index?: number | undefined;
  readonly gateway?: string | undefined;
  readonly blackhole?: boolean | undefined;
  readonly fdb?: boolean | undefined;
  /** Members by id, of weight 1, or with their weights. */
  readonly group?: readonly (number | NexthopGroupMember)[] | undefined;
  readonly groupType?: "multipath" | "resilient" | undefined;
  /** Times in hundredths of a second. */
  readonly resilientGroup?:
    | { readonly buckets?: number; readonly idleTimer?: number; readonly unbalancedTimer?: number }
    | undefined;
  /** The gateway is on the link although no prefix says so. */
  readonly onlink?: boolean | undefined;
  /** Default "static". */
  readonly protocol?: Decoded<typeof routeProtocol> | undefined;
  readonly encapType?: Decoded<typeof encapType> | undefined;
  readonly encap?: Encodable<typeof encap> | undefined;
}

/** Which nexthops {@link Nexthops.dump} gives. */
export interface NexthopFilter {
  /** Groups only. */
  readonly groups?: boolean | undefined;
  /** Those through a device. */
  readonly index?: number | undefined;
  /** Those through ports of a master. */
  readonly master?: number | undefined;
  /** Those for forwarding databases. */
  readonly fdb?: boolean | undefined;
  readonly family?: IpFamily | undefined;
}

/** A bucket of a resilient group. */
export interface NexthopBucket {
  /** The group. */
  readonly id: number;
  /** The bucket's number. */
  readonly index: number;
  /** The member that the bucket's flows take. */
  readonly nexthopId: number;
  /** Hundredths of a second since a packet came by. */
  readonly idleTime: bigint;
}

const nexthopReply = mapped(nexthopMessage, nexthopOf, (nexthop: never) => nexthop);

/** The nexthop objects of a network namespace, which routes refer to by id: Linux 5.3 or later. */
export class Nexthops {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All nexthops, or those that the filter names, in order of their ids. */
  *dump(filter: NexthopFilter = {}): Iterable<NexthopObject> {
    const { groups, index, master, fdb, family } = filter;
    const request = requestOf("RTM_GETNEXTHOP", "read the nexthops", nexthopMessage, {
      header: { family: family ?? "unspec" },
      attributes: { groups: groups || undefined, index, master, fdb: fdb || undefined },
    });
    const select = (_input: Input, message: MessageView) => message.type === RtmType.RTM_NEWNEXTHOP;
    yield* this.#socket.dump(request, nexthopReply, { select });
  }

  /** The nexthop of that id. @throws NetlinkError ENOENT where there is none */
  get(id: number): NexthopObject {
    const request = requestOf("RTM_GETNEXTHOP", `get nexthop ${id}`, nexthopMessage, { attributes: { id } });
    return this.#socket.get(request, nexthopReply);
  }

  /** The nexthop of that id, or undefined. */
  find(id: number): NexthopObject | undefined {
    return unlessError(["ENOENT"], () => this.get(id));
  }

  /** The buckets of the resilient groups, or of one. Linux 5.13 or later. */
  *buckets(filter: { readonly id?: number | undefined } = {}): Iterable<NexthopBucket> {
    const request = requestOf("RTM_GETNEXTHOPBUCKET", "read the nexthop buckets", nexthopMessage, {
      attributes: { id: filter.id },
    });
    for (const { attributes } of this.#socket.dump(request, nexthopMessage)) {
      const { id, resilientBucket } = attributes;
      if (id === undefined || resilientBucket === undefined) continue;
      const { index = 0, nexthopId = 0, idleTime = 0n } = resilientBucket;
      yield { id, index, nexthopId, idleTime };
    }
  }

  /** Makes a nexthop. @throws NetlinkError EEXIST where the id is taken */
  add(request: NexthopRequest): void {
    this.#socket.acknowledge(nexthopRequest(request, CREATE));
  }

  /** Makes a nexthop, in place of the one of that id: all routes that refer to it follow. */
  replace(request: NexthopRequest & { readonly id: number }): void {
    this.#socket.acknowledge(nexthopRequest(request, CREATE_OR_REPLACE));
  }

  /** Removes a nexthop, and the routes that refer to it. @throws NetlinkError ENOENT where there is none */
  remove(id: number): void {
    this.#socket.acknowledge(removeNexthop(id));
  }
}

/** The nexthop that a message describes. */
export function nexthopOf(wire: Decoded<typeof nexthopMessage>): NexthopObject {
  const { header, attributes } = wire;
  return {
    id: attributes.id ?? 0,
    family: header.family,
    index: attributes.index,
    gateway: attributes.gateway,
    blackhole: attributes.blackhole ?? false,
    fdb: attributes.fdb ?? false,
    group: attributes.group?.map(({ id, weight, weightHigh }) => ({
      id,
      weight: weight + 256 * weightHigh + 1,
    })),
    groupType: attributes.groupType,
    protocol: header.protocol,
    flags: header.flags,
    encapType: attributes.encapType,
    encap: attributes.encap,
    attributes,
  };
}

/** RTM_NEWNEXTHOP. */
export function nexthopRequest(request: NexthopRequest, messageFlags: number): NetlinkRequest {
  const { family, gateway, group, onlink, protocol = "static", blackhole, fdb, ...rest } = request;
  const own = gateway === undefined ? undefined : parseAddress(gateway).family;
  return requestOf(
    "RTM_NEWNEXTHOP",
    `add nexthop ${request.id ?? ""}`.trimEnd(),
    nexthopMessage,
    {
      header: {
        family: family ?? own ?? (group ? "unspec" : "ipv4"),
        protocol,
        flags: onlink ? ONLINK : 0,
      },
      attributes: {
        ...rest,
        gateway,
        blackhole: blackhole || undefined,
        fdb: fdb || undefined,
        group: group?.map((one) => {
          const { id, weight } = typeof one === "number" ? { id: one, weight: 1 } : one;
          return { id, weight: (weight - 1) & 0xff, weightHigh: (weight - 1) >>> 8 };
        }),
      },
    },
    { flags: messageFlags },
  );
}

/** RTM_DELNEXTHOP. */
export function removeNexthop(id: number): NetlinkRequest {
  return requestOf("RTM_DELNEXTHOP", `remove nexthop ${id}`, nexthopMessage, { attributes: { id } });
}

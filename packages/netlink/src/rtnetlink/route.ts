import type { NetlinkRequest } from "../request.js";
import { AddressFamily, parseAddress, parsePrefix } from "../schema/address.js";
import type { Decoded, Encodable } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import type { IpFamily, scope } from "./address.js";
import type { encap, encapType } from "./encap.js";
import { requestOf } from "./messages.js";
import {
  type routeAttributes,
  type routeFlags,
  routeMessage,
  type routeMetrics,
  type routePreference,
  type routeProtocol,
  type routeType,
} from "./route-schema.js";

/** One of several ways that a route takes. */
export interface Nexthop {
  /** The device. */
  readonly index?: number | undefined;
  readonly gateway?: string | undefined;
  /** The share of the traffic, 1 to 256; default 1. */
  readonly weight?: number | undefined;
  /** The gateway is on the link although no prefix says so. */
  readonly onlink?: boolean | undefined;
  /** What packets are wrapped in. */
  readonly encapType?: Decoded<typeof encapType> | undefined;
  readonly encap?: Encodable<typeof encap> | undefined;
}

/** A route, as the kernel describes it. What it does not say is undefined. */
export interface Route {
  readonly family: Decoded<typeof import("./address.js").family>;
  /** "10.0.0.0/8"; "default" for all addresses. */
  readonly destination: string;
  /** The prefix that the sender must be in, where the route asks for one. */
  readonly source: string | undefined;
  /** The next router; also one of the other address family. */
  readonly gateway: string | undefined;
  /** The device. */
  readonly index: number | undefined;
  /** The address that this host sends from by default. */
  readonly preferredSource: string | undefined;
  /** 254 is main, 255 local. */
  readonly table: number;
  /** The metric: lower ones win. */
  readonly priority: number;
  readonly protocol: Decoded<typeof routeProtocol>;
  readonly scope: Decoded<typeof scope>;
  readonly type: Decoded<typeof routeType>;
  readonly flags: Decoded<typeof routeFlags>;
  readonly metrics: Decoded<typeof routeMetrics> | undefined;
  readonly multipath: readonly Nexthop[] | undefined;
  /** The nexthop object that the route refers to. */
  readonly nexthopId: number | undefined;
  /** What packets are wrapped in; its parameters are bytes where they are not declared here. */
  readonly encapType: Decoded<typeof encapType> | undefined;
  readonly encap: Decoded<typeof encap> | undefined;
  /** How a router that announced the route rates it (IPv6). */
  readonly preference: Decoded<typeof routePreference> | undefined;
  readonly tos: number;
  readonly attributes: Decoded<typeof routeAttributes>;
}

/** A route to be made or removed. */
export interface RouteRequest {
  /** "10.0.0.0/8" or "default". */
  readonly destination: string;
  readonly gateway?: string | undefined;
  /** The device. */
  readonly index?: number | undefined;
  readonly preferredSource?: string | undefined;
  /** Default 254, main. */
  readonly table?: number | undefined;
  /** The metric: lower ones win. */
  readonly priority?: number | undefined;
  /** Default "static". */
  readonly protocol?: Decoded<typeof routeProtocol> | undefined;
  /** Default as ip(8) chooses: "link" without a gateway, "host" for local routes. */
  readonly scope?: Decoded<typeof scope> | undefined;
  /** Default "unicast". */
  readonly type?: Decoded<typeof routeType> | undefined;
  /** The gateway is on the link although no prefix says so. */
  readonly onlink?: boolean | undefined;
  /** Bytes. */
  readonly mtu?: number | undefined;
  /** Bytes: the largest TCP segment that is announced. */
  readonly advertisedMss?: number | undefined;
  /** Metrics beside those above, by name; a set bit in `lock` keeps the metric of that number as it is. */
  readonly metrics?: Encodable<typeof routeMetrics> | undefined;
  readonly multipath?: readonly Nexthop[] | undefined;
  /** The nexthop object to take, in place of `gateway`, `index` and `multipath`. */
  readonly nexthopId?: number | undefined;
  /** The prefix that the sender must be in (IPv6). */
  readonly source?: string | undefined;
  readonly tos?: number | undefined;
  readonly encapType?: Decoded<typeof encapType> | undefined;
  readonly encap?: Encodable<typeof encap> | undefined;
  readonly preference?: Decoded<typeof routePreference> | undefined;
  /** Seconds until the route goes (IPv6). */
  readonly expiresSeconds?: number | undefined;
  /** Needed where neither the destination, nor the gateway, nor the source is an address; default IPv4. */
  readonly family?: IpFamily | undefined;
}

/** RT_TABLE_MAIN and RT_TABLE_LOCAL. */
export const RouteTable = { main: 254, local: 255 } as const;

/** RTNH_F_ONLINK: include/uapi/linux/rtnetlink.h. */
export const ONLINK = 0x4;

/** RTM_NEWROUTE, RTM_DELROUTE. */
export function routeRequest(
  operation: "RTM_NEWROUTE" | "RTM_DELROUTE",
  request: RouteRequest,
  flags: number,
): NetlinkRequest {
  const { destination, gateway, index, preferredSource, priority, mtu, advertisedMss, multipath } = request;
  const from = request.source === undefined ? undefined : parsePrefix(request.source);
  const everything = destination === "default";
  const target = everything ? undefined : parsePrefix(destination);
  const family =
    request.family ??
    target?.family ??
    firstFamily([gateway, preferredSource, ...(multipath ?? []).map((way) => way.gateway)]) ??
    "ipv4";
  if (target && target.family !== family)
    throw new NetlinkEncodeError(`the destination ${destination} is not ${family}`);
  const adding = operation === "RTM_NEWROUTE";
  const type = request.type ?? (adding ? "unicast" : "unspec");
  const table = request.table ?? RouteTable.main;
  const metrics = request.metrics ?? (mtu !== undefined || advertisedMss !== undefined ? {} : undefined);
  return requestOf(
    operation,
    `${adding ? "add" : "remove"} the route to ${destination}`,
    routeMessage,
    {
      header: {
        family,
        destinationLength: target?.prefixLength ?? 0,
        sourceLength: from?.prefixLength ?? 0,
        tos: request.tos ?? 0,
        table: table < 256 ? table : 0,
        protocol: request.protocol ?? (adding ? "static" : "unspec"),
        scope: request.scope ?? (adding ? defaultScope(request, type) : "nowhere"),
        type,
        flags: request.onlink ? ONLINK : 0,
      },
      attributes: {
        destination: target && (destination.split("/")[0] as string),
        ...gatewayOnWire(gateway, family),
        index,
        preferredSource,
        priority,
        table: table < 256 ? undefined : table,
        source: request.source?.split("/")[0],
        metrics: metrics && { mtu, advertisedMss, ...metrics },
        multipath: multipath?.map((way) => ({
          index: way.index,
          hops: (way.weight ?? 1) - 1,
          flags: way.onlink ? ONLINK : 0,
          attributes: {
            ...gatewayOnWire(way.gateway, family),
            encap: way.encap,
            encapType: way.encapType,
          },
        })),
        nexthopId: request.nexthopId,
        encap: request.encap,
        encapType: request.encapType,
        preference: request.preference,
        expires: request.expiresSeconds,
      },
    },
    { flags },
  );
}

function gatewayOnWire(gateway: string | undefined, family: IpFamily): { gateway?: string; via?: string } {
  if (gateway === undefined) return {};
  return parseAddress(gateway).family === family ? { gateway } : { via: gateway };
}

function firstFamily(addresses: readonly (string | undefined)[]): IpFamily | undefined {
  const first = addresses.find((address) => address !== undefined);
  return first === undefined ? undefined : parseAddress(first).family;
}

// ip(8), iproute.c: local and nat routes end in the host, those without a gateway on the link. IPv6 has no scopes.
function defaultScope(request: RouteRequest, type: Decoded<typeof routeType>): Decoded<typeof scope> {
  if (type === "local" || type === "nat") return "host";
  const direct =
    request.gateway === undefined && request.multipath === undefined && request.nexthopId === undefined;
  const reaches = type === "unicast" || type === "broadcast" || type === "multicast" || type === "anycast";
  return direct && reaches ? "link" : "global";
}

/** The number of an address family, for headers. */
export function familyNumber(family: Route["family"]): number {
  return typeof family === "number" ? family : AddressFamily[family];
}

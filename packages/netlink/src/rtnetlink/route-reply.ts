import type { Codec, Decoded } from "../schema/codec.js";
import { NetlinkDecodeError } from "../schema/errors.js";
import { remembered } from "../schema/struct.js";
import { type Nexthop, ONLINK, type Route } from "./route.js";
import { routeAttributes, rtmsg, type WireNexthop } from "./route-schema.js";

/** sizeof(struct rtmsg). */
const HEADER = 12;

// A table has few different headers, and millions of routes.
const readHeader = remembered(rtmsg);

/** A route message's body as a {@link Route}. */
export const routeReply: Codec<Route, never> = {
  decode: (input, start, end) => {
    if (end - start < HEADER)
      throw new NetlinkDecodeError(`${end - start} bytes where a header of ${HEADER} belongs`, start);
    const attributes = routeAttributes.decode(input, start + HEADER, end);
    return attributes && routeOf(readHeader(input, start), attributes);
  },
  encode: () => {},
};

function routeOf(header: Decoded<typeof rtmsg>, attributes: Route["attributes"]): Route {
  const { destination, source, multipath } = attributes;
  return {
    family: header.family,
    destination: destination === undefined ? "default" : destination + suffix(header.destinationLength),
    source: source === undefined ? undefined : source + suffix(header.sourceLength),
    gateway: attributes.gateway ?? attributes.via,
    index: attributes.index,
    preferredSource: attributes.preferredSource,
    table: attributes.table ?? header.table,
    priority: attributes.priority ?? 0,
    protocol: header.protocol,
    scope: header.scope,
    type: header.type,
    flags: header.flags,
    metrics: attributes.metrics,
    multipath: multipath === undefined ? undefined : multipath.map(nexthopOf),
    nexthopId: attributes.nexthopId,
    encapType: attributes.encapType,
    encap: attributes.encap,
    preference: attributes.preference,
    tos: header.tos,
    attributes,
  };
}

function nexthopOf({ index, hops = 0, flags = 0, attributes: way }: WireNexthop): Nexthop {
  return {
    index,
    gateway: way?.gateway ?? way?.via,
    weight: hops + 1,
    ...(flags & ONLINK ? { onlink: true } : {}),
    ...(way?.encapType === undefined ? {} : { encapType: way.encapType, encap: way.encap }),
  };
}

const suffixes: string[] = [];

function suffix(length: number): string {
  suffixes[length] ??= `/${length}`;
  return suffixes[length] as string;
}

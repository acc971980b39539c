import { MessageFlags } from "../message.js";
import type { MessageTypes } from "../message-types.js";
import type { Codec } from "../schema/codec.js";
import { actionMessage } from "../tc/action-message.js";
import { filterMessage } from "../tc/filter-schema.js";
import { qdiscMessage } from "../tc/tc-schema.js";
import { addressMessage } from "./address.js";
import { bridgeLinkMessage, bridgeVlanMessage, inet6LinkMessage, netconfMessage } from "./family-links.js";
import { linkMessage } from "./link-schema.js";
import { mdbMessage, mdbRequestMessage } from "./mdb-schema.js";
import { RtmType } from "./messages.js";
import { mplsRouteMessage } from "./mpls-route.js";
import { namespaceIdMessage } from "./namespace-id.js";
import { neighbourMessage, neighbourTableMessage } from "./neighbour-schema.js";
import { nexthopMessage } from "./nexthop-schema.js";
import { routeMessage } from "./route-schema.js";
import { ruleMessage } from "./rule-schema.js";

const AF_BRIDGE = 7;
const AF_INET6 = 10;
const AF_MPLS = 28;

/** How the bodies of rtnetlink messages read, by the object in the type's name: RTM_NEWLINK, RTM_GETLINK, … */
const schemas: Readonly<
  Record<string, (family: number | undefined, isRequest: boolean) => Codec<unknown, never>>
> = {
  LINK: (family) =>
    family === AF_BRIDGE ? bridgeLinkMessage() : family === AF_INET6 ? inet6LinkMessage() : linkMessage,
  LINKPROP: () => linkMessage,
  ADDR: () => addressMessage,
  ROUTE: (family) => (family === AF_MPLS ? mplsRouteMessage() : routeMessage),
  RULE: () => ruleMessage,
  NEIGH: () => neighbourMessage,
  NEIGHTBL: () => neighbourTableMessage,
  NEXTHOP: () => nexthopMessage,
  NEXTHOPBUCKET: () => nexthopMessage,
  NETCONF: () => netconfMessage(),
  VLAN: () => bridgeVlanMessage(),
  QDISC: () => qdiscMessage,
  TCLASS: () => qdiscMessage,
  TFILTER: () => filterMessage,
  CHAIN: () => filterMessage,
  ACTION: () => actionMessage(),
  // The same numbers stand for other attributes in what the kernel says and in what it is told.
  MDB: (_family, isRequest) => (isRequest ? mdbRequestMessage() : mdbMessage()),
  NSID: () => namespaceIdMessage,
};

// rtnetlink numbers four messages for each object: include/uapi/linux/rtnetlink.h.
const verbs = ["new", "delete", "get", "new"] as const;

let names: Map<number, string> | undefined;

/** The messages of rtnetlink: RTM_NEWLINK and so on, traffic control included. */
export const rtnetlinkMessages: MessageTypes = {
  nameOf(type) {
    names ??= new Map(Object.entries(RtmType).map(([name, number]) => [number, name]));
    return names.get(type);
  },
  typeOf: (name) => (Object.hasOwn(RtmType, name) ? RtmType[name as keyof typeof RtmType] : undefined),
  schemaOf(type, body, flags = 0) {
    const name = rtnetlinkMessages.nameOf(type, body)?.replace(/^RTM_(NEW|DEL|GET|SET)/, "");
    return name !== undefined && Object.hasOwn(schemas, name)
      ? schemas[name]?.(body[0], (flags & MessageFlags.REQUEST) !== 0)
      : undefined;
  },
  verbOf: (type) => (type >= RtmType.RTM_NEWLINK ? verbs[type & 3] : undefined),
};

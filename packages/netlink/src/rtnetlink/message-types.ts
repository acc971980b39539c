import type { MessageTypes } from "../message-types.js";
import type { Codec } from "../schema/codec.js";
import { filterMessage } from "../tc/filter-schema.js";
import { qdiscMessage } from "../tc/tc-schema.js";
import { addressMessage } from "./address.js";
import { linkMessage } from "./link-schema.js";
import { RtmType } from "./messages.js";
import { namespaceIdMessage } from "./namespace-id.js";
import { routeMessage } from "./route-schema.js";

/** How the bodies of rtnetlink messages read, by the object in the type's name: RTM_NEWLINK, RTM_GETLINK, … */
const schemas: Readonly<Record<string, (family: number | undefined) => Codec<unknown, never>>> = {
  LINK: () => linkMessage,
  ADDR: () => addressMessage,
  ROUTE: () => routeMessage,
  QDISC: () => qdiscMessage,
  TCLASS: () => qdiscMessage,
  TFILTER: () => filterMessage,
  CHAIN: () => filterMessage,
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
  schemaOf(type, body) {
    const name = rtnetlinkMessages.nameOf(type, body)?.replace(/^RTM_(NEW|DEL|GET|SET)/, "");
    return name !== undefined && Object.hasOwn(schemas, name) ? schemas[name]?.(body[0]) : undefined;
  },
  verbOf: (type) => (type >= RtmType.RTM_NEWLINK ? verbs[type & 3] : undefined),
};

import type { MessageView } from "../message.js";
import type { Input } from "../schema/bytes.js";
import type { Codec } from "../schema/codec.js";
import { NetlinkDecodeError } from "../schema/errors.js";
import { classOf, type TrafficClass } from "../tc/classes.js";
import { type Filter, filterReply } from "../tc/filter.js";
import { type Qdisc, qdiscReply } from "../tc/qdisc.js";
import { qdiscMessage } from "../tc/tc-schema.js";
import { addressMessage, addressOf, type InterfaceAddress } from "./address.js";
import type { Link } from "./link.js";
import { wholeLinkReply } from "./link-reply.js";
import { type MdbEntry, mdbEntriesOf } from "./mdb.js";
import { mdbMessage } from "./mdb-schema.js";
import { RtmType } from "./messages.js";
import { namespaceIdMessage } from "./namespace-id.js";
import { type Neighbour, neighbourOf } from "./neighbour.js";
import { neighbourMessage } from "./neighbour-schema.js";
import { nexthopMessage } from "./nexthop-schema.js";
import { type NexthopObject, nexthopOf } from "./nexthops.js";
import type { Route } from "./route.js";
import { routeReply } from "./route-reply.js";
import { ruleMessage } from "./rule-schema.js";
import { type Rule, ruleOf } from "./rules.js";

const AF_MPLS = 28;

/** Multicast groups of rtnetlink by what they tell of: enum rtnetlink_groups. */
export const monitorGroups = {
  link: [1],
  neighbour: [3],
  /** Qdiscs, classes and filters. */
  tc: [4],
  address: [5, 9],
  route: [7, 11],
  rule: [8, 19],
  namespaceId: [28],
  nexthop: [32],
  netconf: [24, 25, 29],
  /** VLANs of bridges' ports; Linux 5.7 or later. */
  bridgeVlan: [33],
  /** Multicast groups that bridges know. */
  mdb: [26],
  mplsRoute: [27],
} as const;

/** What can be monitored. */
export type MonitorGroup = keyof typeof monitorGroups;

/** "new" for what was made and for what has changed; "present" for what a fresh start found. */
export type Change = "new" | "removed" | "present";

/** What a monitor tells. */
export type RtnetlinkEvent = EventBody & {
  /** The id of the namespace that the event is about, where that is not the monitor's own. */
  readonly netnsId?: number;
};

/** What an event tells of. */
export type EventBody =
  | { readonly type: "link"; readonly change: Change; readonly link: Link }
  | { readonly type: "address"; readonly change: Change; readonly address: InterfaceAddress }
  | { readonly type: "route"; readonly change: Change; readonly route: Route }
  | { readonly type: "rule"; readonly change: Change; readonly rule: Rule }
  /** Also of forwarding databases, whose family is "bridge". */
  | { readonly type: "neighbour"; readonly change: Change; readonly neighbour: Neighbour }
  | { readonly type: "nexthop"; readonly change: Change; readonly nexthop: NexthopObject }
  | { readonly type: "qdisc"; readonly change: Change; readonly qdisc: Qdisc }
  | { readonly type: "class"; readonly change: Change; readonly class: TrafficClass }
  | { readonly type: "filter"; readonly change: Change; readonly filter: Filter }
  /** Ports that belong to a multicast group. */
  | { readonly type: "mdb"; readonly change: Change; readonly entries: readonly MdbEntry[] }
  | { readonly type: "namespaceId"; readonly change: Change; readonly id: number }
  /** The kernel had to drop notifications: what is there now follows, with the change "present". */
  | { readonly type: "resync" }
  /** All that is there has been told. */
  | { readonly type: "synced" }
  /** A message that has no type of its own here. */
  | { readonly type: "other"; readonly messageType: number; readonly bytes: Uint8Array };

/** What a notification means. */
export function eventOf(input: Input, message: MessageView): RtnetlinkEvent {
  try {
    const event = known(input, message);
    if (event) return event;
  } catch (error) {
    // One malformed message must not end the monitor.
    if (!(error instanceof NetlinkDecodeError)) throw error;
  }
  return { type: "other", messageType: message.type, bytes: input.bytes.slice(message.start, message.end) };
}

function known(input: Input, message: MessageView): RtnetlinkEvent | undefined {
  const { type, start, end } = message;
  const read = <Out, Value>(codec: Codec<Out, never>, from: (wire: Out) => Value): Value | undefined => {
    const wire = codec.decode(input, start, end, undefined);
    return wire === undefined ? undefined : from(wire);
  };
  switch (type) {
    case RtmType.RTM_NEWLINK:
    case RtmType.RTM_DELLINK: {
      // Bridges tell of their ports in messages of their own family, which share only the header.
      if (input.bytes[start] !== 0) return undefined;
      const link = wholeLinkReply.decode(input, start, end, undefined);
      // Whole: an event may wait for long, and what is malformed must show here.
      return link && { type: "link", change: changeOf(type === RtmType.RTM_NEWLINK), link };
    }
    case RtmType.RTM_NEWADDR:
    case RtmType.RTM_DELADDR: {
      const address = read(addressMessage, addressOf);
      return address && { type: "address", change: changeOf(type === RtmType.RTM_NEWADDR), address };
    }
    case RtmType.RTM_NEWROUTE:
    case RtmType.RTM_DELROUTE: {
      if (input.bytes[start] === AF_MPLS) return undefined;
      const route = routeReply.decode(input, start, end, undefined);
      return route && { type: "route", change: changeOf(type === RtmType.RTM_NEWROUTE), route };
    }
    case RtmType.RTM_NEWRULE:
    case RtmType.RTM_DELRULE: {
      const rule = read(ruleMessage, ruleOf);
      return rule && { type: "rule", change: changeOf(type === RtmType.RTM_NEWRULE), rule };
    }
    case RtmType.RTM_NEWNEIGH:
    case RtmType.RTM_DELNEIGH: {
      const neighbour = read(neighbourMessage, neighbourOf);
      return neighbour && { type: "neighbour", change: changeOf(type === RtmType.RTM_NEWNEIGH), neighbour };
    }
    case RtmType.RTM_NEWNEXTHOP:
    case RtmType.RTM_DELNEXTHOP: {
      const nexthop = read(nexthopMessage, nexthopOf);
      return nexthop && { type: "nexthop", change: changeOf(type === RtmType.RTM_NEWNEXTHOP), nexthop };
    }
    case RtmType.RTM_NEWQDISC:
    case RtmType.RTM_DELQDISC: {
      const qdisc = qdiscReply.decode(input, start, end);
      return qdisc && { type: "qdisc", change: changeOf(type === RtmType.RTM_NEWQDISC), qdisc };
    }
    case RtmType.RTM_NEWTCLASS:
    case RtmType.RTM_DELTCLASS: {
      const one = read(qdiscMessage, classOf);
      return one && { type: "class", change: changeOf(type === RtmType.RTM_NEWTCLASS), class: one };
    }
    case RtmType.RTM_NEWTFILTER:
    case RtmType.RTM_DELTFILTER: {
      const filter = filterReply.decode(input, start, end);
      return filter && { type: "filter", change: changeOf(type === RtmType.RTM_NEWTFILTER), filter };
    }
    case RtmType.RTM_NEWMDB:
    case RtmType.RTM_DELMDB: {
      const entries = read(mdbMessage(), mdbEntriesOf);
      // What is told of routers has no entries.
      return entries?.length
        ? { type: "mdb", change: changeOf(type === RtmType.RTM_NEWMDB), entries }
        : undefined;
    }
    case RtmType.RTM_NEWNSID:
    case RtmType.RTM_DELNSID: {
      const id = read(namespaceIdMessage, (wire) => wire.attributes.id);
      return id === undefined
        ? undefined
        : { type: "namespaceId", change: changeOf(type === RtmType.RTM_NEWNSID), id };
    }
    default:
      return undefined;
  }
}

function changeOf(made: boolean): Change {
  return made ? "new" : "removed";
}

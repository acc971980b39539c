import { type NetworkNamespace, SystemError } from "@weir/syscall";
import { NetlinkDumpInterruptedError } from "../netlink-error.js";
import type { NetlinkRequest } from "../request.js";
import { littleEndian } from "../schema/bytes.js";
import type { Codec } from "../schema/codec.js";
import { NetlinkProtocol, NetlinkSocket } from "../socket.js";
import { TcHandle } from "../tc/handle.js";
import { eventOf, type MonitorGroup, type RtnetlinkEvent } from "./events.js";
import { RtmType } from "./messages.js";

const AF_INET = 2;
const AF_BRIDGE = 7;
const AF_INET6 = 10;
const AF_MPLS = 28;

/** How often an interrupted reading begins anew. Each of its dumps has tried several times by then. */
const ATTEMPTS = 8;

/** The dumps that give what a group tells of: the request, the header's length in bytes, and its address families. */
const tables: Readonly<
  Record<
    MonitorGroup,
    readonly (readonly [keyof typeof RtmType, length: number, families: readonly number[]])[]
  >
> = {
  link: [["RTM_GETLINK", 16, [0]]],
  address: [["RTM_GETADDR", 8, [0]]],
  route: [["RTM_GETROUTE", 12, [AF_INET, AF_INET6]]],
  rule: [["RTM_GETRULE", 12, [AF_INET, AF_INET6]]],
  neighbour: [["RTM_GETNEIGH", 12, [0, AF_BRIDGE]]],
  nexthop: [["RTM_GETNEXTHOP", 8, [0]]],
  namespaceId: [["RTM_GETNSID", 4, [0]]],
  netconf: [["RTM_GETNETCONF", 4, [AF_INET, AF_INET6, AF_MPLS]]],
  bridgeVlan: [["RTM_GETVLAN", 8, [AF_BRIDGE]]],
  mdb: [["RTM_GETMDB", 8, [AF_BRIDGE]]],
  mplsRoute: [["RTM_GETROUTE", 12, [AF_MPLS]]],
  tc: [["RTM_GETQDISC", 20, [0]]],
};

/** What is there now, between a "resync" and a "synced" event; anew where a table kept changing while it was read. */
export function* presentEvents(
  monitor: NetlinkSocket,
  groups: readonly MonitorGroup[],
): Generator<RtnetlinkEvent> {
  using socket = sibling(monitor);
  for (let attempt = 1; ; attempt++) {
    yield { type: "resync" };
    try {
      for (const group of groups)
        for (const [operation, length, families] of tables[group])
          for (const family of families) yield* table(socket, operation, header(length, family));
      yield { type: "synced" };
      return;
    } catch (error) {
      if (!(error instanceof NetlinkDumpInterruptedError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Another socket in the same namespace as one, wherever that was opened. */
export function sibling(socket: NetlinkSocket): NetlinkSocket {
  let netns: NetworkNamespace | undefined;
  try {
    netns = socket.networkNamespace();
  } catch (error) {
    // It takes CAP_NET_ADMIN; without it a process can hardly be in two namespaces.
    if (!(error instanceof SystemError && error.code === "EPERM")) throw error;
  }
  try {
    return NetlinkSocket.open(NetlinkProtocol.ROUTE, netns === undefined ? {} : { netns });
  } finally {
    netns?.close();
  }
}

function* table(
  socket: NetlinkSocket,
  operation: keyof typeof RtmType,
  body: Uint8Array,
): Generator<RtnetlinkEvent> {
  const request: NetlinkRequest = { operation, action: "read what is there", type: RtmType[operation], body };
  // The answers to RTM_GET are RTM_NEW, which is numbered two less.
  const type = request.type - 2;
  const codec: Codec<RtnetlinkEvent, never> = {
    decode: (input, start, end) =>
      eventOf(input, { type, flags: 0, sequence: 0, port: 0, start, end, next: end }),
    encode: () => {},
  };
  const devices = new Set<number>();
  try {
    for (const event of socket.dump(request, codec)) {
      yield "change" in event ? { ...event, change: "present" } : event;
      if (event.type !== "qdisc") continue;
      const { index, handle, kind } = event.qdisc;
      if (!devices.has(index)) yield* table(socket, "RTM_GETTCLASS", header(20, 0, index));
      devices.add(index);
      const hooks = kind === "clsact" ? [TcHandle.FILTER_INGRESS, TcHandle.FILTER_EGRESS] : [handle];
      for (const parent of hooks)
        if (parent !== 0) yield* table(socket, "RTM_GETTFILTER", header(20, 0, index, parent));
    }
  } catch (error) {
    // A family that this kernel lacks, or a device that has gone meanwhile.
    if (!(error instanceof SystemError && ["EOPNOTSUPP", "EAFNOSUPPORT", "ENODEV"].includes(error.code)))
      throw error;
  }
}

/** A header whose first byte is the address family; of traffic control also with the device and the parent. */
function header(length: number, family: number, index = 0, parent = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = family;
  if (length < 20) return bytes;
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, littleEndian);
  view.setUint32(12, parent, littleEndian);
  return bytes;
}

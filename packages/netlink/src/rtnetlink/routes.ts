import { SystemError } from "@weir/syscall";
import type { DumpOptions } from "../dump.js";
import { MessageFlags, type MessageView } from "../message.js";
import { parseAddress } from "../schema/address.js";
import { type Input, littleEndian } from "../schema/bytes.js";
import type { NetlinkSocket } from "../socket.js";
import { CREATE, CREATE_OR_REPLACE, type IpFamily } from "./address.js";
import { RtmType, requestOf } from "./messages.js";
import { familyNumber, type Route, type RouteRequest, routeRequest } from "./route.js";
import { routeReply } from "./route-reply.js";
import { routeMessage } from "./route-schema.js";

const RTM_F_CLONED = 0x200;

/** Which routes {@link Routes.dump} gives, and how. */
export interface RouteFilter extends Pick<DumpOptions, "consistent"> {
  /** 254 is main, 255 local; default all tables. */
  readonly table?: number | undefined;
  /** Default both. */
  readonly family?: IpFamily | undefined;
  /** The device. */
  readonly index?: number | undefined;
}

/** What is known of the packet that {@link Routes.get} asks about. */
export interface RoutedPacket {
  readonly source?: string | undefined;
  /** The device that it came in by. */
  readonly inputIndex?: number | undefined;
  /** The device that it shall leave by. */
  readonly index?: number | undefined;
  readonly mark?: number | undefined;
  readonly uid?: number | undefined;
  readonly tos?: number | undefined;
  /** IPPROTO_*: 6 is TCP. */
  readonly ipProtocol?: number | undefined;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  /** Give the table's entry that matches in place of the packet's own route. */
  readonly match?: boolean | undefined;
}

/** The routes of a network namespace. */
export class Routes {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All routes, or those that the filter names, in constant memory unless `consistent` is asked for. */
  *dump(filter: RouteFilter = {}): Iterable<Route> {
    const { table, family, index, consistent = false } = filter;
    for (const one of family === undefined ? (["ipv4", "ipv6"] as const) : [family]) {
      const request = requestOf("RTM_GETROUTE", `read the ${one} routes`, routeMessage, {
        header: { family: one, table: table !== undefined && table < 256 ? table : 0 },
        attributes: { table: table !== undefined && table >= 256 ? table : undefined, index },
      });
      const number = familyNumber(one);
      const select = (input: Input, message: MessageView) =>
        message.type === RtmType.RTM_NEWROUTE &&
        input.bytes[message.start] === number &&
        // Before 4.20 the kernel also gives what it has learned of single destinations.
        (input.view.getUint32(message.start + 8, littleEndian) & RTM_F_CLONED) === 0;
      try {
        for (const routes of this.#socket.dumpPieces(request, routeReply, { select, consistent }))
          for (let at = 0; at < routes.length; at++) {
            const route = routes[at] as Route;
            // Kernels before 4.20 do not filter.
            if (table !== undefined && route.table !== table) continue;
            if (index !== undefined && route.index !== index && !viaDevice(route, index)) continue;
            yield route;
          }
      } catch (error) {
        // A table that nobody has put a route into does not exist: "ipv4: FIB table does not exist".
        if (!(error instanceof SystemError && error.code === "ENOENT")) throw error;
      }
    }
  }

  /** The route that a packet to an address would take. @throws NetlinkError ENETUNREACH where there is none */
  get(destination: string, packet: RoutedPacket = {}): Route {
    const { family, bytes } = parseAddress(destination);
    const { source, tos = 0, match, ...rest } = packet;
    const request = requestOf("RTM_GETROUTE", `find the route to ${destination}`, routeMessage, {
      header: {
        family,
        destinationLength: bytes.length * 8,
        sourceLength: source === undefined ? 0 : bytes.length * 8,
        tos,
        // IPv6 names the table without being asked, and refuses the flag.
        flags: [
          ...(family === "ipv4" ? (["lookupTable"] as const) : []),
          ...(match ? (["fibMatch"] as const) : []),
        ],
      },
      attributes: { destination, source, ...rest },
    });
    return this.#socket.get(request, routeReply);
  }

  /** Makes a route. @throws NetlinkError EEXIST where there is one to that destination with that priority */
  add(request: RouteRequest): void {
    this.#socket.acknowledge(routeRequest("RTM_NEWROUTE", request, CREATE));
  }

  /** Makes a route, in place of the one to that destination with that priority. */
  replace(request: RouteRequest): void {
    this.#socket.acknowledge(routeRequest("RTM_NEWROUTE", request, CREATE_OR_REPLACE));
  }

  /** Makes a route beside the one to that destination with that priority (IPv6: one more way of it). */
  append(request: RouteRequest): void {
    this.#socket.acknowledge(
      routeRequest("RTM_NEWROUTE", request, MessageFlags.CREATE | MessageFlags.APPEND),
    );
  }

  /** Changes the route to that destination with that priority. @throws NetlinkError ENOENT where there is none */
  change(request: RouteRequest): void {
    this.#socket.acknowledge(routeRequest("RTM_NEWROUTE", request, MessageFlags.REPLACE));
  }

  /** Removes a route. @throws NetlinkError ESRCH where there is none */
  remove(request: RouteRequest): void {
    this.#socket.acknowledge(routeRequest("RTM_DELROUTE", request, 0));
  }
}

function viaDevice(route: Route, index: number): boolean {
  return route.multipath?.some((way) => way.index === index) ?? false;
}

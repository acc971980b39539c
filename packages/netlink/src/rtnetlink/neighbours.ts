import { MessageFlags, type MessageView } from "../message.js";
import { parseAddress } from "../schema/address.js";
import type { Input } from "../schema/bytes.js";
import { type Decoded, mapped } from "../schema/codec.js";
import type { NetlinkSocket } from "../socket.js";
import { CREATE, CREATE_OR_REPLACE, type IpFamily } from "./address.js";
import { RtmType, requestOf, unlessError } from "./messages.js";
import { type Neighbour, type NeighbourRequest, neighbourOf, neighbourRequest } from "./neighbour.js";
import { neighbourMessage, neighbourTableMessage } from "./neighbour-schema.js";

/** How an answer about a neighbour reads. */
export const neighbourReply = mapped(neighbourMessage, neighbourOf, (neighbour: never) => neighbour);

/** Which entries {@link Neighbours.dump} gives. */
export interface NeighbourFilter {
  /** The device. */
  readonly index?: number | undefined;
  /** The bridge or VRF whose ports are wanted. */
  readonly master?: number | undefined;
  /** Default both. */
  readonly family?: IpFamily | undefined;
  /** The entries of proxies in place of the others. */
  readonly proxy?: boolean | undefined;
}

/** The neighbour tables' entries (ARP and NDP) of a network namespace. */
export class Neighbours {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All entries, or those that the filter names. */
  *dump(filter: NeighbourFilter = {}): Iterable<Neighbour> {
    const { index, master, family, proxy } = filter;
    const request = requestOf("RTM_GETNEIGH", "read the neighbours", neighbourMessage, {
      header: { family: family ?? "unspec", flags: proxy ? ["proxy"] : [] },
      attributes: { index, master },
    });
    const select = (_input: Input, message: MessageView) => message.type === RtmType.RTM_NEWNEIGH;
    for (const neighbour of this.#socket.dump(request, neighbourReply, { select })) {
      if (neighbour.family !== "ipv4" && neighbour.family !== "ipv6") continue;
      if (index !== undefined && neighbour.index !== index) continue;
      yield neighbour;
    }
  }

  /** The entry of an address. @throws NetlinkError ENOENT where there is none */
  get(index: number, destination: string, options: { readonly proxy?: boolean } = {}): Neighbour {
    const request = requestOf("RTM_GETNEIGH", `get the neighbour ${destination}`, neighbourMessage, {
      header: {
        family: parseAddress(destination).family,
        index: options.proxy ? 0 : index,
        flags: options.proxy ? ["proxy"] : [],
      },
      attributes: { destination },
    });
    return this.#socket.get(request, neighbourReply);
  }

  /** The entry of an address, or undefined. */
  find(index: number, destination: string): Neighbour | undefined {
    return unlessError(["ENOENT"], () => this.get(index, destination));
  }

  /** Makes an entry. @throws NetlinkError EEXIST where there is one */
  add(request: NeighbourRequest): void {
    this.#socket.acknowledge(neighbourRequest("RTM_NEWNEIGH", request, CREATE));
  }

  /** Makes an entry, in place of the one for that address. */
  replace(request: NeighbourRequest): void {
    this.#socket.acknowledge(neighbourRequest("RTM_NEWNEIGH", request, CREATE_OR_REPLACE));
  }

  /** Changes an entry. @throws NetlinkError ENOENT where there is none */
  change(request: NeighbourRequest): void {
    this.#socket.acknowledge(neighbourRequest("RTM_NEWNEIGH", request, MessageFlags.REPLACE));
  }

  /** Removes an entry. @throws NetlinkError ENOENT where there is none */
  remove(request: Pick<NeighbourRequest, "index" | "destination" | "proxy">): void {
    this.#socket.acknowledge(neighbourRequest("RTM_DELNEIGH", request, 0));
  }
}

/** A neighbour table, or its parameters on one device (`parameters.index`). */
export type NeighbourTable = Decoded<typeof neighbourTableMessage>["attributes"] & {
  readonly family: IpFamily | number | string;
};

/** What to change of a neighbour table. */
export interface NeighbourTableChanges {
  /** "arp_cache" or "ndisc_cache". */
  readonly name: string;
  readonly family: IpFamily;
  readonly threshold1?: number | undefined;
  readonly threshold2?: number | undefined;
  readonly threshold3?: number | undefined;
  readonly gcIntervalMs?: bigint | number | undefined;
  /** Of the device `index`; of new devices where that is absent. */
  readonly parameters?: Parameters<typeof neighbourTableMessage.encode>[1]["attributes"] extends infer A
    ? A extends { readonly parameters?: infer P }
      ? P
      : never
    : never;
}

/** The kernel's neighbour tables: their limits, times and counters. */
export class NeighbourTables {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** The tables, and after each its parameters for every device. */
  *dump(filter: { readonly family?: IpFamily | undefined } = {}): Iterable<NeighbourTable> {
    const request = requestOf("RTM_GETNEIGHTBL", "read the neighbour tables", neighbourTableMessage, {
      header: { family: filter.family ?? "unspec" },
    });
    for (const { header, attributes } of this.#socket.dump(request, neighbourTableMessage))
      if (filter.family === undefined || header.family === filter.family)
        yield { family: header.family, ...attributes };
  }

  /** Changes a table, or its parameters for one device. @throws NetlinkError ENOENT where there is no such table */
  set(changes: NeighbourTableChanges): void {
    const { family, ...attributes } = changes;
    this.#socket.acknowledge(
      requestOf("RTM_SETNEIGHTBL", `change the neighbour table ${changes.name}`, neighbourTableMessage, {
        header: { family },
        attributes,
      }),
    );
  }
}

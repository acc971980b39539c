import { Monitor } from "../monitor.js";
import type { NetlinkError } from "../netlink-error.js";
import type { NetlinkRequest } from "../request.js";
import { NetlinkProtocol, NetlinkSocket, type NetlinkSocketOptions } from "../socket.js";
import { Chains } from "../tc/chains.js";
import { Classes } from "../tc/classes.js";
import { Filters } from "../tc/filters.js";
import { Qdiscs } from "../tc/qdiscs.js";
import { Actions } from "../tc/shared-actions.js";
import { Addresses } from "./addresses.js";
import { Batch } from "./batch.js";
import { BridgeVlans } from "./bridge-vlans.js";
import { eventOf, type MonitorGroup, monitorGroups, type RtnetlinkEvent } from "./events.js";
import { ForwardingDatabase } from "./fdb.js";
import { Links } from "./links.js";
import { MulticastDatabase } from "./mdb.js";
import { Hold } from "./messages.js";
import { NamespaceIds } from "./namespace-id.js";
import { Neighbours, NeighbourTables } from "./neighbours.js";
import { Nexthops } from "./nexthops.js";
import { presentEvents, sibling } from "./present.js";
import { Routes } from "./routes.js";
import { Rules } from "./rules.js";

/** How {@link Rtnetlink.monitor} listens. */
export interface MonitorOptions {
  /** Bytes of notifications that may wait in the kernel; default 4 MiB. */
  readonly receiveBufferBytes?: number;
  /** Begin as after lost notifications: with a "resync" event, all that is there, and a "synced" event. */
  readonly initial?: boolean;
  /**
   * Tell of all namespaces that have an id in this one (see `namespaceIds`): events of another one have its id as
   * `netnsId`. A resync reads this namespace alone. It takes CAP_NET_BROADCAST.
   */
  readonly allNamespaces?: boolean;
}

/**
 * Links, addresses, routes and traffic control of one network namespace. Methods are synchronous: the kernel
 * answers within microseconds. Only {@link monitor} waits.
 */
export class Rtnetlink implements Disposable {
  /** The socket underneath, for requests that have no method here. */
  readonly socket: NetlinkSocket;
  /** Network devices. */
  readonly links: Links;
  /** Queueing disciplines. */
  readonly qdiscs: Qdiscs;
  /** Filters of qdiscs, which classify packets and act on them. */
  readonly filters: Filters;
  #addresses: Addresses | undefined;
  #routes: Routes | undefined;
  #chains: Chains | undefined;
  #classes: Classes | undefined;
  #namespaceIds: NamespaceIds | undefined;
  #rules: Rules | undefined;
  #neighbours: Neighbours | undefined;
  #neighbourTables: NeighbourTables | undefined;
  #fdb: ForwardingDatabase | undefined;
  #nexthops: Nexthops | undefined;
  #bridgeVlans: BridgeVlans | undefined;
  #mdb: MulticastDatabase | undefined;
  #actions: Actions | undefined;

  private constructor(socket: NetlinkSocket) {
    this.socket = socket;
    this.links = new Links(socket);
    this.qdiscs = new Qdiscs(socket);
    this.filters = new Filters(socket);
  }

  // These are made when they are first asked for, so that a bundle need not load what it does not use.

  /** Addresses of devices. */
  get addresses(): Addresses {
    this.#addresses ??= new Addresses(this.socket);
    return this.#addresses;
  }

  /** Routes of IPv4 and IPv6. */
  get routes(): Routes {
    this.#routes ??= new Routes(this.socket);
    return this.#routes;
  }

  /** Classes of qdiscs that have them, such as those of htb. */
  get classes(): Classes {
    this.#classes ??= new Classes(this.socket);
    return this.#classes;
  }

  /** Chains of filters. */
  get chains(): Chains {
    this.#chains ??= new Chains(this.socket);
    return this.#chains;
  }

  /** Actions with a life of their own, which filters share. */
  get actions(): Actions {
    this.#actions ??= new Actions(this.socket);
    return this.#actions;
  }

  /** The ids that other network namespaces have in this one. */
  get namespaceIds(): NamespaceIds {
    this.#namespaceIds ??= new NamespaceIds(this.socket);
    return this.#namespaceIds;
  }

  /** Routing rules: which table is asked. */
  get rules(): Rules {
    this.#rules ??= new Rules(this.socket);
    return this.#rules;
  }

  /** What is known of hosts on the link: ARP and neighbour discovery, proxies too. */
  get neighbours(): Neighbours {
    this.#neighbours ??= new Neighbours(this.socket);
    return this.#neighbours;
  }

  /** How neighbours are kept, by table and device. */
  get neighbourTables(): NeighbourTables {
    this.#neighbourTables ??= new NeighbourTables(this.socket);
    return this.#neighbourTables;
  }

  /** Forwarding databases of bridges and tunnels. */
  get fdb(): ForwardingDatabase {
    this.#fdb ??= new ForwardingDatabase(this.socket);
    return this.#fdb;
  }

  /** Multicast databases of bridges and VXLAN devices. */
  get mdb(): MulticastDatabase {
    this.#mdb ??= new MulticastDatabase(this.socket);
    return this.#mdb;
  }

  /** Nexthop objects, groups and their buckets. */
  get nexthops(): Nexthops {
    this.#nexthops ??= new Nexthops(this.socket);
    return this.#nexthops;
  }

  /** VLANs of the ports of bridges. */
  get bridgeVlans(): BridgeVlans {
    this.#bridgeVlans ??= new BridgeVlans(this.socket);
    return this.#bridgeVlans;
  }

  /** Opens a socket in a network namespace, which stays alive until it is closed. @throws SystemError */
  static open(options: NetlinkSocketOptions = {}): Rtnetlink {
    return new Rtnetlink(NetlinkSocket.open(NetlinkProtocol.ROUTE, options));
  }

  /**
   * Sends several changes with few system calls. The kernel carries all of them out in order, also after one failed.
   * @param fill adds the requests; it may read with this object's own methods meanwhile
   * @throws NetlinkError the first refusal, after all requests have been carried out
   */
  batch(fill: (batch: Batch) => void): void {
    for (const error of this.tryBatch(fill)) if (error) throw error;
  }

  /** As {@link batch}, but gives for each request its error or undefined. */
  tryBatch(fill: (batch: Batch) => void): (NetlinkError | undefined)[] {
    using hold = new Hold();
    const requests: NetlinkRequest[] = [];
    fill(new Batch((request) => requests.push(request), hold));
    return this.socket.batch(requests);
  }

  /**
   * What changes from now on, as an async iterable with a socket of its own: leave the loop, or close it.
   * Where the kernel had to drop notifications, a "resync" event says so: what was known no longer counts. All that is
   * there now follows with the change "present", and then a "synced" event; the monitor goes on from there.
   */
  monitor(groups: readonly MonitorGroup[], options: MonitorOptions = {}): Monitor<RtnetlinkEvent> {
    const { receiveBufferBytes = 4 << 20, initial = false, allNamespaces = false } = options;
    const socket = sibling(this.socket);
    try {
      socket.setReceiveBuffer(receiveBufferBytes);
      if (allNamespaces) socket.listenToAllNamespaces();
      for (const group of groups) for (const number of monitorGroups[group]) socket.join(number);
      return new Monitor<RtnetlinkEvent>(
        socket,
        (input, message, netnsId) => {
          const event = eventOf(input, message);
          return netnsId === undefined ? event : { ...event, netnsId };
        },
        (own) => presentEvents(own, groups),
        initial,
      );
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Closes the socket; a second call does nothing. */
  close(): void {
    this.socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

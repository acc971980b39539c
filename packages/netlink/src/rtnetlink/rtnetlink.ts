import type { NetworkNamespace } from "@weir/syscall";
import { NetlinkProtocol, NetlinkSocket } from "../socket.js";
import { Filters } from "../tc/filters.js";
import { Qdiscs } from "../tc/qdiscs.js";
import { Links } from "./links.js";

/** Where {@link Rtnetlink.open} opens. */
export interface RtnetlinkOptions {
  /** The network namespace, or its path; default the caller's. */
  readonly netns?: string | NetworkNamespace;
}

/** Links, addresses, routes and traffic control of one network namespace. */
export class Rtnetlink implements Disposable {
  /** The socket underneath, for requests that have no method here. */
  readonly socket: NetlinkSocket;
  readonly links: Links;
  readonly qdiscs: Qdiscs;
  readonly filters: Filters;

  private constructor(socket: NetlinkSocket) {
    this.socket = socket;
    this.links = new Links(socket);
    this.qdiscs = new Qdiscs(socket);
    this.filters = new Filters(socket);
  }

  /** Opens a socket in a network namespace, which stays alive until it is closed. */
  static open(options: RtnetlinkOptions = {}): Rtnetlink {
    return new Rtnetlink(NetlinkSocket.open(NetlinkProtocol.ROUTE, options));
  }

  /** Closes the socket; a second call does nothing. */
  close(): void {
    this.socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

import { NetlinkProtocol, NetlinkSocket } from "@weir/netlink";
import type { Readiness } from "@weir/syscall";

/** Multicast groups of rtnetlink: RTNLGRP_LINK and RTNLGRP_TC of include/uapi/linux/rtnetlink.h. */
const GROUPS = [1, 4];

/** What may wait in the kernel for one namespace; what is lost is told as a change too. */
const RECEIVE_BYTES = 128 << 10;

/** How many datagrams are read before others have their turn. */
const BURST = 32;

interface Watched {
  socket: NetlinkSocket;
  readiness: Readiness;
  /** The namespace's identity. */
  identity: string;
}

/**
 * Hears that devices, qdiscs or filters of pods' namespaces have changed: one socket for each namespace, watched by the
 * event loop itself. It does not tell what has changed, as whoever is told compares anyway.
 *
 * A socket keeps its namespace alive, and with it the pod's devices, so it must be closed as soon as the pod is gone.
 */
export class NamespaceMonitor implements Disposable {
  readonly #watched = new Map<string, Watched>();
  readonly #changed: (netns: string) => void;

  /** @param changed is told the path of a namespace in which something has changed */
  constructor(changed: (netns: string) => void) {
    this.#changed = changed;
  }

  /** How many namespaces are watched. */
  get size(): number {
    return this.#watched.size;
  }

  /** The paths that are watched. */
  get paths(): string[] {
    return [...this.#watched.keys()];
  }

  /**
   * Watches a namespace, if it is not watched yet.
   * @param identity of the namespace; where another one was watched under the path, this one is from now on
   * @throws SystemError where the namespace cannot be entered
   */
  watch(netns: string, identity: string): void {
    const known = this.#watched.get(netns);
    if (known?.identity === identity) return;
    this.unwatch(netns);
    const socket = NetlinkSocket.open(NetlinkProtocol.ROUTE, { netns, bufferBytes: 1024 });
    try {
      socket.setReceiveBuffer(RECEIVE_BYTES);
      for (const group of GROUPS) socket.join(group);
      const readiness = socket.onReadable(() => this.#read(netns));
      readiness.unref();
      this.#watched.set(netns, { socket, readiness, identity });
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Watches a namespace no longer. */
  unwatch(netns: string): void {
    const known = this.#watched.get(netns);
    if (!known) return;
    this.#watched.delete(netns);
    known.readiness.close();
    known.socket.close();
  }

  #read(netns: string): void {
    const known = this.#watched.get(netns);
    if (!known) return;
    try {
      for (let count = 0; count < BURST; count++) {
        if (!known.socket.receiveNotifications(() => {})) break;
      }
    } catch {
      // Notifications were lost (ENOBUFS): what has changed is seen all the same. After any other error polling begins
      // anew, and the full pass sees what is not told.
      known.readiness.restart();
    }
    this.#changed(netns);
  }

  [Symbol.dispose](): void {
    for (const netns of [...this.#watched.keys()]) this.unwatch(netns);
  }
}

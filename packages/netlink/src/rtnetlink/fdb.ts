import { MessageFlags, type MessageView } from "../message.js";
import type { Input } from "../schema/bytes.js";
import type { NetlinkSocket } from "../socket.js";
import { CREATE, CREATE_OR_REPLACE } from "./address.js";
import { RtmType, requestOf, unlessError } from "./messages.js";
import { type FdbRequest, fdbRequest, type Neighbour } from "./neighbour.js";
import { neighbourMessage } from "./neighbour-schema.js";
import { neighbourReply } from "./neighbours.js";

/** Bits that ask for a bulk deletion: NLM_F_BULK of include/uapi/linux/netlink.h. */
const BULK = 0x200;

/** Which entries {@link ForwardingDatabase.dump} gives. */
export interface FdbFilter {
  /** The port, or the VXLAN device. */
  readonly index?: number | undefined;
  /** The bridge whose entries are wanted. */
  readonly master?: number | undefined;
  readonly vlan?: number | undefined;
}

/** The forwarding databases of bridges and VXLAN devices: link-layer addresses and where they are. */
export class ForwardingDatabase {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All entries, or those that the filter names. */
  *dump(filter: FdbFilter = {}): Iterable<Neighbour> {
    const { index, master, vlan } = filter;
    const request = requestOf("RTM_GETNEIGH", "read the forwarding database", neighbourMessage, {
      header: { family: "bridge" },
      attributes: { index, master },
    });
    const select = (_input: Input, message: MessageView) => message.type === RtmType.RTM_NEWNEIGH;
    for (const entry of this.#socket.dump(request, neighbourReply, { select })) {
      if (index !== undefined && entry.index !== index) continue;
      if (vlan !== undefined && entry.vlan !== vlan) continue;
      yield entry;
    }
  }

  /**
   * The entry of an address in a bridge's database (`master`) or a device's own (`index`).
   * @throws NetlinkError ENOENT where there is none
   */
  get(address: string, where: FdbFilter): Neighbour {
    const { index, master, vlan } = where;
    const request = requestOf("RTM_GETNEIGH", `get the forwarding entry ${address}`, neighbourMessage, {
      header: { family: "bridge", index: index ?? 0, flags: index === undefined ? ["master"] : ["self"] },
      attributes: { address, master, vlan },
    });
    return this.#socket.get(request, neighbourReply);
  }

  /** The entry of an address, or undefined. */
  find(address: string, where: FdbFilter): Neighbour | undefined {
    return unlessError(["ENOENT"], () => this.get(address, where));
  }

  /** Makes an entry. @throws NetlinkError EEXIST where there is one */
  add(request: FdbRequest): void {
    this.#socket.acknowledge(fdbRequest("RTM_NEWNEIGH", request, CREATE));
  }

  /** Makes an entry, in place of the one for that address. */
  replace(request: FdbRequest): void {
    this.#socket.acknowledge(fdbRequest("RTM_NEWNEIGH", request, CREATE_OR_REPLACE));
  }

  /** Gives an address one more destination: a VXLAN device sends its packets to each. */
  append(request: FdbRequest): void {
    this.#socket.acknowledge(fdbRequest("RTM_NEWNEIGH", request, MessageFlags.CREATE | MessageFlags.APPEND));
  }

  /** Removes an entry. @throws NetlinkError ENOENT where there is none */
  remove(request: FdbRequest): void {
    this.#socket.acknowledge(fdbRequest("RTM_DELNEIGH", request, 0));
  }

  /**
   * Removes all entries of a bridge, of a port or of a VXLAN device, except permanent ones of a bridge.
   * @param where the bridge or VXLAN device as `index` with `self`; a port of a bridge with `master`
   * @throws NetlinkError EINVAL before Linux 6.0, which brought it
   */
  flush(where: {
    readonly index: number;
    readonly master?: boolean;
    readonly vlan?: number | undefined;
  }): void {
    const { index, master, vlan } = where;
    this.#socket.acknowledge(
      requestOf(
        "RTM_DELNEIGH",
        `flush the forwarding database of device ${index}`,
        neighbourMessage,
        { header: { family: "bridge", index, flags: [master ? "master" : "self"] }, attributes: { vlan } },
        { flags: BULK },
      ),
    );
  }
}

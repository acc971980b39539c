import type { MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import type { Input } from "../schema/bytes.js";
import type { Decoded } from "../schema/codec.js";
import type { NetlinkSocket } from "../socket.js";
import { CREATE, CREATE_OR_REPLACE } from "./address.js";
import {
  type mdbEntryAttributes,
  type mdbEntryHeader,
  mdbMessage,
  mdbRequestMessage,
  type mdbRouterAttributes,
} from "./mdb-schema.js";
import { doneUnlessError, RtmType, requestOf } from "./messages.js";
import type { routeProtocol } from "./route-schema.js";

const AF_BRIDGE = 7;
/** NLM_F_BULK of include/uapi/linux/netlink.h. */
const BULK = 0x200;
/** MDB_PERMANENT, as the mask of states that a flush looks at. */
const STATE_MASK = 1;

/** A port that belongs to a multicast group, as the kernel describes it. */
export interface MdbEntry {
  /** The bridge, or the VXLAN device. */
  readonly index: number;
  /** The port; of the bridge itself, and of a VXLAN device, that again. */
  readonly port: number;
  /** The group: an IP address, or a MAC address. */
  readonly group: string;
  /** The only sender that the entry is for. */
  readonly source: string | undefined;
  /** 0 where the bridge does not filter by VLANs. */
  readonly vlan: number;
  /** Whether it was made by hand; what was learned ends after a while. */
  readonly permanent: boolean;
  readonly flags: Decoded<typeof mdbEntryHeader>["flags"];
  /** Whether the senders are those to listen to, or those not to. */
  readonly filterMode: "include" | "exclude" | number | undefined;
  /** The senders that the filter names. */
  readonly sources: readonly string[];
  /** Hundredths of a second until the entry ends; 0 where it does not. */
  readonly timer: number | undefined;
  readonly protocol: Decoded<typeof routeProtocol> | undefined;
  /** VXLAN: the other end, its port, and its network. */
  readonly destination: string | undefined;
  readonly destinationPort: number | undefined;
  readonly vni: number | undefined;
  /** VXLAN: the device to send through. */
  readonly via: number | undefined;
  /** VXLAN: the network that packets come from, where the device has several. */
  readonly sourceVni: number | undefined;
  readonly attributes: Decoded<typeof mdbEntryAttributes>;
}

/** A port of a bridge behind which there is a multicast router. */
export interface MdbRouter extends Decoded<typeof mdbRouterAttributes> {
  /** The bridge. */
  readonly index: number;
  readonly port: number;
}

/** Names an entry. */
export interface MdbReference {
  /** The bridge, or the VXLAN device. */
  readonly index: number;
  /** The port; the bridge itself where its own host listens. Default, for VXLAN, the device. */
  readonly port?: number | undefined;
  /** The group: an IP address, or a MAC address such as "01:00:5e:01:01:01". */
  readonly group: string;
  /** The only sender that the entry is for. */
  readonly source?: string | undefined;
  /** Where the bridge filters by VLANs; default 0. */
  readonly vlan?: number | undefined;
  /** VXLAN: the network that packets come from, where the device has several. */
  readonly sourceVni?: number | undefined;
  /** VXLAN: the other end, where the group has several. */
  readonly destination?: string | undefined;
  readonly destinationPort?: number | undefined;
  readonly vni?: number | undefined;
  readonly via?: number | undefined;
}

/** An entry to be made. */
export interface MdbRequest extends MdbReference {
  /** Whether it stays; default true. */
  readonly permanent?: boolean | undefined;
  /** Whether `sources` are those to listen to or those not to; Linux 6.3. */
  readonly filterMode?: "include" | "exclude" | undefined;
  /** Senders that the filter names; Linux 6.3. */
  readonly sources?: readonly string[] | undefined;
  /** Linux 6.3. */
  readonly protocol?: Decoded<typeof routeProtocol> | undefined;
}

/** Which entries {@link MulticastDatabase.flush} removes. */
export interface MdbFlush {
  /** The bridge, or the VXLAN device. */
  readonly index: number;
  readonly port?: number | undefined;
  readonly vlan?: number | undefined;
  /** Only those that were made by hand, or only those that were learned. */
  readonly permanent?: boolean | undefined;
  readonly protocol?: Decoded<typeof routeProtocol> | undefined;
}

/** The multicast databases of bridges, and of VXLAN devices (Linux 6.4): which ports belong to which groups. */
export class MulticastDatabase {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All entries, or those of one bridge. */
  *dump(filter: { readonly index?: number | undefined } = {}): Iterable<MdbEntry> {
    for (const message of this.#messages(filter.index)) yield* mdbEntriesOf(message);
  }

  /** The ports of bridges behind which there are multicast routers. */
  *routers(filter: { readonly index?: number | undefined } = {}): Iterable<MdbRouter> {
    for (const { header, attributes } of this.#messages(filter.index))
      for (const { header: port, attributes: router } of attributes.routers?.ports ?? [])
        yield { ...router, index: header.index, port: port.index };
  }

  /**
   * The ports that belong to a group. Linux 6.8 or later.
   * @throws NetlinkError ENOENT where there are none
   */
  get(reference: Omit<MdbReference, "port">): MdbEntry[] {
    const request = mdbRequest("RTM_GETMDB", "get", reference, 0);
    return mdbEntriesOf(this.#socket.get(request, mdbMessage()));
  }

  /** Puts a port into a group. @throws NetlinkError EEXIST where it is there */
  add(request: MdbRequest): void {
    this.#socket.acknowledge(addMdbEntry(request));
  }

  /** Puts a port into a group, or changes how it is there. Linux 6.3 or later changes. */
  replace(request: MdbRequest): void {
    this.#socket.acknowledge(mdbRequest("RTM_NEWMDB", "set", request, CREATE_OR_REPLACE));
  }

  /** Takes a port out of a group. @throws NetlinkError EINVAL or ENOENT where it is not there */
  remove(reference: MdbReference): void {
    this.#socket.acknowledge(removeMdbEntry(reference));
  }

  /** Takes a port out of a group. @returns false where it was not there */
  removeIfPresent(reference: MdbReference): boolean {
    // net/bridge/br_mdb.c, __br_mdb_del, says EINVAL; drivers/net/vxlan/vxlan_mdb.c ENOENT.
    return doneUnlessError(["EINVAL", "ENOENT"], () => this.remove(reference));
  }

  /** Removes entries of a bridge, or of a VXLAN device. @throws NetlinkError EINVAL before Linux 6.8, which brought it */
  flush(which: MdbFlush): void {
    const { index, port = 0, vlan, permanent, protocol } = which;
    const request = requestOf(
      "RTM_DELMDB",
      `flush the multicast database of device ${index}`,
      mdbRequestMessage(),
      {
        header: { family: AF_BRIDGE, index },
        attributes: {
          entry: {
            index: port,
            vlan: vlan ?? 0,
            group: "00:00:00:00:00:00",
            state: permanent ? "permanent" : "temporary",
          },
          attributes: { stateMask: permanent === undefined ? undefined : STATE_MASK, protocol },
        },
      },
      { flags: BULK },
    );
    this.#socket.acknowledge(request);
  }

  *#messages(index: number | undefined) {
    const request = requestOf("RTM_GETMDB", "read the multicast databases", mdbRequestMessage(), {
      header: { family: AF_BRIDGE },
    });
    const select = (_input: Input, { type }: MessageView) =>
      type === RtmType.RTM_GETMDB || type === RtmType.RTM_NEWMDB;
    // The kernel takes no filter: net/core/rtnetlink.c, rtnl_mdb_valid_dump_req.
    for (const message of this.#socket.dump(request, mdbMessage(), { select }))
      if (index === undefined || message.header.index === index) yield message;
  }
}

/** The entries that a message describes. */
export function mdbEntriesOf(message: Decoded<ReturnType<typeof mdbMessage>>): MdbEntry[] {
  const { header, attributes } = message;
  const members = (attributes.entries?.groups ?? []).flatMap((group) => group.members ?? []);
  return members.map(({ header: entry, attributes: details }) => ({
    index: header.index,
    port: entry.index,
    group: entry.group,
    source: details.source,
    vlan: entry.vlan,
    permanent: entry.state === "permanent",
    flags: entry.flags,
    filterMode: details.filterMode,
    sources: (details.sourceList?.sources ?? []).flatMap(({ address }) => address ?? []),
    timer: details.timer,
    protocol: details.protocol,
    destination: details.destination,
    destinationPort: details.destinationPort,
    vni: details.vni,
    via: details.via,
    sourceVni: details.sourceVni,
    attributes: details,
  }));
}

/** RTM_NEWMDB. */
export function addMdbEntry(request: MdbRequest): NetlinkRequest {
  return mdbRequest("RTM_NEWMDB", "add", request, CREATE);
}

/** RTM_DELMDB. */
export function removeMdbEntry(reference: MdbReference): NetlinkRequest {
  return mdbRequest("RTM_DELMDB", "remove", reference, 0);
}

function mdbRequest(
  operation: "RTM_NEWMDB" | "RTM_DELMDB" | "RTM_GETMDB",
  verb: string,
  request: MdbRequest,
  flags: number,
): NetlinkRequest {
  const {
    index,
    port = index,
    group,
    vlan,
    permanent = operation !== "RTM_GETMDB",
    sources,
    ...rest
  } = request;
  const details = {
    source: rest.source,
    sourceList: sources && { sources: sources.map((address) => ({ address })) },
    filterMode: rest.filterMode,
    protocol: rest.protocol,
    destination: rest.destination,
    destinationPort: rest.destinationPort,
    vni: rest.vni,
    via: rest.via,
    sourceVni: rest.sourceVni,
  };
  const any = Object.values(details).some((value) => value !== undefined);
  const get = operation === "RTM_GETMDB";
  return requestOf(
    operation,
    `${verb} the multicast group ${group} of device ${index}`,
    mdbRequestMessage(),
    {
      header: { family: AF_BRIDGE, index },
      attributes: {
        entry: {
          index: get ? 0 : port,
          vlan: vlan ?? 0,
          group,
          state: permanent ? "permanent" : "temporary",
        },
        // Kernels before 5.10 know no attributes here.
        attributes: any ? details : undefined,
      },
    },
    { flags },
  );
}

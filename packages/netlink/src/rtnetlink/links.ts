import type { Input } from "../schema/bytes.js";
import type { NetlinkSocket } from "../socket.js";
import {
  addLink,
  altNames,
  type Link,
  type LinkChanges,
  type LinkReference,
  type LinkRequest,
  linkSelector,
  linkText,
  removeLink,
  setLink,
} from "./link.js";
import { linkReply } from "./link-reply.js";
import { type LinkKind, linkMessage } from "./link-schema.js";
import { Hold, RtmType, requestOf, unlessError } from "./messages.js";
import { setVf, type VfChanges } from "./vf.js";

/** RTEXT_FILTER_VF and RTEXT_FILTER_SKIP_STATS of include/uapi/linux/rtnetlink.h. */
const VF = 1 << 0;
const SKIP_STATS = 1 << 3;

/** Which links {@link Links.dump} gives. */
export interface LinkFilter<K extends string = string> {
  readonly kind?: K | undefined;
  /** The index of the master whose ports are wanted. */
  readonly master?: number | undefined;
  /**
   * Leave out the counters that IPv6 keeps (in `attributes.afSpec`), and those of virtual functions: messages are
   * about 800 bytes shorter.
   */
  readonly skipStats?: boolean | undefined;
  /** Give the virtual functions of SR-IOV devices; default not. */
  readonly vfs?: boolean | undefined;
}

/** What {@link Links.get} gives beside the usual. */
export type LinkDetails = Pick<LinkFilter, "skipStats" | "vfs">;

/** The network devices of a namespace. */
export class Links {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** The device with that index or name. @throws NetlinkError ENODEV where there is none */
  get(reference: LinkReference, details: LinkDetails = {}): Link {
    const { header, attributes } = linkSelector(reference, extMask(details));
    const request = requestOf("RTM_GETLINK", `get ${linkText(reference)}`, linkMessage, {
      header,
      attributes,
    });
    return this.#socket.get(request, linkReply);
  }

  /** The device with that index or name, or undefined. */
  find(reference: LinkReference, details: LinkDetails = {}): Link | undefined {
    return unlessError(["ENODEV"], () => this.get(reference, details));
  }

  /** All devices, or those that the filter names. */
  dump<K extends LinkKind>(filter: LinkFilter<K> & { readonly kind: K }): Iterable<Link<K>>;
  dump(filter?: LinkFilter): Iterable<Link>;
  *dump(filter: LinkFilter = {}): Iterable<Link> {
    const { kind, master } = filter;
    const request = requestOf("RTM_GETLINK", "read the links", linkMessage, {
      attributes: {
        master,
        extMask: extMask(filter),
        linkinfo: kind === undefined ? undefined : { kind },
      },
    });
    for (const link of this.#socket.dump(request, linkReply, { select: isLink })) {
      // The kernel ignores a kind whose module is not loaded, and kernels before 4.20 the rest.
      if (kind !== undefined && link.kind !== kind) continue;
      if (master !== undefined && link.master !== master) continue;
      yield link;
    }
  }

  /**
   * Makes a device.
   * @throws NetlinkError EEXIST where the name is taken, EOPNOTSUPP where the kernel lacks the kind
   */
  add<const K extends string>(request: LinkRequest<K>): void {
    using hold = new Hold();
    this.#socket.acknowledge(addLink(request, hold));
  }

  /**
   * Changes a device, all at once or (on an error) in part. What is particular to its kind, or to it as a port, goes
   * with the kind's name: `set("br0", { kind: "bridge", data: { vlanFiltering: true } })`.
   * @throws NetlinkError ENODEV where there is none
   */
  set<const K extends string, const P extends string>(
    reference: LinkReference,
    changes: LinkChanges<K, P>,
  ): void {
    // A message has room for one name: the new one. The device must then be named by its index.
    const target =
      typeof reference === "string" && changes.name !== undefined ? this.get(reference).index : reference;
    using hold = new Hold();
    this.#socket.acknowledge(setLink(target, changes, hold));
  }

  /** Gives a device further names, of up to 127 bytes. @throws NetlinkError EEXIST where a name is taken */
  addAltNames(reference: LinkReference, names: readonly string[]): void {
    this.#socket.acknowledge(altNames("RTM_NEWLINKPROP", reference, names));
  }

  /** Takes further names from a device. @throws NetlinkError ENOENT where it has no such name */
  removeAltNames(reference: LinkReference, names: readonly string[]): void {
    this.#socket.acknowledge(altNames("RTM_DELLINKPROP", reference, names));
  }

  /** Changes a virtual function of an SR-IOV device. @throws NetlinkError EINVAL where there is none of that number */
  setVf(reference: LinkReference, vf: number, changes: VfChanges): void {
    this.#socket.acknowledge(setVf(linkSelector(reference), reference, vf, changes));
  }

  /** Removes a device, and with a veth its peer. @throws NetlinkError ENODEV where there is none */
  remove(reference: LinkReference): void {
    this.#socket.acknowledge(removeLink(reference));
  }
}

function extMask({ vfs, skipStats }: LinkDetails): number | undefined {
  return (vfs ? VF : 0) | (skipStats ? SKIP_STATS : 0) || undefined;
}

function isLink(_input: Input, message: { readonly type: number }): boolean {
  return message.type === RtmType.RTM_NEWLINK;
}

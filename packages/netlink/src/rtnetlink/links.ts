import type { Input } from "../schema/bytes.js";
import { mapped } from "../schema/codec.js";
import type { NetlinkSocket } from "../socket.js";
import {
  addLink,
  type Link,
  type LinkChanges,
  type LinkReference,
  type LinkRequest,
  linkOf,
  linkSelector,
  linkText,
  removeLink,
  setLink,
} from "./link.js";
import { type LinkKind, linkMessage } from "./link-schema.js";
import { Hold, RtmType, requestOf, unlessError } from "./messages.js";

const linkReply = mapped(linkMessage, linkOf, (link: never) => link);

/** RTEXT_FILTER_SKIP_STATS of include/uapi/linux/rtnetlink.h. */
const SKIP_STATS = 1 << 3;

/** Which links {@link Links.dump} gives. */
export interface LinkFilter<K extends string = string> {
  readonly kind?: K | undefined;
  /** The index of the master whose ports are wanted. */
  readonly master?: number | undefined;
  /** Leave out the counters that IPv6 keeps (in `attributes.afSpec`): messages are about 800 bytes shorter. */
  readonly skipStats?: boolean | undefined;
}

/** The network devices of a namespace. */
export class Links {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** The device with that index or name. @throws NetlinkError ENODEV where there is none */
  get(reference: LinkReference): Link {
    const request = requestOf(
      "RTM_GETLINK",
      `get ${linkText(reference)}`,
      linkMessage,
      linkSelector(reference),
    );
    return this.#socket.get(request, linkReply);
  }

  /** The device with that index or name, or undefined. */
  find(reference: LinkReference): Link | undefined {
    return unlessError(["ENODEV"], () => this.get(reference));
  }

  /** All devices, or those that the filter names. */
  dump<K extends LinkKind>(filter: LinkFilter<K> & { readonly kind: K }): Iterable<Link<K>>;
  dump(filter?: LinkFilter): Iterable<Link>;
  *dump(filter: LinkFilter = {}): Iterable<Link> {
    const { kind, master, skipStats } = filter;
    const request = requestOf("RTM_GETLINK", "read the links", linkMessage, {
      attributes: {
        master,
        extMask: skipStats ? SKIP_STATS : undefined,
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

  /** Changes a device, all at once or (on an error) in part. @throws NetlinkError ENODEV where there is none */
  set(reference: LinkReference, changes: LinkChanges): void {
    // A message has room for one name: the new one. The device must then be named by its index.
    const target =
      typeof reference === "string" && changes.name !== undefined ? this.get(reference).index : reference;
    using hold = new Hold();
    this.#socket.acknowledge(setLink(target, changes, hold));
  }

  /** Removes a device, and with a veth its peer. @throws NetlinkError ENODEV where there is none */
  remove(reference: LinkReference): void {
    this.#socket.acknowledge(removeLink(reference));
  }
}

function isLink(_input: Input, message: { readonly type: number }): boolean {
  return message.type === RtmType.RTM_NEWLINK;
}

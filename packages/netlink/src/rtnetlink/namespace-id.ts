import { type Fd, NetworkNamespace } from "@weir/syscall";
import { attributes } from "../schema/attributes.js";
import { s32, u8, u32 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { struct } from "../schema/struct.js";
import type { NetlinkSocket } from "../socket.js";
import { Hold, requestOf } from "./messages.js";

/** The header of namespace id messages: include/uapi/linux/rtnetlink.h. */
export const rtgenmsg = struct("rtgenmsg", { family: u8 });

/** Ids that a namespace has for others: include/uapi/linux/net_namespace.h. */
export const namespaceIdAttributes = attributes({
  id: [1, "NETNSA_NSID", s32],
  pid: [2, "NETNSA_PID", u32],
  fd: [3, "NETNSA_FD", u32],
  targetId: [4, "NETNSA_TARGET_NSID", s32],
  currentId: [5, "NETNSA_CURRENT_NSID", s32],
});

/** The body of RTM_NEWNSID, RTM_DELNSID and RTM_GETNSID. */
export const namespaceIdMessage = message(rtgenmsg, namespaceIdAttributes);

/** The ids that a namespace has for others: links name the namespace of their peer by them. */
export class NamespaceIds {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** The id of a namespace, or undefined where it has none. */
  find(netns: string | NetworkNamespace | Fd): number | undefined {
    using hold = new Hold();
    const request = requestOf("RTM_GETNSID", "read the namespace's id", namespaceIdMessage, {
      attributes: { fd: fdOf(netns, hold) },
    });
    const { id } = this.#socket.get(request, namespaceIdMessage).attributes;
    return id === undefined || id < 0 ? undefined : id;
  }

  /** All namespaces that have an id here. */
  *dump(): Iterable<number> {
    const request = requestOf("RTM_GETNSID", "read the namespaces' ids", namespaceIdMessage, {});
    for (const { attributes } of this.#socket.dump(request, namespaceIdMessage))
      if (attributes.id !== undefined) yield attributes.id;
  }

  /** Gives a namespace an id; default the kernel's choice. @throws NetlinkError EEXIST where it has one */
  assign(netns: string | NetworkNamespace | Fd, id = -1): void {
    using hold = new Hold();
    const request = requestOf("RTM_NEWNSID", "give the namespace an id", namespaceIdMessage, {
      attributes: { fd: fdOf(netns, hold), id },
    });
    this.#socket.acknowledge(request);
  }
}

function fdOf(netns: string | NetworkNamespace | Fd, hold: Hold): number {
  if (netns instanceof NetworkNamespace) return netns.fd.number;
  return typeof netns === "string" ? hold.use(NetworkNamespace.open(netns)).fd.number : netns.number;
}

import { type Fd, NetworkNamespace } from "@weir/syscall";
import { MessageFlags } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import type { Decoded } from "../schema/codec.js";
import {
  type addrGenMode,
  type LinkAttributes,
  type LinkAttributesInput,
  type LinkDataInputOf,
  type LinkDataOf,
  type LinkKind,
  type LinkStats,
  linkFlags,
  linkMessage,
  type operState,
  type PortDataInputOf,
  type PortDataOf,
  type PortKind,
  type xdpAttributes,
} from "./link-schema.js";
import { type Hold, requestOf } from "./messages.js";
import type { Vf } from "./vf.js";

/** A device by its index or its name. */
export type LinkReference = number | string;

/**
 * A network device, as the kernel describes it. What the kernel does not say is undefined. Its properties are decoded
 * when they are read (a malformed message throws a NetlinkDecodeError then); it otherwise behaves like a plain object,
 * and `{ ...link }` is one, which `structuredClone` takes too.
 */
export interface Link<K extends string = string> {
  readonly index: number;
  readonly name: string;
  /** The kind, such as "ipvlan"; undefined for hardware and the loopback device. */
  readonly kind: K | undefined;
  /** What is particular to the kind; bytes where the kind is not known here. See {@link isLinkKind}. */
  readonly data: (K extends LinkKind ? LinkDataOf<K> : LinkDataOf<LinkKind> | Uint8Array) | undefined;
  /** The kind of the master that the device is a port of, such as "bridge". */
  readonly portKind: string | undefined;
  /** What the master's kind keeps about its port; bytes where that kind is not known here. See {@link isPortKind}. */
  readonly portData: PortDataOf<PortKind> | Uint8Array | undefined;
  readonly flags: Decoded<typeof linkFlags>;
  /** Whether the device is switched on (IFF_UP); whether it works, {@link operState} says. */
  readonly up: boolean;
  readonly operState: Decoded<typeof operState> | undefined;
  /** ARPHRD_*: 1 is Ethernet, 772 loopback. */
  readonly type: number;
  /** Bytes. */
  readonly mtu: number;
  readonly address: string | undefined;
  readonly broadcast: string | undefined;
  /** The index of the device below (ipvlan's master, a veth's peer), in the namespace that linkNetnsId names. */
  readonly link: number | undefined;
  /** The id of the namespace that `link` lives in; undefined where it is this one. */
  readonly linkNetnsId: number | undefined;
  /** The index of the bridge, bond or VRF that the device is a port of. */
  readonly master: number | undefined;
  readonly alias: string | undefined;
  readonly altNames: readonly string[];
  /** The root qdisc's kind. */
  readonly qdisc: string | undefined;
  /** Packets. */
  readonly txQueueLength: number | undefined;
  readonly numTxQueues: number | undefined;
  readonly numRxQueues: number | undefined;
  /** Bytes. */
  readonly gsoMaxSize: number | undefined;
  readonly gsoMaxSegments: number | undefined;
  readonly group: number | undefined;
  readonly carrier: boolean | undefined;
  readonly addrGenMode: Decoded<typeof addrGenMode> | undefined;
  readonly stats: LinkStats | undefined;
  /** The XDP programs that the device runs. */
  readonly xdp: Decoded<ReturnType<typeof xdpAttributes>> | undefined;
  /** How many virtual functions an SR-IOV device has; only where `vfs` was asked for. */
  readonly numVfs: number | undefined;
  /** The virtual functions; only where they were asked for. */
  readonly vfs: readonly Vf[];
  /** Everything that the kernel said, unknown attributes included. */
  readonly attributes: LinkAttributes;
}

/** Whether a link is of a kind: its `data` is typed then. */
export function isLinkKind<K extends LinkKind>(link: Link, kind: K): link is Link<K> {
  return link.kind === kind && !(link.data instanceof Uint8Array);
}

/** Whether a link is a port of a master of that kind: its `portData` is typed then. */
export function isPortKind<K extends PortKind>(
  link: Link,
  kind: K,
): link is Link & { readonly portKind: K; readonly portData: PortDataOf<K> | undefined } {
  return link.portKind === kind && !(link.portData instanceof Uint8Array);
}

/** A network namespace: its path, or an open one, or a process that is in it. */
export type NetnsReference = string | number | NetworkNamespace | Fd;

/** What can be set on a device, when it is made and later. */
export interface LinkSettings {
  readonly name?: string | undefined;
  readonly up?: boolean | undefined;
  /** Bytes. */
  readonly mtu?: number | undefined;
  /** The link-layer address: "02:00:00:00:00:01". */
  readonly address?: string | undefined;
  readonly broadcast?: string | undefined;
  /** The index of a bridge, bond or VRF to become a port of; 0 to leave it. */
  readonly master?: number | undefined;
  /** Packets. */
  readonly txQueueLength?: number | undefined;
  /** Bytes of the largest packet that segmentation offload may build. */
  readonly gsoMaxSize?: number | undefined;
  readonly gsoMaxSegments?: number | undefined;
  readonly group?: number | undefined;
  readonly groMaxSize?: number | undefined;
  readonly gsoIpv4MaxSize?: number | undefined;
  readonly groIpv4MaxSize?: number | undefined;
  readonly promiscuous?: boolean | undefined;
  readonly allMulticast?: boolean | undefined;
  readonly multicast?: boolean | undefined;
  readonly arp?: boolean | undefined;
  /** Keep the device down whatever `up` says. */
  readonly protoDown?: boolean | undefined;
  /** The namespace where the device is to be: made there, or moved there. A path, a process id, or an open one. */
  readonly netns?: NetnsReference | undefined;
}

/** The other end of a veth or netkit pair. It cannot be made up: the kernel connects the two only afterwards. */
export interface VethPeer extends Omit<LinkSettings, "up" | "master"> {
  readonly index?: number | undefined;
  readonly numTxQueues?: number | undefined;
  readonly numRxQueues?: number | undefined;
}

/** What is particular to a kind when a device is made. */
export type LinkRequestData<K extends string> = K extends "veth"
  ? { readonly peer?: VethPeer | undefined }
  : K extends "netkit"
    ? Omit<LinkDataInputOf<"netkit">, "peer"> & { readonly peer?: VethPeer | undefined }
    : K extends LinkKind
      ? LinkDataInputOf<K>
      : Uint8Array;

/** A device to be made. */
export interface LinkRequest<K extends string = string> extends LinkSettings {
  /** The kind, such as "ipvlan". */
  readonly kind: K;
  /** The index of the device below, in the namespace of the socket: ipvlan's and macvlan's master. */
  readonly link?: number | undefined;
  /** The index that the device shall have; default the kernel's choice. */
  readonly index?: number | undefined;
  readonly numTxQueues?: number | undefined;
  readonly numRxQueues?: number | undefined;
  /** What is particular to the kind; bytes for kinds that are not known here. */
  readonly data?: LinkRequestData<K> | undefined;
}

/** What to change on a device. */
export interface LinkChanges<K extends string = string, P extends string = string> extends LinkSettings {
  /** The device's own kind, as the kernel wants it beside `data`. */
  readonly kind?: K | undefined;
  /** What to change of what is particular to the kind. */
  readonly data?: (K extends LinkKind ? LinkRequestData<K> : Uint8Array) | undefined;
  /** The kind of the device's master, as the kernel wants it beside `portData`. */
  readonly portKind?: P | undefined;
  /** What to change of what the master keeps about its port. */
  readonly portData?: (P extends PortKind ? PortDataInputOf<P> : Uint8Array) | undefined;
  /** An XDP program to attach; the descriptor -1 detaches. */
  readonly xdp?: { readonly fd: number; readonly mode?: "skb" | "drv" | "hw" | undefined } | undefined;
  /** At most 255 bytes; "" removes it. */
  readonly alias?: string | undefined;
  /** How the device makes its IPv6 link-local address; set it before the device goes up. */
  readonly addrGenMode?: keyof (typeof addrGenMode)["names"] | undefined;
}

/** How a reference reads in a sentence. */
export function linkText(reference: LinkReference): string {
  return typeof reference === "number" ? `link ${reference}` : `link "${reference}"`;
}

/** The header and attributes that name a device. Names above 15 bytes can only be alternative names. */
export function linkSelector(reference: LinkReference, extMask?: number) {
  if (typeof reference === "number") return { header: { index: reference }, attributes: { extMask } };
  const name =
    Buffer.byteLength(reference) < 16 ? { name: reference, extMask } : { altName: reference, extMask };
  return { header: {}, attributes: name };
}

/** RTM_NEWLINK that makes a device. */
export function addLink<K extends string>(request: LinkRequest<K>, hold: Hold): NetlinkRequest {
  const { kind, link, index, numTxQueues, numRxQueues, data, ...settings } = request;
  const { header, attributes } = settingsOnWire(settings, hold);
  return requestOf(
    "RTM_NEWLINK",
    `add ${kind} link "${request.name ?? ""}"`,
    linkMessage,
    {
      header: { ...header, index },
      attributes: {
        ...attributes,
        link,
        numTxQueues,
        numRxQueues,
        linkinfo: { kind, data: dataOnWire(kind, data, hold) },
      },
    },
    { flags: MessageFlags.CREATE | MessageFlags.EXCL },
  );
}

/** RTM_NEWLINK that changes a device which is there. */
export function setLink<K extends string, P extends string>(
  reference: LinkReference,
  changes: LinkChanges<K, P>,
  hold: Hold,
): NetlinkRequest {
  const { addrGenMode, kind, data, portKind, portData, xdp, ...settings } = changes;
  const { header, attributes } = settingsOnWire(settings, hold);
  const selector = linkSelector(reference);
  return requestOf("RTM_NEWLINK", `change ${linkText(reference)}`, linkMessage, {
    header: { ...header, ...selector.header },
    attributes: {
      ...selector.attributes,
      ...attributes,
      linkinfo:
        kind === undefined && portKind === undefined
          ? undefined
          : {
              kind,
              data: kind === undefined ? undefined : dataOnWire(kind, data, hold),
              portKind,
              portData: portData as PortDataInputOf<PortKind> | undefined,
            },
      xdp: xdp && { fd: xdp.fd, flags: xdp.mode === undefined ? undefined : [`${xdp.mode}Mode` as const] },
      ...(addrGenMode === undefined ? {} : { afSpec: { inet6: { addrGenMode } } }),
    },
  });
}

/** RTM_NEWLINKPROP, RTM_DELLINKPROP. */
export function altNames(
  operation: "RTM_NEWLINKPROP" | "RTM_DELLINKPROP",
  reference: LinkReference,
  names: readonly string[],
): NetlinkRequest {
  const verb = operation === "RTM_NEWLINKPROP" ? "give other names to" : "take other names from";
  const { header, attributes } = linkSelector(reference);
  return requestOf(
    operation,
    `${verb} ${linkText(reference)}`,
    linkMessage,
    // linkprop: net/core/rtnetlink.c wants NLM_F_APPEND where names are added.
    { header, attributes: { ...attributes, properties: { altNames: names } } },
    {
      flags:
        operation === "RTM_NEWLINKPROP" ? MessageFlags.CREATE | MessageFlags.EXCL | MessageFlags.APPEND : 0,
    },
  );
}

/** RTM_DELLINK. */
export function removeLink(reference: LinkReference): NetlinkRequest {
  return requestOf("RTM_DELLINK", `remove ${linkText(reference)}`, linkMessage, linkSelector(reference));
}

function settingsOnWire(settings: LinkSettings, hold: Hold) {
  const { up, promiscuous, allMulticast, multicast, arp, netns, ...rest } = settings;
  let flags = 0;
  let change = 0;
  for (const [bit, on] of [
    [linkFlags.names.up, up],
    [linkFlags.names.promiscuous, promiscuous],
    [linkFlags.names.allMulticast, allMulticast],
    [linkFlags.names.multicast, multicast],
    [linkFlags.names.noArp, arp === undefined ? undefined : !arp],
  ] as const) {
    if (on === undefined) continue;
    change |= bit;
    if (on) flags |= bit;
  }
  const attributes: LinkAttributesInput = {
    ...rest,
    ...(netns === undefined ? {} : netnsOnWire(netns, hold)),
  };
  return { header: { flags, change }, attributes };
}

/** A process id goes to the kernel as such, which looks it up in the sender's pid namespace. */
function netnsOnWire(netns: NetnsReference, hold: Hold): { netnsPid: number } | { netnsFd: number } {
  if (typeof netns === "number") return { netnsPid: netns };
  if (netns instanceof NetworkNamespace) return { netnsFd: netns.fd.number };
  if (typeof netns === "string") return { netnsFd: hold.use(NetworkNamespace.open(netns)).fd.number };
  return { netnsFd: netns.number };
}

function dataOnWire(kind: string, data: unknown, hold: Hold) {
  if ((kind !== "veth" && kind !== "netkit") || data instanceof Uint8Array)
    return data as LinkDataInputOf<LinkKind> | undefined;
  const { peer, ...own } = (data ?? {}) as LinkRequestData<"netkit">;
  if (peer === undefined) return data === undefined ? undefined : own;
  const { index, numTxQueues, numRxQueues, ...settings } = peer;
  const { header, attributes } = settingsOnWire(settings, hold);
  return {
    ...own,
    peer: { header: { ...header, index }, attributes: { ...attributes, numTxQueues, numRxQueues } },
  };
}

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
} from "./link-schema.js";
import { type Hold, requestOf } from "./messages.js";

/** A device by its index or its name. */
export type LinkReference = number | string;

/** A network device, as the kernel describes it. What the kernel does not say is undefined. */
export interface Link<K extends string = string> {
  readonly index: number;
  readonly name: string;
  /** The kind, such as "ipvlan"; undefined for hardware and the loopback device. */
  readonly kind: K | undefined;
  /** What is particular to the kind; bytes where the kind is not known here. See {@link isLinkKind}. */
  readonly data: (K extends LinkKind ? LinkDataOf<K> : LinkDataOf<LinkKind> | Uint8Array) | undefined;
  /** The kind of the master that the device is a port of, such as "bridge". */
  readonly portKind: string | undefined;
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
  /** Everything that the kernel said, unknown attributes included. */
  readonly attributes: LinkAttributes;
}

/** Whether a link is of a kind: its `data` is typed then. */
export function isLinkKind<K extends LinkKind>(link: Link, kind: K): link is Link<K> {
  return link.kind === kind && !(link.data instanceof Uint8Array);
}

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
  readonly promiscuous?: boolean | undefined;
  readonly arp?: boolean | undefined;
  /** The namespace where the device is to be: made there, or moved there. A path, or an open namespace or fd. */
  readonly netns?: string | NetworkNamespace | Fd | undefined;
}

/** The other end of a veth pair. It cannot be made up: the kernel connects the two only afterwards. */
export interface VethPeer extends Omit<LinkSettings, "up" | "master"> {
  readonly index?: number | undefined;
  readonly numTxQueues?: number | undefined;
  readonly numRxQueues?: number | undefined;
}

/** What is particular to a kind when a device is made. */
export type LinkRequestData<K extends string> = K extends "veth"
  ? { readonly peer?: VethPeer | undefined }
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
export interface LinkChanges extends LinkSettings {
  /** At most 255 bytes; "" removes it. */
  readonly alias?: string | undefined;
  /** How the device makes its IPv6 link-local address; set it before the device goes up. */
  readonly addrGenMode?: keyof (typeof addrGenMode)["names"] | undefined;
}

/** The link that a message describes. */
export function linkOf(wire: Decoded<typeof linkMessage>): Link {
  const { header, attributes } = wire;
  const info = attributes.linkinfo;
  return {
    index: header.index,
    name: attributes.name ?? "",
    kind: info?.kind,
    data: info?.data as Link["data"],
    portKind: info?.portKind,
    flags: header.flags,
    up: header.flags[0] === "up",
    operState: attributes.operState,
    type: header.type,
    mtu: attributes.mtu ?? 0,
    address: attributes.address,
    broadcast: attributes.broadcast,
    link: attributes.link,
    linkNetnsId: attributes.linkNetnsId,
    master: attributes.master,
    alias: attributes.alias,
    altNames: attributes.properties?.altNames ?? [],
    qdisc: attributes.qdisc,
    txQueueLength: attributes.txQueueLength,
    numTxQueues: attributes.numTxQueues,
    numRxQueues: attributes.numRxQueues,
    gsoMaxSize: attributes.gsoMaxSize,
    gsoMaxSegments: attributes.gsoMaxSegments,
    group: attributes.group,
    carrier: attributes.carrier,
    addrGenMode: attributes.afSpec?.inet6?.addrGenMode,
    stats: attributes.stats64,
    attributes,
  };
}

/** How a reference reads in a sentence. */
export function linkText(reference: LinkReference): string {
  return typeof reference === "number" ? `link ${reference}` : `link "${reference}"`;
}

/** The header and attributes that name a device. Names above 15 bytes can only be alternative names. */
export function linkSelector(reference: LinkReference) {
  if (typeof reference === "number") return { header: { index: reference }, attributes: {} };
  return {
    header: {},
    attributes: Buffer.byteLength(reference) < 16 ? { name: reference } : { altName: reference },
  };
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
export function setLink(reference: LinkReference, changes: LinkChanges, hold: Hold): NetlinkRequest {
  const { addrGenMode, ...settings } = changes;
  const { header, attributes } = settingsOnWire(settings, hold);
  const selector = linkSelector(reference);
  return requestOf("RTM_NEWLINK", `change ${linkText(reference)}`, linkMessage, {
    header: { ...header, ...selector.header },
    attributes: {
      ...selector.attributes,
      ...attributes,
      ...(addrGenMode === undefined ? {} : { afSpec: { inet6: { addrGenMode } } }),
    },
  });
}

/** RTM_DELLINK. */
export function removeLink(reference: LinkReference): NetlinkRequest {
  return requestOf("RTM_DELLINK", `remove ${linkText(reference)}`, linkMessage, linkSelector(reference));
}

function settingsOnWire(settings: LinkSettings, hold: Hold) {
  const { up, promiscuous, arp, netns, ...rest } = settings;
  let flags = 0;
  let change = 0;
  for (const [bit, on] of [
    [linkFlags.names.up, up],
    [linkFlags.names.promiscuous, promiscuous],
    [linkFlags.names.noArp, arp === undefined ? undefined : !arp],
  ] as const) {
    if (on === undefined) continue;
    change |= bit;
    if (on) flags |= bit;
  }
  const attributes: LinkAttributesInput = {
    ...rest,
    netnsFd: netns === undefined ? undefined : namespaceFd(netns, hold),
  };
  return { header: { flags, change }, attributes };
}

function namespaceFd(netns: string | NetworkNamespace | Fd, hold: Hold): number {
  if (netns instanceof NetworkNamespace) return netns.fd.number;
  if (typeof netns === "string") return hold.use(NetworkNamespace.open(netns)).fd.number;
  return netns.number;
}

function dataOnWire(kind: string, data: unknown, hold: Hold) {
  if (kind !== "veth" || data instanceof Uint8Array) return data as LinkDataInputOf<LinkKind> | undefined;
  const { peer } = (data ?? {}) as LinkRequestData<"veth">;
  if (peer === undefined) return undefined;
  const { index, numTxQueues, numRxQueues, ...settings } = peer;
  const { header, attributes } = settingsOnWire(settings, hold);
  return { peer: { header: { ...header, index }, attributes: { ...attributes, numTxQueues, numRxQueues } } };
}

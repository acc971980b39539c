import type { Link, Rtnetlink } from "@weir/netlink";
import type { NetworkNamespace } from "@weir/syscall";

/** Where on the host's side a pod's device can be guarded. */
export type GuardPlace =
  /** The device below an ipvlan or macvlan device: many pods send through its egress. */
  | { readonly kind: "uplink"; readonly ifindex: number }
  /** The other end of a veth or netkit device: what the pod sends arrives there. */
  | { readonly kind: "peer"; readonly ifindex: number }
  /** There is none, for this reason. */
  | { readonly kind: "none"; readonly reason: string };

const uplinkKinds = new Set(["ipvlan", "macvlan", "ipvtap", "macvtap", "vlan"]);
const peerKinds = new Set(["veth", "netkit"]);

/**
 * Finds the place from what the kernel says of the pod's device (IFLA_LINK, IFLA_LINK_NETNSID).
 * @param rt a socket inside the pod's namespace
 * @param host the namespace that the uplinks are in
 */
export function findPlace(rt: Rtnetlink, link: Link, host: NetworkNamespace): GuardPlace {
  const { kind, name, link: below, linkNetnsId } = link;
  const isUplink = kind !== undefined && uplinkKinds.has(kind);
  if (!isUplink && !(kind !== undefined && peerKinds.has(kind))) {
    const what = kind === undefined ? "hardware" : `a ${kind} device`;
    return none(`${name} is ${what}: what it sends passes nothing of the host's`);
  }
  if (below === undefined || below === 0) return none(`the kernel does not say what is behind ${name}`);
  if (linkNetnsId === undefined) return none(`what is behind ${name} is in the pod's own namespace`);
  if (rt.namespaceIds.find(host) !== linkNetnsId) {
    return none(`what is behind ${name} is in a namespace that is not the host's`);
  }
  return { kind: isUplink ? "uplink" : "peer", ifindex: below };
}

function none(reason: string): GuardPlace {
  return { kind: "none", reason };
}

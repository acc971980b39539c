import { isFilterKind, isLinkKind, type Link, mirred, type Rtnetlink } from "@weir/netlink";
import { drain } from "./drain.js";
import { checkEgress, ensureClsact, stampEgress } from "./egress.js";
import { ShaperError } from "./errors.js";
import { withModule } from "./kernel-module.js";
import { FILTER_HANDLE, INGRESS_PRIORITY, ifbName } from "./names.js";
import { type Problem, repairable } from "./problem.js";
import type { Stamp } from "./stamp.js";
import { removeHeld } from "./tcx/held-link.js";

/**
 * Makes everything that arrives at a device wait for its turn: an ifb device in the same namespace, stamped like any
 * egress, and last the redirection into it, so that no packet meets a half-made device.
 */
export function stampIngress(rt: Rtnetlink, link: Link, stamp: Stamp): void {
  refuseL3s(link);
  const ifb = ensureIfb(rt, link);
  stampEgress(rt, ifb, stamp);
  ensureClsact(rt, link);
  const place = { index: link.index, parent: "ingress", priority: INGRESS_PRIORITY } as const;
  for (const filter of rt.filters.dump(place)) {
    if (redirectsTo(filter) === ifb.index) return;
    // net/sched/cls_matchall.c takes no change: another target means another filter.
    rt.filters.removeIfPresent({ ...place, kind: filter.kind });
  }
  const options = { actions: [mirred({ to: ifb.index })] };
  withModule("cls_matchall", "matchall filter, or no mirred action,", () =>
    rt.filters.add({ ...place, kind: "matchall", handle: FILTER_HANDLE, options }),
  );
}

/** Takes the redirection away first, then the ifb device with all that hangs on it. */
export function unstampIngress(rt: Rtnetlink, ifindex: number, stamp: Pick<Stamp, "pin">): void {
  const place = { index: ifindex, parent: "ingress", priority: INGRESS_PRIORITY } as const;
  // Without CAP_NET_ADMIN the kernel refuses to remove what is not there, too: a rollback must not fail on that.
  const isThere = [...rt.filters.dump(place)].some((filter) => isFilterKind(filter, "matchall"));
  if (isThere) rt.filters.removeIfPresent({ ...place, kind: "matchall" });
  removeIfb(rt, ifindex, stamp);
}

/** Waits until the ifb of a device holds no packet. */
export function drainIngress(rt: Rtnetlink, ifindex: number): void {
  const ifb = rt.links.find(ifbName(ifindex));
  if (ifb?.kind === "ifb") drain(rt, ifb.index);
}

/** Removes a device's ifb; the device itself may be gone. */
export function removeIfb(rt: Rtnetlink, ifindex: number, { pin }: Pick<Stamp, "pin">): void {
  removeHeld(pin);
  const ifb = rt.links.find(ifbName(ifindex));
  if (ifb?.kind === "ifb") rt.links.remove(ifb.index);
}

/** Says what is missing for arriving packets to be stamped and held. */
export function checkIngress(rt: Rtnetlink, link: Link, stamp: Stamp): Problem[] {
  const name = ifbName(link.index);
  const ifb = rt.links.find(name);
  if (!ifb)
    return [repairable("IFB_MISSING", `the device ${name}, through which ${link.name} receives, is gone`)];
  const problems = checkEgress(rt, ifb, stamp);
  if (!ifb.up)
    problems.push(repairable("IFB_DOWN", `the device ${name}, through which ${link.name} receives, is down`));
  let redirected = false;
  for (const filter of rt.filters.dump({ index: link.index, parent: "ingress" })) {
    if (redirectsTo(filter) === ifb.index) redirected = true;
  }
  if (!redirected) {
    problems.push(repairable("REDIRECT_MISSING", `what arrives at ${link.name} is not sent through ${name}`));
  }
  return problems;
}

/** In L3S mode packets reach the pod through netfilter, past the device's ingress hook: drivers/net/ipvlan/ipvlan_l3s.c. */
function refuseL3s(link: Link): void {
  if (!isLinkKind(link, "ipvlan") || link.data?.mode !== "l3s") return;
  throw new ShaperError(
    "NOT_SUPPORTED",
    `the ingress of ${link.name} cannot be limited: what an ipvlan device in L3S mode receives does not pass its ingress hook`,
    { remedy: "Limit only egress, or use ipvlan mode l2 or l3." },
  );
}

function ensureIfb(rt: Rtnetlink, link: Link): Link {
  const name = ifbName(link.index);
  let ifb = rt.links.find(name);
  if (ifb && ifb.kind !== "ifb") {
    throw new ShaperError(
      "CONFLICT",
      `the name ${name}, which weir needs for ${link.name}, is taken by another device`,
    );
  }
  if (!ifb) {
    withModule("ifb", "ifb device", () =>
      rt.links.add({ name, kind: "ifb", numTxQueues: 1, numRxQueues: 1 }),
    );
    ifb = rt.links.get(name);
  }
  if (ifb.up && ifb.mtu >= link.mtu) return ifb;
  // Without "none" the device would get an IPv6 address and announce itself.
  rt.links.set(ifb.index, { addrGenMode: "none" });
  const mtu = Math.max(ifb.mtu, link.mtu);
  rt.links.set(ifb.index, { up: true, mtu, alias: `weir: ingress of ${link.name}` });
  return ifb;
}

function redirectsTo(filter: Parameters<typeof isFilterKind>[0]): number | undefined {
  if (!isFilterKind(filter, "matchall")) return undefined;
  for (const { kind, options } of filter.options?.actions ?? []) {
    if (kind !== "mirred" || !options || options instanceof Uint8Array || !("parms" in options)) continue;
    const parms = options.parms as { mode?: unknown; ifindex?: number } | undefined;
    if (parms?.mode === "egressRedirect") return parms.ifindex;
  }
  return undefined;
}

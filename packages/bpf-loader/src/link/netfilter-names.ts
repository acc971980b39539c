/** A family of netfilter hooks: NFPROTO_IPV4 or NFPROTO_IPV6 (and INET, which the kernel does not attach to yet). */
export type NetfilterFamily = "inet" | "ipv4" | "ipv6";
/** `enum nf_inet_hooks`. */
export type NetfilterHook = "prerouting" | "input" | "forward" | "output" | "postrouting";

const families: Readonly<Record<NetfilterFamily, number>> = { inet: 1, ipv4: 2, ipv6: 10 };
const hooks: readonly NetfilterHook[] = ["prerouting", "input", "forward", "output", "postrouting"];

export function netfilterFamily(number: number): NetfilterFamily | undefined {
  return (Object.keys(families) as NetfilterFamily[]).find((name) => families[name] === number);
}

export function netfilterFamilyNumber(name: NetfilterFamily): number {
  return families[name];
}

export function netfilterHook(number: number): NetfilterHook | undefined {
  return hooks[number];
}

export function netfilterHookNumber(name: NetfilterHook): number {
  return hooks.indexOf(name);
}

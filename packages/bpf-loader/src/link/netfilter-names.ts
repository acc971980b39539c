const families = { 1: "inet", 2: "ipv4", 10: "ipv6" } as const;
const hooks = ["prerouting", "input", "forward", "output", "postrouting"] as const;

/** A family of netfilter hooks: NFPROTO_IPV4 or NFPROTO_IPV6 (and INET, which the kernel does not attach to yet). */
export type NetfilterFamily = (typeof families)[keyof typeof families];
/** `enum nf_inet_hooks`. */
export type NetfilterHook = (typeof hooks)[number];

export function netfilterFamily(number: number): NetfilterFamily | undefined {
  return families[number as keyof typeof families];
}

export function netfilterFamilyNumber(name: NetfilterFamily): number {
  return Number(Object.entries(families).find(([, family]) => family === name)![0]);
}

export function netfilterHook(number: number): NetfilterHook | undefined {
  return hooks[number];
}

export function netfilterHookNumber(name: NetfilterHook): number {
  return hooks.indexOf(name);
}

import { readFileSync } from "node:fs";
import { getSystemErrorName } from "node:util";

/** Names of devices by their index. */
export class DeviceNames {
  readonly #names = new Map<number, string>();

  /** @param links devices, where they can be asked for */
  constructor(links: Iterable<{ readonly index: number; readonly name: string }> = []) {
    for (const link of links) this.set(link.index, link.name);
  }

  /** Learns a name; a later one counts. */
  set(index: number, name: string): void {
    this.#names.set(index, name);
  }

  /** A device's name, or undefined. */
  find(index: number): string | undefined {
    return this.#names.get(index);
  }

  /** A device's name; "if7" where it has none here, as iproute2 writes it. */
  of(index: number): string {
    return this.#names.get(index) ?? (index === 0 ? "none" : `if${index}`);
  }
}

/** Numbers that administrators name in files of iproute2's format: "254 main". */
class NumberFile {
  readonly #file: string;
  readonly #builtIn: Readonly<Record<number, string>>;
  #names: Map<number, string> | undefined;

  constructor(file: string, builtIn: Readonly<Record<number, string>>) {
    this.#file = file;
    this.#builtIn = builtIn;
  }

  name(number: number): string | undefined {
    return this.#read().get(number);
  }

  number(name: string): number | undefined {
    for (const [number, known] of this.#read()) if (known === name) return number;
    return undefined;
  }

  #read(): Map<number, string> {
    if (this.#names) return this.#names;
    this.#names = new Map(Object.entries(this.#builtIn).map(([number, name]) => [Number(number), name]));
    // iproute2 6.5 and later ships its own in /usr; what stands in /etc counts more.
    for (const folder of ["/usr/share/iproute2", "/usr/lib/iproute2", "/etc/iproute2"])
      for (const [, number, name] of readLines(`${folder}/${this.#file}`))
        this.#names.set(Number(number), name!);
    return this.#names;
  }
}

/** Names of routing tables: rt_tables. */
export const routeTables = new NumberFile("rt_tables", {
  0: "unspec",
  253: "default",
  254: "main",
  255: "local",
});
/** Names of groups of devices: group. */
export const deviceGroups = new NumberFile("group", { 0: "default" });
/** Names of routing protocols that this package has no name for: rt_protos. */
export const routeProtocols = new NumberFile("rt_protos", {});
/** Names of scopes that this package has no name for: rt_scopes. */
export const routeScopes = new NumberFile("rt_scopes", {});
/** Names of realms, which routes and rules give packets: rt_realms. */
export const routeRealms = new NumberFile("rt_realms", {});
/** Names of the values of the IP header's differentiated services field: rt_dsfield. */
export const dsFields = new NumberFile("rt_dsfield", {});

function readLines(path: string): RegExpMatchArray[] {
  try {
    return [...readFileSync(path, "utf8").matchAll(/^[ \t]*(0x[0-9a-f]+|[0-9]+)[ \t]+([^\s#]+)/gim)];
  } catch {
    // Most machines have few of these files: what is built in stays.
    return [];
  }
}

/** Link-layer types: ARPHRD_* of include/uapi/linux/if_arp.h. */
const hardwareTypes: Readonly<Record<number, string>> = {
  0: "netrom",
  1: "ether",
  24: "ieee1394",
  32: "infiniband",
  256: "slip",
  280: "can",
  290: "mctp",
  512: "ppp",
  519: "rawip",
  768: "ipip",
  769: "tunnel6",
  772: "loopback",
  774: "fddi",
  776: "sit",
  778: "gre",
  801: "ieee802.11",
  803: "ieee802.11/radiotap",
  804: "ieee802.15.4",
  820: "phonet",
  823: "gre6",
  824: "netlink",
  825: "6lowpan",
  826: "vsockmon",
  65534: "none",
};

/** A link-layer type's name, or its number. */
export function hardwareType(type: number): string {
  return hardwareTypes[type] ?? `type ${type}`;
}

/** IPPROTO_*, which /etc/protocols has too. */
const ipProtocols: Readonly<Record<number, string>> = {
  1: "icmp",
  2: "igmp",
  4: "ipip",
  6: "tcp",
  17: "udp",
  33: "dccp",
  41: "ipv6",
  47: "gre",
  50: "esp",
  51: "ah",
  58: "ipv6-icmp",
  89: "ospf",
  103: "pim",
  112: "vrrp",
  132: "sctp",
  136: "udplite",
  262: "mptcp",
};

/** An IP protocol's name, or its number. */
export function ipProtocol(protocol: number): string {
  return ipProtocols[protocol] ?? String(protocol);
}

/** Who gave an address: IFAPROT_* of include/uapi/linux/if_addr.h. */
const addressProtocols: Readonly<Record<number, string>> = {
  1: "kernel_lo",
  2: "kernel_ra",
  3: "kernel_ll",
};

/** Who gave an address, by name or number. */
export function addressProtocol(protocol: number): string {
  return addressProtocols[protocol] ?? String(protocol);
}

/** A negative errno by its name. */
export function errorName(error: number): string {
  if (error === 0) return "0 (success)";
  try {
    return `${getSystemErrorName(error)} (${error})`;
  } catch {
    return String(error);
  }
}

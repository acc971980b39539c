import type { InterfaceAddress } from "../rtnetlink/address.js";
import type { Link } from "../rtnetlink/link.js";
import type { Neighbour } from "../rtnetlink/neighbour.js";
import type { NexthopObject } from "../rtnetlink/nexthops.js";
import type { Nexthop, Route } from "../rtnetlink/route.js";
import type { Rule } from "../rtnetlink/rules.js";

/** An object in the words of `ip -d -j`; what ip leaves out is undefined. Devices are left out. */
export type Words = Record<string, unknown>;

const protocols: Readonly<Record<number, string>> = {
  11: "zebra",
  12: "bird",
  18: "keepalived",
  99: "openr",
};
const protocol = (value: string | number | undefined) =>
  typeof value === "number" ? (protocols[value] ?? String(value)) : (value ?? "unspec");
const table = (value: number) =>
  ({ 253: "default", 254: "main", 255: "local" })[value] ?? (value === 0 ? undefined : String(value));
const hex = (value: number | undefined) => (value ? `0x${value.toString(16)}` : undefined);
/** ip marks what is so with null. */
const so = (value: unknown) => (value ? null : undefined);
/** A prefix without the length that a host has. */
const host = (prefix: string) => prefix.replace(prefix.includes(":") ? /\/128$/ : /\/32$/, "");

/** What ip or we say, without what is not compared; ways of a route without their devices and wrapping. */
export function comparable(words: Words, ignored: readonly string[]): Words {
  const kept = Object.entries(JSON.parse(JSON.stringify(words)) as Words).filter(
    ([key]) => !ignored.includes(key),
  );
  return Object.fromEntries(
    kept.map(([key, value]) => [
      key,
      key === "nexthops" ? (value as Words[]).map(({ dev: _, dst: __, ...way }) => way) : value,
    ]),
  );
}

/** See `print_addrinfo` of iproute2. */
export function addressWords({ attributes, ...one }: InterfaceAddress): Words {
  const has = (flag: (typeof one.flags)[number]) => one.flags.includes(flag) || undefined;
  return {
    family: one.family === "ipv6" ? "inet6" : "inet",
    local: one.address,
    address: one.peer,
    prefixlen: one.prefixLength,
    broadcast: one.broadcast,
    scope: one.scope,
    label: one.label,
    metric: attributes.routePriority,
    secondary: has("secondary"),
    nodad: has("noDad"),
    home: has("homeAddress"),
    mngtmpaddr: has("manageTempAddress"),
    noprefixroute: has("noPrefixRoute"),
    dynamic: !has("permanent") || undefined,
  };
}

function gatewayWords(family: string, gateway: string | undefined): Words {
  if (gateway === undefined || gateway.includes(":") === (family === "ipv6")) return { gateway };
  return { via: { family: gateway.includes(":") ? "inet6" : "inet", host: gateway } };
}

function wayWords(family: string, { gateway, weight, onlink, encapType }: Nexthop): Words {
  return {
    ...gatewayWords(family, gateway),
    weight,
    flags: onlink ? ["onlink"] : [],
    encap: encapType && String(encapType).toLowerCase(),
  };
}

/** See `print_route` of iproute2; what a route wraps packets in is only named. */
export function routeWords(one: Route): Words {
  const { metrics } = one;
  return {
    type: one.type,
    dst: host(one.destination),
    from: one.source,
    encap: one.encapType && String(one.encapType).toLowerCase(),
    ...gatewayWords(String(one.family), one.gateway),
    table: table(one.table),
    protocol: protocol(one.protocol),
    scope: one.scope,
    metric: one.attributes.priority,
    tos: hex(one.tos),
    prefsrc: one.preferredSource,
    nhid: one.nexthopId,
    flags: one.flags.filter((flag) => flag === "onlink" || flag === "dead"),
    pref: one.preference,
    nexthops: one.multipath?.map((way) => wayWords(String(one.family), way)),
    metrics: metrics && [
      {
        mtu: metrics.mtu,
        advmss: metrics.advertisedMss,
        window: metrics.window,
        rtt: metrics.rtt && metrics.rtt / 8,
        rttvar: metrics.rttVariance && metrics.rttVariance / 4,
        ssthresh: metrics.slowStartThreshold,
        cwnd: metrics.congestionWindow,
        reordering: metrics.reordering,
        hoplimit: metrics.hopLimit,
        initcwnd: metrics.initialCongestionWindow,
        ecn: so((metrics.features ?? 0) & 1),
        rto_min: metrics.minimumRto,
        initrwnd: metrics.initialReceiveWindow,
        quickack: metrics.quickAck,
        congestion: metrics.congestionControl,
        fastopen_no_cookie: metrics.fastOpenNoCookie,
      },
    ],
  };
}

function portWords(name: string, range: { start: number; end: number } | undefined): Words {
  if (!range) return {};
  if (range.start === range.end) return { [name]: range.start };
  return { [`${name}_start`]: range.start, [`${name}_end`]: range.end };
}

/** See `print_rule` of iproute2. */
export function ruleWords(one: Rule): Words {
  const [source = "all", sourceLength] = one.source?.split("/") ?? [];
  const [destination, destinationLength] = one.destination?.split("/") ?? [];
  const { flow } = one.attributes;
  const proto = one.ipProtocol;
  return {
    priority: one.priority,
    not: so(one.invert),
    src: source,
    srclen: sourceLength && Number(sourceLength),
    dst: destination,
    dstlen: destinationLength && Number(destinationLength),
    iif: one.inputInterface,
    oif: one.outputInterface,
    fwmark: hex(one.mark),
    fwmask: one.markMask === 0xffff_ffff ? undefined : hex(one.markMask),
    table: one.action === "table" && !one.l3mdev ? table(one.table) : undefined,
    goto: one.goto,
    unresolved: so(one.flags.includes("unresolved")),
    uid_start: one.uidRange?.start,
    uid_end: one.uidRange?.end,
    ipproto: proto === 6 ? "tcp" : proto === 17 ? "udp" : proto,
    ...portWords("sport", one.sourcePorts),
    ...portWords("dport", one.destinationPorts),
    suppress_prefixlen: one.suppressPrefixLength,
    suppress_ifgroup: one.suppressGroup === undefined ? undefined : String(one.suppressGroup),
    tos: hex(one.tos),
    l3mdev: so(one.l3mdev),
    nop: so(one.action === "nop"),
    action: ["blackhole", "unreachable", "prohibit"].includes(String(one.action)) ? one.action : undefined,
    flow_from: flow ? String(flow >>> 16) : undefined,
    flow_to: flow ? String(flow & 0xffff) : undefined,
    protocol: protocol(one.protocol),
  };
}

/** See `print_neigh` of iproute2. */
export function neighbourWords(one: Neighbour): Words {
  return {
    dst: one.destination,
    lladdr: one.state.length > 0 ? one.address : undefined,
    state: one.state.length > 0 ? one.state.map((name) => String(name).toUpperCase()) : undefined,
    proxy: so(one.proxy),
    router: so(one.flags.includes("router")),
    extern_learn: so(one.flags.includes("externLearned")),
    managed: so(one.attributes.extendedFlags?.includes("managed")),
    protocol: one.protocol ? protocol(one.protocol) : undefined,
  };
}

/** See `print_fdb` of iproute2. */
export function fdbWords(one: Neighbour): Words {
  const has = (flag: (typeof one.flags)[number], word: string) => (one.flags.includes(flag) ? [word] : []);
  const state = one.state.includes("permanent") ? "permanent" : one.state.includes("noArp") ? "static" : "";
  return {
    mac: one.address,
    vlan: one.vlan,
    dst: one.destination,
    port: one.port,
    vni: one.vni,
    src_vni: one.attributes.sourceVni,
    flags: [...has("self", "self"), ...has("externLearned", "extern_learn"), ...has("sticky", "sticky")],
    state,
  };
}

/** See `print_nexthop` of iproute2. */
export function nexthopWords(one: NexthopObject): Words {
  return {
    id: one.id,
    gateway: one.gateway,
    blackhole: so(one.blackhole),
    fdb: so(one.fdb),
    group: one.group?.map(({ id, weight }) => (weight === 1 ? { id } : { id, weight })),
    type: one.groupType === "resilient" ? one.groupType : undefined,
    protocol: protocol(one.protocol),
    flags: one.flags.filter((flag) => flag === "onlink"),
    encap: one.encapType && String(one.encapType).toLowerCase(),
  };
}

/** See `print_linkinfo` of iproute2; what is particular to a kind is compared by {@link besideLinkData}. */
export function linkWords(one: Link): Words {
  const { attributes } = one;
  return {
    ifindex: one.index,
    ifname: one.name,
    mtu: one.mtu,
    qdisc: one.qdisc,
    operstate: String(one.operState).toUpperCase(),
    group: one.group ? String(one.group) : "default",
    txqlen: one.txQueueLength || undefined,
    ifalias: one.alias,
    promiscuity: attributes.promiscuity,
    min_mtu: attributes.minMtu,
    max_mtu: attributes.maxMtu,
    num_tx_queues: one.numTxQueues,
    num_rx_queues: one.numRxQueues,
    gso_max_size: one.gsoMaxSize,
    gso_max_segs: one.gsoMaxSegments,
    inet6_addr_gen_mode: one.addrGenMode,
    altnames: one.altNames.length > 0 ? one.altNames : undefined,
    ...(one.type === 1 ? { address: one.address, broadcast: one.broadcast } : {}),
  };
}

/** What ip calls the parts of links' data, where that is not our name written with underscores. */
const dataNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  vxlan: {
    remote: "group",
    remote6: "group6",
    df: "dontFragment",
    udp_csum: "udpChecksum",
    udp_zero_csum6_tx: "udpZeroChecksum6Tx",
    udp_zero_csum6_rx: "udpZeroChecksum6Rx",
    gbp: "groupPolicy",
    gpe: "genericProtocol",
    external: "collectMetadata",
    vnifilter: "vniFilter",
    rsc: "routeShortCircuit",
    l2miss: "l2Miss",
    l3miss: "l3Miss",
  },
  geneve: {
    df: "dontFragment",
    udp_csum: "udpChecksum",
    udp_zero_csum6_tx: "udpZeroChecksum6Tx",
    udp_zero_csum6_rx: "udpZeroChecksum6Rx",
    external: "collectMetadata",
    inner_proto_inherit: "innerProtocolInherit",
  },
  bridge: {
    group_fwd_mask: "groupForwardMask",
    group_addr: "groupAddress",
    mcast_snooping: "multicastSnooping",
    mcast_router: "multicastRouter",
    mcast_query_use_ifaddr: "multicastQueryUseIfaddr",
    mcast_querier: "multicastQuerier",
    mcast_hash_elasticity: "multicastHashElasticity",
    mcast_hash_max: "multicastHashMax",
    mcast_last_member_cnt: "multicastLastMemberCount",
    mcast_startup_query_cnt: "multicastStartupQueryCount",
    mcast_last_member_intvl: "multicastLastMemberInterval",
    mcast_membership_intvl: "multicastMembershipInterval",
    mcast_querier_intvl: "multicastQuerierInterval",
    mcast_query_intvl: "multicastQueryInterval",
    mcast_query_response_intvl: "multicastQueryResponseInterval",
    mcast_startup_query_intvl: "multicastStartupQueryInterval",
    mcast_stats_enabled: "multicastStatsEnabled",
    mcast_igmp_version: "multicastIgmpVersion",
    mcast_mld_version: "multicastMldVersion",
  },
  "port of bridge": {
    guard: "bpduGuard",
    fastleave: "fastLeave",
    flood: "unicastFlood",
    no: "number",
    topology_change_ack: "topologyChangeAcknowledged",
    mcast_flood: "multicastFlood",
    bcast_flood: "broadcastFlood",
    mcast_to_unicast: "multicastToUnicast",
    neigh_suppress: "neighbourSuppress",
    group_fwd_mask: "groupForwardMask",
  },
  bond: {
    miimon: "miiMonitorMs",
    updelay: "upDelayMs",
    downdelay: "downDelayMs",
    peer_notify_delay: "peerNotificationDelayMs",
    arp_interval: "arpIntervalMs",
    arp_missed_max: "missedMaximum",
    arp_ip_target: "arpTargets",
    xmit_hash_policy: "transmitHashPolicy",
    num_peer_notif: "peerNotifications",
    all_slaves_active: "allPortsActive",
    lp_interval: "learningPacketInterval",
    packets_per_slave: "packetsPerPort",
    ad_lacp_active: "lacpActive",
    ad_lacp_rate: "lacpRate",
    ad_select: "aggregatorSelect",
    ad_actor_sys_prio: "actorSystemPriority",
    ad_user_port_key: "userPortKey",
    ad_actor_system: "actorSystem",
    tlb_dynamic_lb: "tlbDynamic",
  },
  "port of bond": { link_failure_count: "linkFailures", perm_hwaddr: "permanentAddress", prio: "priority" },
  macvlan: {
    bcqueuelen: "broadcastQueueLength",
    usedbcqueuelen: "broadcastQueueLengthUsed",
    macaddr_count: "macAddressCount",
  },
  macvtap: { bcqueuelen: "broadcastQueueLength", usedbcqueuelen: "broadcastQueueLengthUsed" },
  hsr: { seq_nr: "sequence", supervision_addr: "supervisionAddress" },
  xfrm: { if_id: "id", external: "collectMetadata" },
  tun: {
    pi: "packetInformation",
    vnet_hdr: "vnetHeader",
    numqueues: "queues",
    numdisabled: "disabledQueues",
  },
};
const tunnelNames = {
  pmtudisc: "pathMtuDiscovery",
  ikey: "inputKey",
  okey: "outputKey",
  fwmark: "mark",
  external: "collectMetadata",
  ignore_df: "ignoreDontFragment",
  proto: "protocol",
  erspan_ver: "erspanVersion",
  erspan_dir: "erspanDirection",
  erspan_hwid: "erspanHardwareId",
  prefix: "sixRdPrefix",
  prefixlen: "sixRdPrefixLength",
};

/** Brings numbers, switches and names to one form: ip has 1, true, "on" and "0x1", names in capitals, keys as addresses. */
function common(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(common);
  if (value === null) return "none";
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "boolean") return Number(value);
  if (typeof value !== "string") return value;
  if (value === "on") return 1;
  if (value === "ip6ip6" || value === "ip6ip") return "ipv6";
  if (value === "ipip") return "ipv4";
  if (value === "0.0.0.0" || value === "::") return "any";
  if (/^0\.0\.0\.\d+$/.test(value)) return Number(value.slice(6));
  return /^(0x[0-9a-f]+|\d+)$/.test(value) ? Number(value) : value.toLowerCase();
}

/**
 * Sets what ip says of a link's data beside ours, as far as both name it.
 * @param kind the link's kind, or "port of" its master's
 */
export function besideLinkData(
  kind: string,
  theirs: Words,
  ours: Readonly<Words>,
): { theirs: Words; ours: Words } {
  const names: Readonly<Record<string, string>> = dataNames[kind] ?? tunnelNames;
  const both = { theirs: {} as Words, ours: {} as Words };
  for (const [word, value] of Object.entries(theirs)) {
    // Timers go on; ip has names for devices, and for the groups of users.
    if (word.endsWith("_timer") || word === "link" || (kind === "tun" && word === "group")) continue;
    const name = names[word] ?? word.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    if (ours[name] === undefined || (typeof ours[name] === "object" && !Array.isArray(ours[name]))) continue;
    both.theirs[word] = common(value);
    both.ours[word] = common(ours[name]);
  }
  return both;
}

import type { NetlinkRequest } from "../request.js";
import { type ActionInput, gact, mirred } from "../tc/action.js";
import { police } from "../tc/actions/police.js";
import { skbedit } from "../tc/actions/skbedit.js";
import { vlan } from "../tc/actions/vlan.js";
import { addChain } from "../tc/chains.js";
import { replaceClass } from "../tc/classes.js";
import { addFilter, type FilterRequest } from "../tc/filters.js";
import type { HtbClassOptionsInput } from "../tc/htb.js";
import type { QdiscOptionsInputByKind } from "../tc/qdisc.js";
import { replaceQdisc } from "../tc/qdiscs.js";
import { gotoChain } from "../tc/verdict.js";

/**
 * What we send for commands of tc(8), by how they end.
 * @param index the device d0
 * @param to the device v1
 */
export function moreTcCases(index: number, to: number): Record<string, NetlinkRequest> {
  const qdisc = <K extends keyof QdiscOptionsInputByKind>(kind: K, options?: QdiscOptionsInputByKind[K]) =>
    replaceQdisc({ index, kind, handle: "1:", parent: "root", options } as never);
  const htb = (options: HtbClassOptionsInput) =>
    replaceClass({ index, kind: "htb", parent: "1:", handle: "1:10", options });
  const filter = <const K extends string>(request: Omit<FilterRequest<K>, "index" | "parent">) =>
    addFilter({ index, parent: "ingress", protocol: "ip", priority: 7, ...request } as FilterRequest<K>);
  const matchall = (...actions: ActionInput[]) => filter({ kind: "matchall", options: { actions } });

  return {
    "1: fq_codel": qdisc("fq_codel", {}),
    "noecn ce_threshold 1ms memory_limit 4mb drop_batch 32": qdisc("fq_codel", {
      limit: 1000,
      flows: 512,
      targetUs: 3000,
      intervalUs: 40_000,
      quantumBytes: 1400,
      ecn: false,
      ceThresholdUs: 1000,
      memoryLimitBytes: 4 << 20,
      dropBatchSize: 32,
    }),
    "ce_threshold_selector 0x1/0x3": qdisc("fq_codel", {
      ceThresholdUs: 2000,
      ceThresholdSelector: 1,
      ceThresholdMask: 3,
    }),
    "1: codel": qdisc("codel", {}),
    "codel limit 500 target 4ms interval 90ms ce_threshold 2ms ecn": qdisc("codel", {
      limit: 500,
      targetUs: 4000,
      intervalUs: 90_000,
      ceThresholdUs: 2000,
      ecn: true,
    }),
    "1: sfq": qdisc("sfq"),
    "sfq limit 100 perturb 10 quantum 2000 depth 60 divisor 512 headdrop": qdisc("sfq", {
      limit: 100,
      perturbSeconds: 10,
      quantumBytes: 2000,
      depth: 60,
      divisor: 512,
      headDrop: true,
    }),
    "sfq redflowlimit 100000 min 8000 max 60000 probability 0.2 ecn": qdisc("sfq", {
      red: { limitBytes: 100_000, minBytes: 8000, maxBytes: 60_000, probability: 0.2, ecn: true },
    }),
    "pfifo limit 50": qdisc("pfifo", { limit: 50 }),
    "bfifo limit 50000": qdisc("bfifo", { limit: 50_000 }),
    "1: prio": qdisc("prio"),
    "prio bands 4 priomap 3 2 1 0 1 2 0 0 1 1 1 1 1 1 1 1": qdisc("prio", {
      bands: 4,
      priomap: [3, 2, 1, 0, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
    }),
    "1: mq": replaceQdisc({ index, kind: "mq", handle: "1:", parent: "root" }),
    "queues 1@0 1@1 2@2 hw 0": qdisc("mqprio", {
      priomap: [2, 2, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
      queues: [
        { count: 1, offset: 0 },
        { count: 1, offset: 1 },
        { count: 2, offset: 2 },
      ],
      hardware: false,
    }),
    "netem delay 10ms": qdisc("netem", { delayUs: 10_000 }),
    "netem limit 500 delay 10ms 2ms 25% loss 1.5% 10% duplicate 2% 5% corrupt 0.1% 1% reorder 5% 50% gap 5":
      qdisc("netem", {
        limit: 500,
        delayUs: 10_000,
        jitterUs: 2000,
        delayCorrelation: 0.25,
        loss: { probability: 0.015, correlation: 0.1 },
        duplicate: { probability: 0.02, correlation: 0.05 },
        corrupt: { probability: 0.001, correlation: 0.01 },
        reorder: { probability: 0.05, correlation: 0.5 },
        gap: 5,
      }),
    "netem delay 5s 1s rate 5mbit 20 100 5 slot 1ms 2ms packets 10 bytes 20000": qdisc("netem", {
      delayUs: 5_000_000,
      jitterUs: 1_000_000,
      rate: { bitsPerSecond: 5_000_000, packetOverheadBytes: 20, cellSizeBytes: 100, cellOverheadBytes: 5 },
      slot: { minDelayUs: 1000, maxDelayUs: 2000, maxPackets: 10, maxBytes: 20_000 },
    }),
    "netem loss state 1% 10% 30% 20% 2%": qdisc("netem", {
      lossState: { p13: 0.01, p31: 0.1, p32: 0.3, p23: 0.2, p14: 0.02 },
    }),
    "1: cake": qdisc("cake", {}),
    "cake bandwidth 100mbit besteffort dual-srchost nat wash ack-filter rtt 50ms overhead 18 mpu 64 atm memlimit 4mb":
      qdisc("cake", {
        bandwidthBitsPerSecond: 100_000_000n,
        diffserv: "besteffort",
        flowMode: "dualSrchost",
        nat: true,
        wash: true,
        ackFilter: "filter",
        rttUs: 50_000,
        targetUs: 2500,
        overheadBytes: 18,
        mpuBytes: 64,
        atm: "atm",
        memoryLimitBytes: 4 << 20,
        autorateIngress: false,
      }),
    "cake bandwidth 50gbit diffserv8 flows ingress autorate-ingress split-gso fwmark 0xff ptm overhead -10":
      qdisc("cake", {
        bandwidthBitsPerSecond: 50_000_000_000n,
        diffserv: "diffserv8",
        flowMode: "flows",
        ingress: true,
        autorateIngress: true,
        splitGso: true,
        fwmarkMask: 0xff,
        atm: "ptm",
        overheadBytes: -10,
      }),
    "cake unlimited precedence triple-isolate ack-filter-aggressive no-split-gso datacentre": qdisc("cake", {
      bandwidthBitsPerSecond: "unlimited",
      diffserv: "precedence",
      flowMode: "tripleIsolate",
      ackFilter: "aggressive",
      splitGso: false,
      rttUs: 100,
      targetUs: 5,
      autorateIngress: false,
    }),
    "etf clockid CLOCK_TAI delta 200000 skip_sock_check": qdisc("etf", {
      deltaNs: 200_000,
      flags: ["skipSockCheck"],
    }),
    "etf clockid CLOCK_TAI delta 300000 deadline_mode": qdisc("etf", {
      clock: "tai",
      deltaNs: 300_000,
      flags: ["deadlineMode"],
    }),
    "tbf rate 100mbit burst 32000 latency 25ms overhead 20 mpu 64 linklayer atm": qdisc("tbf", {
      rateBitsPerSecond: 100_000_000n,
      burstBytes: 32_000,
      latencyUs: 25_000,
      overheadBytes: 20,
      mpuBytes: 64,
      linkLayer: "atm",
    }),
    "tbf rate 1gbit burst 50000 limit 100000 peakrate 2gbit mtu 1600": qdisc("tbf", {
      rateBitsPerSecond: 1_000_000_000n,
      burstBytes: 50_000,
      limitBytes: 100_000,
      peakRateBitsPerSecond: 2_000_000_000n,
      peakBurstBytes: 1600,
    }),
    "tbf rate 50gbit burst 4mb latency 10ms peakrate 60gbit mtu 9000": qdisc("tbf", {
      rateBitsPerSecond: 50_000_000_000n,
      burstBytes: 4 << 20,
      latencyUs: 10_000,
      peakRateBitsPerSecond: 60_000_000_000n,
      peakBurstBytes: 9000,
    }),
    "ingress_block 22 ingress": replaceQdisc({ index, kind: "ingress", ingressBlock: 22 }),
    "htb rate 10mbit ceil 1gbit burst 20000 cburst 30000 prio 2 quantum 3000": htb({
      rateBitsPerSecond: 10_000_000n,
      ceilBitsPerSecond: 1_000_000_000n,
      burstBytes: 20_000,
      ceilBurstBytes: 30_000,
      priority: 2,
      quantumBytes: 3000,
    }),
    "htb rate 50gbit ceil 60gbit burst 4mb cburst 5mb": htb({
      rateBitsPerSecond: 50_000_000_000n,
      ceilBitsPerSecond: 60_000_000_000n,
      burstBytes: 4 << 20,
      ceilBurstBytes: 5 << 20,
    }),
    "htb rate 3mbit overhead 20 mpu 64 mtu 3000 linklayer adsl": htb({
      rateBitsPerSecond: 3_000_000n,
      overheadBytes: 20,
      mpuBytes: 64,
      mtuBytes: 3000,
      linkLayer: "atm",
    }),
    "htb rate 3mbit overhead 24 linklayer ethernet": htb({
      rateBitsPerSecond: 3_000_000n,
      overheadBytes: 24,
      linkLayer: "ethernet",
    }),
    "ip_flags frag/nofirstfrag action drop": filter({
      kind: "flower",
      protocol: "ipv6",
      options: {
        ipProtocol: "udp",
        ipv6Source: "2001:db8::/32",
        ipv6Destination: "2001:db8::1/128",
        udpSourcePort: 53,
        udpDestinationPort: 53,
        ipFlags: ["fragment"],
        ipFlagsMask: ["fragment", "firstFragment"],
        actions: [gact("shot")],
      },
    }),
    "cvlan_ethtype ip ip_proto sctp dst_port 7": filter({
      kind: "flower",
      protocol: "802.1ad",
      options: {
        vlanId: 5,
        vlanPriority: 3,
        vlanEthType: "vlan",
        innerVlanId: 7,
        innerVlanPriority: 1,
        innerVlanEthType: "ip",
        ipProtocol: "sctp",
        sctpDestinationPort: 7,
      },
    }),
    "arp_sha 02:00:00:00:00:01 arp_tha 02:00:00:00:00:02": filter({
      kind: "flower",
      protocol: "arp",
      options: {
        arpOperation: 1,
        arpOperationMask: 255,
        arpSourceIp: "10.0.0.1/32",
        arpTargetIp: "10.0.0.0/8",
        arpSourceMac: "02:00:00:00:00:01",
        arpSourceMacMask: "ff:ff:ff:ff:ff:ff",
        arpTargetMac: "02:00:00:00:00:02",
        arpTargetMacMask: "ff:ff:ff:ff:ff:ff",
      },
    }),
    "flower ip_proto icmp type 8 code 0": filter({
      kind: "flower",
      options: { ipProtocol: "icmp", icmpType: 8, icmpTypeMask: 255, icmpCode: 0, icmpCodeMask: 255 },
    }),
    "flower ip_proto icmpv6 type 128 code 0": filter({
      kind: "flower",
      protocol: "ipv6",
      options: {
        ipProtocol: "icmpv6",
        icmpv6Type: 128,
        icmpv6TypeMask: 255,
        icmpv6Code: 0,
        icmpv6CodeMask: 255,
      },
    }),
    "matchall skip_hw classid 1:7 action pass": filter({
      kind: "matchall",
      options: { classid: "1:7", actions: [gact("ok")], flags: ["skipHardware"] },
    }),
    "basic match 'cmp(u8 at 0 layer 2 mask 0xff eq 3)' classid 1:4": filter({
      kind: "basic",
      options: {
        classid: "1:4",
        ematches: {
          header: { count: 1, programId: 0 },
          matches: [
            // struct tcf_em_cmp: value, mask, offset, alignment and flags, layer and operand.
            { kind: "cmp", tail: Uint8Array.of(3, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 1, 2) },
          ],
        },
      },
    }),
    "matchall action mirred egress mirror dev v1 pipe action mirred ingress redirect dev v1": matchall(
      mirred({ to, mode: "mirror" }),
      mirred({ to, direction: "ingress" }),
    ),
    "matchall action drop random determ pass 7 index 12 cookie 00112233": matchall({
      ...gact("shot", { random: { type: "determ", every: 7, action: "ok" }, index: 12 }),
      cookie: Uint8Array.of(0, 0x11, 0x22, 0x33),
    }),
    "matchall action gact continue random netrand drop 5": matchall(
      gact("unspec", { random: { type: "netrand", every: 5, action: "shot" } }),
    ),
    "police rate 1mbit burst 10000 mtu 1600 conform-exceed drop/pipe overhead 24 linklayer ethernet":
      matchall(
        police({
          rateBitsPerSecond: 1_000_000,
          burstBytes: 10_000,
          mtuBytes: 1600,
          exceed: "shot",
          conform: "pipe",
          overheadBytes: 24,
        }),
      ),
    "police rate 50gbit burst 4mb peakrate 60gbit mtu 64kb mpu 64 drop": matchall(
      police({
        rateBitsPerSecond: 50_000_000_000n,
        burstBytes: 4 << 20,
        peakRateBitsPerSecond: 60_000_000_000n,
        mtuBytes: 64 << 10,
        mpuBytes: 64,
        exceed: "shot",
      }),
    ),
    "police rate 100kbit burst 2000 linklayer atm overhead 20 action continue index 3": matchall(
      police({
        rateBitsPerSecond: 100_000,
        burstBytes: 2000,
        linkLayer: "atm",
        overheadBytes: 20,
      }),
      gact("unspec", { index: 3 }),
    ),
    "police pkts_rate 1000 pkts_burst 200 conform-exceed reclassify": matchall(
      police({ packetsPerSecond: 1000, packetBurst: 200 }),
    ),
    "skbedit mark 5/0xff priority 1:3 queue_mapping 2 ptype host": matchall(
      skbedit({ mark: 5, markMask: 0xff, priority: "1:3", queueMapping: 2, packetType: 0 }),
    ),
    "skbedit inheritdsfield": matchall(skbedit({ inheritDsField: true })),
    "vlan push id 5 protocol 802.1ad priority 3": matchall(
      vlan({ operation: "push", id: 5, protocol: "802.1ad", priority: 3 }),
    ),
    "vlan pop pipe action vlan modify id 9 pass": matchall(
      vlan({ operation: "pop" }),
      vlan({ operation: "modify", id: 9, action: "ok" }),
    ),
    "vlan push_eth dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02": matchall(
      vlan({
        operation: "pushEth",
        ethDestination: "02:00:00:00:00:01",
        ethSource: "02:00:00:00:00:02",
      }),
    ),
    "vlan pop_eth": matchall(vlan({ operation: "popEth" })),
    "chain 5 flower dst_ip 192.0.2.0/24 action goto chain 6": filter({
      kind: "flower",
      chain: 5,
      options: { ipv4Destination: "192.0.2.0/24", actions: [gact(gotoChain(6))] },
    }),
    "tc chain add dev d0 ingress chain 5": addChain({ index, parent: "ingress", chain: 5 }),
    "chain 6 flower dst_ip 0.0.0.0/24 ip_proto tcp": addChain({
      index,
      parent: "ingress",
      chain: 6,
      kind: "flower",
      protocol: "ip",
      template: { ipv4Destination: "0.0.0.0/24", ipProtocol: "tcp" },
    }),
  };
}

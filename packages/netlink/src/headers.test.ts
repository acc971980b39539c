import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  controller,
  controllerAttributes,
  multicastGroupAttributes,
  operationAttributes,
  operationPolicyAttributes,
} from "./generic/controller.js";
import * as ethtool from "./generic/ethtool.js";
import { genlmsghdr } from "./generic/family.js";
import * as netdev from "./generic/netdev.js";
import * as wireguard from "./generic/wireguard.js";
import { extendedAckAttributes, policyAttributes } from "./netlink-error.js";
import { addressAttributes, ifaCacheinfo, ifaddrmsg } from "./rtnetlink/address.js";
import { encapSets } from "./rtnetlink/encap.js";
import {
  bridgeLinkMessage,
  bridgeVlanEntry,
  bridgeVlanMessage,
  bridgeVlanMessageHeader,
  bridgeVlanStats,
  netconfAttributes,
  netconfHeader,
} from "./rtnetlink/family-links.js";
import { bondAggregator, bondData, bondPortData } from "./rtnetlink/kinds/bond.js";
import {
  bridgeAfSpec,
  bridgeData,
  bridgeId,
  bridgePortData,
  bridgeVlanInfo,
} from "./rtnetlink/kinds/bridge.js";
import { geneveData, genevePortRange } from "./rtnetlink/kinds/geneve.js";
import { ipvlanData, macvlanData } from "./rtnetlink/kinds/macvlan.js";
import { hsrData, tunData, vrfData, vrfPortData } from "./rtnetlink/kinds/other.js";
import {
  bareudpData,
  greData,
  ip6TunnelData,
  ipTunnelData,
  vtiData,
  xfrmData,
} from "./rtnetlink/kinds/tunnel.js";
import { vlanData, vlanFlags, vlanQos, vlanQosMapping } from "./rtnetlink/kinds/vlan.js";
import { vxlanData, vxlanPortRange } from "./rtnetlink/kinds/vxlan.js";
import {
  afSpec,
  ifinfomsg,
  linkAttributes,
  linkInfo,
  linkMap,
  linkStats64,
  netkitData,
  vethData,
  xdpAttributes,
} from "./rtnetlink/link-schema.js";
import * as mdb from "./rtnetlink/mdb-schema.js";
import { RtmType } from "./rtnetlink/messages.js";
import { namespaceIdAttributes, rtgenmsg } from "./rtnetlink/namespace-id.js";
import {
  fdbExtension,
  ndaCacheinfo,
  ndmsg,
  ndtConfig,
  ndtmsg,
  ndtStats,
  neighbourAttributes,
  neighbourParameters,
  neighbourTableAttributes,
} from "./rtnetlink/neighbour-schema.js";
import {
  groupStatsEntry,
  nexthopGroupEntry,
  nexthopObjectAttributes,
  nhmsg,
  resilientBucket,
  resilientGroup,
} from "./rtnetlink/nexthop-schema.js";
import { routeAttributes, routeMetrics, rtaCacheinfo, rtmsg } from "./rtnetlink/route-schema.js";
import { fibRuleHeader, portRange, ruleAttributes, uidRange } from "./rtnetlink/rule-schema.js";
import * as vf from "./rtnetlink/vf-schema.js";
import type { AttributeSet, Declaration, Struct } from "./schema/index.js";
import {
  actionAttributes,
  bitfield32,
  gactOptions,
  gactParms,
  gactProbability,
  mirredOptions,
  mirredParms,
} from "./tc/action.js";
import { actionMessage, tcamsg } from "./tc/action-message.js";
import * as bpfAction from "./tc/actions/bpf.js";
import * as pedit from "./tc/actions/pedit.js";
import * as police from "./tc/actions/police.js";
import * as skbedit from "./tc/actions/skbedit.js";
import * as vlanAction from "./tc/actions/vlan.js";
import * as basic from "./tc/classifiers/basic.js";
import * as flower from "./tc/classifiers/flower.js";
import { fwFilter } from "./tc/classifiers/fw.js";
import {
  bpfFilter,
  matchallCounts,
  matchallFilter,
  u32Counts,
  u32Filter,
  u32Key,
  u32Mark,
  u32SelectorHeader,
} from "./tc/filter-schema.js";
import { fqAttributes, fqStats, prioQopt } from "./tc/fq.js";
import { htbAttributes, htbGlob, htbOpt, htbXstats } from "./tc/htb.js";
import * as cake from "./tc/kinds/cake.js";
import * as codel from "./tc/kinds/codel.js";
import * as etf from "./tc/kinds/etf.js";
import * as mqprio from "./tc/kinds/mqprio.js";
import * as netem from "./tc/kinds/netem.js";
import * as sfq from "./tc/kinds/sfq.js";
import { ratespec } from "./tc/rate.js";
import { basicStats, queueStats, rateEstimate, rateEstimate64, stats2, tcStats } from "./tc/stats.js";
import { tbfAttributes, tbfQopt } from "./tc/tbf.js";
import { estimator, fifoQopt, qdiscMessage, sizeSpec, sizeTable, tcmsg } from "./tc/tc-schema.js";
import { actionTimes } from "./tc/verdict.js";

type AnySet = AttributeSet<Readonly<Record<string, Declaration>>>;

const sets = [
  actionAttributes,
  gactOptions,
  mirredOptions,
  addressAttributes,
  afSpec,
  afSpec.declarations.inet[2],
  afSpec.declarations.inet6[2],
  bpfFilter,
  bareudpData(),
  bondAggregator,
  bondData(),
  bondPortData(),
  bridgeAfSpec,
  bridgeData(),
  bridgePortData(),
  extendedAckAttributes,
  fqAttributes,
  geneveData(),
  greData(),
  hsrData(),
  htbAttributes,
  ip6TunnelData(),
  ipTunnelData(),
  ipvlanData(),
  linkAttributes,
  linkInfo,
  macvlanData(),
  matchallFilter,
  namespaceIdAttributes,
  netkitData(),
  policyAttributes,
  qdiscMessage.attributes,
  routeAttributes,
  routeMetrics,
  stats2,
  tbfAttributes,
  tunData(),
  u32Filter,
  vethData,
  vf.vfAttributes,
  vf.vfList(),
  vf.vfStats,
  vlanData(),
  vlanQos,
  vrfData(),
  vrfPortData(),
  vtiData(),
  vxlanData(),
  xdpAttributes(),
  xfrmData(),
  bridgeLinkMessage().attributes,
  bridgeVlanEntry,
  bridgeVlanMessage().attributes,
  bridgeVlanStats,
  netconfAttributes,
  ...Object.values(encapSets).map((set) => set()),
  fdbExtension,
  neighbourAttributes,
  neighbourParameters,
  neighbourTableAttributes,
  groupStatsEntry,
  nexthopObjectAttributes,
  resilientBucket,
  resilientGroup,
  ruleAttributes,
  controllerAttributes,
  multicastGroupAttributes,
  operationAttributes,
  operationPolicyAttributes,
  ethtool.ethtoolBit,
  ethtool.ethtoolBitset,
  ethtool.ethtoolChannels,
  ethtool.ethtoolCoalesce,
  ethtool.ethtoolFeatures,
  ethtool.ethtoolHeader,
  ethtool.ethtoolLinkState,
  ethtool.ethtoolRings,
  netdev.netdevDevice,
  netdev.netdevNapi,
  netdev.netdevQueue,
  netdev.netdevQueueStats,
  wireguard.wireguardAllowedIp,
  wireguard.wireguardDevice,
  wireguard.wireguardPeer,
  mdb.mdbEntryAttributes,
  mdb.mdbMessage().attributes,
  mdb.mdbRequestAttributes,
  mdb.mdbRequestMessage().attributes,
  mdb.mdbRouterAttributes,
  mdb.mdbSource,
  actionMessage().attributes,
  basic.basicFilter(),
  basic.ematchTree(),
  bpfAction.bpfAttributes(),
  cake.cakeAttributes(),
  cake.cakeTinStats(),
  cake.cakeXstats(),
  codel.codelAttributes(),
  codel.fqCodelAttributes(),
  etf.etfAttributes(),
  flower.erspanOption(),
  flower.flowerFilter(),
  flower.geneveOption(),
  flower.gtpOption(),
  flower.mplsStack(),
  flower.mplsStackEntry(),
  flower.tunnelOptions(),
  flower.vxlanOption(),
  fwFilter(),
  mqprio.mqprioAttributes(),
  mqprio.mqprioTrafficClass(),
  netem.netemAttributes(),
  netem.netemLoss(),
  pedit.peditAttributes(),
  pedit.peditKeyEx(),
  pedit.peditKeysEx(),
  police.policeAttributes(),
  sizeTable,
  skbedit.skbeditAttributes(),
  vlanAction.vlanAttributes(),
] as unknown as AnySet[];

const structs = [
  actionTimes,
  basicStats,
  bitfield32,
  bridgeId,
  bridgeVlanInfo,
  fifoQopt,
  fqStats,
  gactParms,
  gactProbability,
  genevePortRange,
  htbGlob,
  htbOpt,
  htbXstats,
  ifaCacheinfo,
  ifaddrmsg,
  ifinfomsg,
  linkMap,
  linkStats64,
  mirredParms,
  prioQopt,
  queueStats,
  rateEstimate,
  rateEstimate64,
  ratespec,
  rtaCacheinfo,
  rtgenmsg,
  rtmsg,
  tbfQopt,
  tcStats,
  tcmsg,
  u32Key,
  u32SelectorHeader,
  vf.vfBroadcast,
  vf.vfGuid,
  vf.vfLinkState,
  vf.vfMac,
  vf.vfRate,
  vf.vfRssQuery,
  vf.vfSpoofCheck,
  vf.vfTrust,
  vf.vfTxRate,
  vf.vfVlan,
  vf.vfVlanInfo,
  vlanFlags,
  vlanQosMapping,
  vxlanPortRange,
  bridgeVlanMessageHeader,
  mdb.bridgePortMessageHeader,
  mdb.mdbEntryHeader,
  netconfHeader,
  tcamsg,
  wireguard.wireguardTime,
  ndaCacheinfo,
  ndmsg,
  ndtConfig,
  ndtmsg,
  ndtStats,
  nexthopGroupEntry,
  nhmsg,
  fibRuleHeader,
  portRange,
  uidRange,
  genlmsghdr,
  basic.basicCounts,
  basic.ematchHeader,
  basic.ematchTreeHeader,
  bpfAction.bpfParms,
  codel.codelXstats,
  codel.fqCodelFlowStats,
  codel.fqCodelQdiscStats,
  estimator,
  etf.etfQopt,
  matchallCounts,
  mqprio.mqprioQopt,
  netem.netemCorrelation,
  netem.netemCorrupt,
  netem.netemGeModel,
  netem.netemGiModel,
  netem.netemQopt,
  netem.netemRate,
  netem.netemReorder,
  netem.netemSlot,
  pedit.peditKey,
  pedit.peditSelector,
  police.policeParms,
  sfq.sfqQopt,
  sfq.sfqQoptV1,
  sfq.sfqRedStats,
  sfq.sfqXstats,
  sizeSpec,
  skbedit.skbeditParms,
  u32Counts,
  u32Mark,
  vlanAction.vlanParms,
] as unknown as Struct<never>[];

/** Constants that are younger than the headers of Linux 6.1 (Debian 12), with the version that brought them. */
const younger = new Map([
  ["IFLA_DEVLINK_PORT", "6.2"],
  ["IFLA_GSO_IPV4_MAX_SIZE", "6.3"],
  ["IFLA_GRO_IPV4_MAX_SIZE", "6.3"],
  ["IFLA_DPLL_PIN", "6.7"],
  ["IFLA_MAX_PACING_OFFLOAD_HORIZON", "6.13"],
  ["IFLA_NETNS_IMMUTABLE", "6.15"],
  ["IFLA_HEADROOM", "6.17"],
  ["IFLA_TAILROOM", "6.17"],
  ["IFLA_MACVLAN_BC_CUTOFF", "6.4"],
  ["IFLA_BR_FDB_N_LEARNED", "6.7"],
  ["IFLA_BR_FDB_MAX_LEARNED", "6.7"],
  ["IFLA_NETKIT_PEER_INFO", "6.7"],
  ["IFLA_NETKIT_PRIMARY", "6.7"],
  ["IFLA_NETKIT_POLICY", "6.7"],
  ["IFLA_NETKIT_PEER_POLICY", "6.7"],
  ["IFLA_NETKIT_MODE", "6.7"],
  ["IFLA_NETKIT_SCRUB", "6.13"],
  ["IFLA_NETKIT_PEER_SCRUB", "6.13"],
  ["IFLA_NETKIT_HEADROOM", "6.14"],
  ["IFLA_NETKIT_TAILROOM", "6.14"],
  ["IFLA_NETKIT_PAIRING", "by 7.2"],
  ["IFLA_BOND_BROADCAST_NEIGH", "6.17"],
  ["IFLA_BOND_LACP_STRICT", "by 7.2"],
  ["IFLA_BR_STP_MODE", "by 7.2"],
  ["IFLA_BRPORT_MAB", "6.2"],
  ["IFLA_BRPORT_MCAST_N_GROUPS", "6.3"],
  ["IFLA_BRPORT_MCAST_MAX_GROUPS", "6.3"],
  ["IFLA_BRPORT_NEIGH_VLAN_SUPPRESS", "6.4"],
  ["IFLA_BRPORT_BACKUP_NHID", "6.6"],
  ["IFLA_BRPORT_NEIGH_FORWARD_GRAT", "by 7.2"],
  ["IFLA_GENEVE_PORT_RANGE", "6.15"],
  ["IFLA_GENEVE_GRO_HINT", "by 7.2"],
  ["IFLA_GENEVE_LOCAL", "by 7.2"],
  ["IFLA_GENEVE_LOCAL6", "by 7.2"],
  ["IFLA_VXLAN_LOCALBYPASS", "6.5"],
  ["IFLA_VXLAN_LABEL_POLICY", "6.8"],
  ["IFLA_VXLAN_RESERVED_BITS", "6.14"],
  ["IFLA_VXLAN_MC_ROUTE", "6.15"],
  ["ifla_geneve_port_range", "6.15"],
  ["SEG6_IPTUNNEL_SRC", "by 7.2"],
  ["BRIDGE_VLANDB_ENTRY_MCAST_N_GROUPS", "6.3"],
  ["BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS", "6.3"],
  ["BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS", "6.4"],
  ["BRIDGE_VLANDB_ENTRY_NEIGH_FORWARD_GRAT", "by 7.2"],
  ["NHA_GROUP_STATS_ENTRY_ID", "6.9"],
  ["NHA_GROUP_STATS_ENTRY_PACKETS", "6.9"],
  ["NHA_GROUP_STATS_ENTRY_PACKETS_HW", "6.9"],
  ["NHA_GROUP_STATS_ENTRY", "6.9"],
  ["NHA_OP_FLAGS", "6.9"],
  ["NHA_GROUP_STATS", "6.9"],
  ["NHA_HW_STATS_ENABLE", "6.9"],
  ["NHA_HW_STATS_USED", "6.9"],
  ["FRA_DSCP", "6.12"],
  ["FRA_FLOWLABEL", "6.14"],
  ["FRA_FLOWLABEL_MASK", "6.14"],
  ["FRA_SPORT_MASK", "6.15"],
  ["FRA_DPORT_MASK", "6.15"],
  ["FRA_DSCP_MASK", "6.15"],
  ["ETHTOOL_A_HEADER_PHY_INDEX", "6.11"],
  ["ETHTOOL_A_RINGS_RX_PUSH", "6.3"],
  ["ETHTOOL_A_RINGS_TX_PUSH_BUF_LEN", "6.4"],
  ["ETHTOOL_A_RINGS_TX_PUSH_BUF_LEN_MAX", "6.4"],
  ["ETHTOOL_A_RINGS_HDS_THRESH", "6.14"],
  ["ETHTOOL_A_RINGS_HDS_THRESH_MAX", "6.14"],
  ["ETHTOOL_A_COALESCE_TX_AGGR_MAX_BYTES", "6.3"],
  ["ETHTOOL_A_COALESCE_TX_AGGR_MAX_FRAMES", "6.3"],
  ["ETHTOOL_A_COALESCE_TX_AGGR_TIME_USECS", "6.3"],
  ["ETHTOOL_A_LINKSTATE_EXT_DOWN_CNT", "6.2"],
  ["TCA_FQ_PRIOMAP", "6.7"],
  ["TCA_FQ_WEIGHTS", "6.7"],
  ["TCA_FQ_OFFLOAD_HORIZON", "6.13"],
  ["TCA_EXT_WARN_MSG", "6.3"],
  ["TCA_MIRRED_BLOCKID", "6.8"],
  ["TCA_MQPRIO_TC_ENTRY", "6.4"],
  ["TCA_MQPRIO_TC_ENTRY_INDEX", "6.4"],
  ["TCA_MQPRIO_TC_ENTRY_FP", "6.4"],
  ["TCA_NETEM_PRNG_SEED", "6.6"],
  ["MDBA_MDB_EATTR_DST", "6.4"],
  ["MDBA_MDB_EATTR_DST_PORT", "6.4"],
  ["MDBA_MDB_EATTR_VNI", "6.4"],
  ["MDBA_MDB_EATTR_IFINDEX", "6.4"],
  ["MDBA_MDB_EATTR_SRC_VNI", "6.4"],
  ["MDBE_ATTR_SRC_LIST", "6.3"],
  ["MDBE_ATTR_GROUP_MODE", "6.3"],
  ["MDBE_ATTR_RTPROT", "6.3"],
  ["MDBE_ATTR_DST", "6.4"],
  ["MDBE_ATTR_DST_PORT", "6.4"],
  ["MDBE_ATTR_VNI", "6.4"],
  ["MDBE_ATTR_IFINDEX", "6.4"],
  ["MDBE_ATTR_SRC_VNI", "6.4"],
  ["MDBE_ATTR_STATE_MASK", "6.8"],
  ["MDBE_SRC_LIST_ENTRY", "6.3"],
  ["MDBE_SRCATTR_ADDRESS", "6.3"],
  ["WGALLOWEDIP_A_FLAGS", "6.16"],
  ["RTM_NEWMULTICAST", "6.15"],
  ["RTM_DELMULTICAST", "6.15"],
  ["RTM_NEWANYCAST", "6.15"],
  ["RTM_DELANYCAST", "6.15"],
]);

/** linux/netdev.h came with Linux 6.3. */
const isYounger = (constant: string) => younger.has(constant) || constant.startsWith("NETDEV_A_");

/** Structs that kernels have made longer: the headers at hand may know a shorter one. */
const growing = new Set(["tc_fq_qd_stats", "rtnl_link_stats64"]);

const includes = [
  "sys/socket.h",
  "linux/ethtool_netlink.h",
  "linux/fib_rules.h",
  "linux/gen_stats.h",
  "linux/genetlink.h",
  "linux/if_addr.h",
  "linux/if_bridge.h",
  "linux/if_link.h",
  "linux/if_tunnel.h",
  "linux/lwtunnel.h",
  "linux/mpls_iptunnel.h",
  "linux/neighbour.h",
  "linux/net_namespace.h",
  "linux/netconf.h",
  "linux/netdev.h",
  "linux/nexthop.h",
  "linux/seg6_iptunnel.h",
  "linux/netlink.h",
  "linux/pkt_cls.h",
  "linux/pkt_sched.h",
  "linux/rtnetlink.h",
  "linux/tc_act/tc_bpf.h",
  "linux/tc_act/tc_gact.h",
  "linux/tc_act/tc_mirred.h",
  "linux/tc_act/tc_pedit.h",
  "linux/tc_act/tc_skbedit.h",
  "linux/tc_act/tc_vlan.h",
  "linux/time_types.h",
  "linux/veth.h",
  "linux/wireguard.h",
];
const hasHeaders =
  spawnSync("gcc", ["--version"]).status === 0 && existsSync("/usr/include/linux/rtnetlink.h");
const withHeaders = hasHeaders ? test : test.skip;
if (!hasHeaders)
  console.log("skipped, for want of gcc and linux-libc-dev: the comparison with the kernel's headers");

/** A folder of newer headers than the system's, for those who write schemas: usr/include of another linux-libc-dev. */
const newer = process.env.KERNEL_HEADERS;
const headerFolders = newer ? ["-isystem", newer, "-isystem", `${newer}/x86_64-linux-gnu`] : [];

const prelude = includes.map((file) => `#if __has_include(<${file}>)\n#include <${file}>\n#endif`).join("\n");

/** What C says of expressions. */
function evaluate(expressions: readonly string[]): Map<string, number> {
  const folder = mkdtempSync(join(tmpdir(), "netlink-headers-"));
  try {
    const lines = expressions.map((text) => `  printf("%lld\\n", (long long)(${text}));`).join("\n");
    const source = join(folder, "main.c");
    writeFileSync(source, `${prelude}\n#include <stdio.h>\nint main(void) {\n${lines}\n  return 0;\n}\n`);
    execFileSync("gcc", [...headerFolders, "-w", "-o", join(folder, "main"), source]);
    const values = execFileSync(join(folder, "main"), { encoding: "utf8" }).trim().split("\n");
    return new Map(expressions.map((text, index) => [text, Number(values[index])]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All that the headers say, macros included. */
function headerText(): string {
  const options = { input: prelude, encoding: "utf8", maxBuffer: 64 << 20 } as const;
  return (
    execFileSync("gcc", [...headerFolders, "-E", "-x", "c", "-"], options) +
    execFileSync("gcc", [...headerFolders, "-E", "-dM", "-x", "c", "-"], options)
  );
}

withHeaders("every attribute has the number that the kernel's headers give its constant", () => {
  const words = new Set(headerText().match(/\w+/g));
  const declared = sets.flatMap((set) => Object.values(set.declarations));
  const known = declared.filter(([, constant]) => words.has(constant));
  for (const [, constant] of declared)
    assert.ok(words.has(constant) || isYounger(constant), `${constant} is in no header`);
  const values = evaluate(known.map(([, constant]) => constant));
  for (const [id, constant] of known) assert.is(id, values.get(constant), constant);
  assert.ok(known.length > 200);
});

withHeaders("every struct has the size that C gives it", () => {
  const words = new Set(headerText().match(/\w+/g));
  for (const { cName } of structs)
    assert.ok(words.has(cName) || younger.has(cName), `struct ${cName} is in no header`);
  const known = structs.filter(({ cName }) => words.has(cName));
  const values = evaluate(known.map(({ cName }) => sizeofText(cName)));
  for (const { cName, size } of known) {
    const inHeader = values.get(sizeofText(cName)) as number;
    if (growing.has(cName)) assert.ok(size >= inHeader, cName);
    else assert.is(size, inHeader, cName);
  }
});

withHeaders("every message type has its number", () => {
  const words = new Set(headerText().match(/\w+/g));
  const known = Object.entries(RtmType).filter(([name]) => words.has(name));
  for (const [name] of Object.entries(RtmType))
    assert.ok(words.has(name) || younger.has(name), `${name} is in no header`);
  const values = evaluate(known.map(([name]) => name));
  for (const [name, number] of known) assert.is(number, values.get(name), name);
});

withHeaders("every command of a generic family has its number", () => {
  const words = new Set(headerText().match(/\w+/g));
  const numbers = [controller, ethtool.ethtool, netdev.netdev, wireguard.wireguard].flatMap(
    ({ commands, notifications }) => [
      ...Object.values(commands).map(({ constant, id }) => [constant, id] as const),
      ...Object.values(commands).flatMap((one) => {
        const { replyConstant, replyId } = one as { replyConstant?: string; replyId?: number };
        return replyConstant === undefined ? [] : [[replyConstant, replyId] as const];
      }),
      ...Object.values(notifications ?? {}).map(({ constant, id }) => [constant, id] as const),
    ],
  );
  const known = numbers.filter(([constant]) => words.has(constant));
  const values = evaluate(known.map(([constant]) => constant));
  for (const [constant, id] of known) assert.is(id, values.get(constant), constant);
  assert.ok(known.length > 20);
});

function sizeofText(cName: string): string {
  return `sizeof(struct ${cName})`;
}

test.run();

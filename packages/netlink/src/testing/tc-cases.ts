import type { Fd } from "@weir/syscall";
import type { NetlinkRequest } from "../request.js";
import { type ActionInput, gact, mirred } from "../tc/action.js";
import { bpfAction } from "../tc/actions/bpf.js";
import { pedit } from "../tc/actions/pedit.js";
import { skbedit } from "../tc/actions/skbedit.js";
import { addFilter, type FilterRequest } from "../tc/filters.js";
import { addQdisc, replaceQdisc } from "../tc/qdiscs.js";
import { moreTcCases } from "./more-tc-cases.js";
import { moreTcRequests } from "./more-tc-requests.js";
import type { Feature } from "./needs.js";

/** An object of traffic control as tc(8) makes it, and as we do. */
export interface TcCase {
  /** What follows "tc"; d0 is the device, v1 its peer. */
  readonly command: string;
  readonly needs: readonly Feature[];
  /** The kernel that brought it, where that is younger than 5.10. */
  readonly since?: readonly [major: number, minor: number];
  readonly request: (index: number, to: number, programs: TcPrograms) => NetlinkRequest;
}

/** Programs that the cases attach, pinned as /sys/fs/bpf/pass and /sys/fs/bpf/pass_act. */
export interface TcPrograms {
  readonly classifier: Fd;
  readonly action: Fd;
}

/** What some of the captured commands need of the kernel beyond their kind. */
const since: readonly (readonly [text: RegExp, major: number, minor: number])[] = [
  [/ce_threshold_selector/, 5, 16],
  [/pkts_rate/, 5, 13],
  [/push_eth|pop_eth/, 5, 11],
];

/** Newer kernels take a queue on egress only: this one is below. */
const queueMapping = / queue_mapping /;

const captured: TcCase[] = moreTcRequests.flatMap(({ command }) => {
  if (queueMapping.test(command)) return [];
  const [, ...version] = since.find(([text]) => text.test(command)) ?? [];
  const one: TcCase = {
    command: command.slice("tc ".length),
    needs: needsOf(command),
    ...(version.length === 2 ? { since: version as [number, number] } : {}),
    request: (index, to) => {
      const found = Object.entries(moreTcCases(index, to)).find(([text]) => command.endsWith(text));
      if (!found) throw new Error(`no request of ours for ${command}`);
      return found[1];
    },
  };
  return [one];
});

/** The modules that a command names. */
function needsOf(command: string): Feature[] {
  const named = (prefix: string, names: string) =>
    [...command.matchAll(new RegExp(` (${names})(?= |$)`, "g"))].map(
      ([, name]) => `${prefix}_${name}` as Feature,
    );
  return [
    ...named("sch", "fq_codel|codel|sfq|prio|mqprio|netem|cake|etf|tbf|htb"),
    ...(command.startsWith("tc filter") || command.startsWith("tc chain") ? (["sch_clsact"] as const) : []),
    ...named("cls", "flower|basic|matchall"),
    ...named("act", "mirred|police|skbedit|vlan|gact"),
    ...(/ (drop|pass|goto)( |$)/.test(command) ? (["act_gact"] as const) : []),
  ];
}

const root = (kind: string, options?: object) => (index: number) =>
  replaceQdisc({ index, kind, handle: "1:", parent: "root", options } as never);
const at = (index: number, request: object) =>
  addFilter({ index, parent: "ingress", protocol: "ip", priority: 7, ...request } as FilterRequest);
const acting = (index: number, ...actions: ActionInput[]) =>
  at(index, { kind: "matchall", options: { actions } });

const others: readonly TcCase[] = [
  { command: "qdisc replace dev d0 root handle 1: fq", needs: ["sch_fq"], request: root("fq") },
  {
    command:
      "qdisc replace dev d0 root handle 1: fq limit 2000 flow_limit 40 quantum 3000 initial_quantum 9000 maxrate 1gbit buckets 2048 refill_delay 20ms low_rate_threshold 1mbit ce_threshold 1ms timer_slack 20us horizon 3s horizon_cap",
    needs: ["sch_fq"],
    request: root("fq", {
      limit: 2000,
      flowLimit: 40,
      quantumBytes: 3000,
      initialQuantumBytes: 9000,
      maxRateBitsPerSecond: 1_000_000_000n,
      bucketsLog: 11,
      flowRefillDelayUs: 20_000,
      lowRateThresholdBitsPerSecond: 1_000_000n,
      ceThresholdUs: 1000,
      timerSlackNs: 20_000,
      horizonUs: 3_000_000,
      horizonDrop: false,
    }),
  },
  {
    command: "qdisc replace dev d0 root handle 1: fq nopacing horizon_drop",
    needs: ["sch_fq"],
    request: root("fq", { pacing: false, horizonDrop: true }),
  },
  {
    command: "qdisc replace dev d0 root handle 1: tbf rate 1mbit burst 5000 limit 10000 overhead 4 mpu 64",
    needs: ["sch_tbf"],
    request: root("tbf", {
      rateBitsPerSecond: 1_000_000n,
      burstBytes: 5000,
      limitBytes: 10_000,
      overheadBytes: 4,
      mpuBytes: 64,
    }),
  },
  {
    command: "qdisc replace dev d0 root handle 1: htb default 10 r2q 20 direct_qlen 77",
    needs: ["sch_htb"],
    request: root("htb", { defaultClass: 0x10, rateToQuantum: 20, directQueueLength: 77 }),
  },
  { command: "qdisc replace dev d0 root handle 1: pfifo_fast", needs: [], request: root("pfifo_fast") },
  {
    command: "qdisc add dev d0 clsact",
    needs: ["sch_clsact"],
    request: (index) => addQdisc({ index, kind: "clsact" }),
  },
  {
    command: "qdisc add dev d0 ingress",
    needs: ["sch_clsact"],
    request: (index) => addQdisc({ index, kind: "ingress" }),
  },
  {
    command: "qdisc add dev d0 root noqueue",
    needs: [],
    request: (index) => addQdisc({ index, kind: "noqueue", parent: "root" }),
  },
  {
    command:
      "filter add dev d0 ingress protocol ip prio 7 u32 match ip src 10.0.0.0/8 match ip dport 80 0xffff classid 1:9 action drop",
    needs: ["sch_clsact", "cls_u32", "act_gact"],
    request: (index) =>
      at(index, {
        kind: "u32",
        options: {
          classid: "1:9",
          keys: [
            { value: 0x0a00_0000, mask: 0xff00_0000, offset: 12 },
            { value: 80, mask: 0xffff, offset: 20 },
          ],
          actions: [gact("shot")],
        },
      }),
  },
  {
    command:
      "filter add dev d0 ingress protocol ip prio 7 u32 match mark 3 0xf action mirred egress redirect dev v1",
    needs: ["sch_clsact", "cls_u32", "act_mirred"],
    request: (index, to) =>
      at(index, { kind: "u32", options: { mark: { value: 3, mask: 0xf }, actions: [mirred({ to })] } }),
  },
  {
    command: "filter add dev d0 ingress protocol ip prio 7 handle 6/0xf fw classid 1:3 action drop",
    needs: ["sch_clsact", "cls_fw", "act_gact"],
    request: (index) =>
      at(index, { kind: "fw", handle: 6, options: { classid: "1:3", mask: 0xf, actions: [gact("shot")] } }),
  },
  {
    command:
      "filter add dev d0 ingress protocol ip prio 7 flower skip_hw dst_mac 02:00:00:00:00:01 ip_proto tcp src_ip 10.1.0.0/16 dst_ip 192.0.2.1 ip_tos 0x10/0xfc ip_ttl 64 dst_port 80 tcp_flags 2/7 classid 1:5 action pass",
    needs: ["sch_clsact", "cls_flower", "act_gact"],
    request: (index) =>
      at(index, {
        kind: "flower",
        options: {
          classid: "1:5",
          flags: ["skipHardware"],
          ethDestination: "02:00:00:00:00:01",
          ipProtocol: "tcp",
          ipv4Source: "10.1.0.0/16",
          ipv4Destination: "192.0.2.1",
          ipTos: 0x10,
          ipTosMask: 0xfc,
          ipTtl: 64,
          tcpDestinationPort: 80,
          tcpFlags: 2,
          tcpFlagsMask: 7,
          actions: [gact("ok")],
        },
      }),
  },
  {
    command:
      "filter add dev d0 ingress protocol mpls_uc prio 7 flower mpls_label 100 mpls_tc 3 mpls_bos 1 mpls_ttl 64",
    needs: ["sch_clsact", "cls_flower"],
    request: (index) =>
      at(index, {
        kind: "flower",
        protocol: "mpls",
        options: { mplsLabel: 100, mplsTrafficClass: 3, mplsBottomOfStack: 1, mplsTtl: 64 },
      }),
  },
  {
    command:
      "filter add dev d0 ingress protocol ip prio 7 flower enc_key_id 77 enc_src_ip 10.0.0.1 enc_dst_port 4789 action drop",
    needs: ["sch_clsact", "cls_flower", "act_gact"],
    request: (index) =>
      at(index, {
        kind: "flower",
        options: {
          tunnelId: 77,
          tunnelIpv4Source: "10.0.0.1",
          tunnelDestinationPort: 4789,
          actions: [gact("shot")],
        },
      }),
  },
  {
    command:
      "filter add dev d0 ingress protocol all prio 7 bpf direct-action object-pinned /sys/fs/bpf/pass classid 1:2",
    needs: ["sch_clsact", "cls_bpf"],
    request: (index, _to, { classifier: fd }) =>
      at(index, {
        kind: "bpf",
        protocol: "all",
        options: { fd, name: "pass:[*fsobj]", directAction: true, classid: "1:2" },
      }),
  },
  {
    command:
      "filter add dev d0 egress protocol ip prio 7 matchall action skbedit mark 5/0xff priority 1:3 queue_mapping 2 ptype host",
    needs: ["sch_clsact", "cls_matchall", "act_skbedit"],
    request: (index) =>
      addFilter({
        index,
        parent: "egress",
        protocol: "ip",
        priority: 7,
        kind: "matchall",
        options: {
          actions: [skbedit({ mark: 5, markMask: 0xff, priority: "1:3", queueMapping: 2, packetType: 0 })],
        },
      }),
  },
  {
    command:
      "filter add dev d0 ingress protocol ip prio 7 matchall action bpf object-pinned /sys/fs/bpf/pass_act index 4",
    needs: ["sch_clsact", "cls_matchall", "act_bpf"],
    request: (index, _to, { action: fd }) =>
      acting(index, bpfAction({ fd, name: "pass_act:[*fsobj]", index: 4 })),
  },
  {
    command:
      "filter add dev d0 ingress protocol ip prio 7 matchall action pedit ex munge ip ttl add 1 munge tcp dport set 8080 pipe",
    needs: ["sch_clsact", "cls_matchall", "act_pedit"],
    request: (index) =>
      acting(
        index,
        pedit({
          action: "pipe",
          keys: [
            { header: "ip4", command: "add", offset: 8, value: 0x0100_0000, mask: 0x00ff_ffff },
            { header: "tcp", offset: 0, value: 0x1f90, mask: 0xffff_0000 },
          ],
        }),
      ),
  },
];

/** Objects of every kind. */
export const tcCases: readonly TcCase[] = [...captured, ...others];

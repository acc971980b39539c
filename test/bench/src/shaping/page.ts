import { goals } from "./goals.js";
import { type PeerName, peerTitles } from "./plan.js";
import type { Report } from "./report.js";
import { markdown, tables } from "./table.js";

/** What each peer is, in a sentence. */
const descriptions: Readonly<Record<PeerName, string>> = {
  weir: "this project, on an ipvlan pod: `Shaper.apply`, which is what the plugin calls",
  fq_codel: "`htb` with one class, and `fq_codel` with its defaults below it",
  cake: "`cake bandwidth RATE`, otherwise with its defaults",
  edt: "departure times as Cilium's documentation describes its bandwidth manager (`test/bench/fixtures/edt.bpf.c`): one clock for the pod, a horizon of 2 s, and `fq`; in the pod, so that it shapes ipvlan",
  tbf: "`tbf` with a burst of 32 KiB or 2 ms and a latency of 25 ms",
  htb: "`htb` with one class and its default queue",
  bandwidth:
    "the reference `bandwidth` plugin of Debian's containernetworking-plugins on a veth pod on a bridge, with the burst that `tbf` has",
  containerd: "the same with the burst that containerd asks for where annotations name a rate: 4 Gbit",
  police:
    "`tc`'s `police` action at the pod's ingress with a burst of 50 ms, which is how Cilium limits ingress",
  unshaped: "no limit",
};

/** docs/measurements.md. */
export function page(report: Report): string {
  const { kernel, cpus, date, command, host, costs = [], exactness } = report;
  const peers = (Object.keys(descriptions) as PeerName[]).filter((name) =>
    report.cells.some(({ peer }) => peer === name),
  );
  const all = goals(report);
  const reached = all.filter((goal) => goal.reached).length;
  return [
    "# Measurements",
    "",
    "weir beside what else limits a pod, in one run. Written by the command below; do not edit.",
    "",
    "```",
    command,
    "```",
    "",
    `${date.slice(0, 10)}, Linux ${kernel}, ${cpus} processors, in QEMU.`,
    "",
    "**The machine is emulated.** Its time goes by the instructions that it executes, one for each nanosecond, so what its host does meanwhile does not show, and two runs say nearly the same. But it is slow, its wire has no length, and there is no network card: compare the rows of a table with each other, and take no figure for that of real hardware. The processors take turns; the one measurement for which they must not is made in real time, and says so.",
    "",
    "## What is beside what",
    "",
    "Each peer limits two pods on one node, each with a limit of its own. One of them sends to, or receives from, a pod on another node as much as TCP makes of it, or UDP at three times the limit; meanwhile both are pinged fifty times a second (ten below 10 Mbit/s) and exchange requests of 100 bytes over a TCP connection as often.",
    "",
    ...peers.map((name) => `- **${peerTitles[name]}**: ${descriptions[name]}`),
    "",
    "_Goodput_ is payload at the receiver, in Mbit/s; at an MTU of 1500 bytes at most 95.6% of the limit is TCP's payload. _First_ and _worst second_ are read from the counters of the receiver's IP stack, all headers included, as how far they are off the limit. _Sent again_ are the segments that the sending kernel counted. _Ping_ and _requests_ are round trips in the pod under load, in milliseconds; in brackets how many times weir's p99 it is. _CPU_ is what both nodes spend on a byte, the sparse flows' packets included. The best of each column is bold.",
    "",
    "![Round trips beside TCP flows](shaping-latency.svg)",
    "",
    "![What arrives in each second](shaping-seconds.svg)",
    "",
    "## Goals",
    "",
    `${reached} of ${all.length} are reached.`,
    "",
    "| | goal | measured | |",
    "| --- | --- | --- | --- |",
    ...all.map(
      (goal) =>
        `| ${goal.name} | ${goal.wanted} | ${goal.found} | ${goal.reached ? "reached" : "**missed**"} |`,
    ),
    "",
    "## Tables",
    "",
    ...tables(report).flatMap((table) => [`### ${table.title}`, "", markdown(table), ""]),
    ...(costs.length > 0
      ? [
          "## Cost of a packet",
          "",
          "Medians of the kernel's test runs, on the host's own processor, in nanoseconds. The hash of a flow, which a socket's packets bring with them, is computed once and not in each run.",
          "",
          "| program | ns |",
          "| --- | ---: |",
          ...costs.map(({ name, ns }) => `| ${name} | ${ns.toFixed(0)} |`),
          "",
        ]
      : []),
    ...(exactness
      ? [
          "## Many processors",
          "",
          `${exactness.flows} TCP flows on ${exactness.cpus} processors that run at the same time, limited to ${exactness.bitsPerSecond / 1e6} Mbit/s; what arrived in each second, in Mbit/s: ${exactness.wireBitsPerSecond.map((rate) => (rate / 1e6).toFixed(2)).join(", ")}. In real time on a host whose load was ${host.load.mean.toFixed(1)} with ${host.cpus} processors: less than the limit says how busy the host was; more would say that charges were lost.`,
          "",
        ]
      : []),
  ].join("\n");
}

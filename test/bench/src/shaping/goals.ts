import { MAIN_RATE, type PeerName, type Test, testName } from "./plan.js";
import { type Cell, jain, mean, type Report, type SparseResult, worstSecond } from "./report.js";

/** Something that was to be reached, and whether it was. */
export interface Goal {
  /** What is measured, and under which load. */
  name: string;
  wanted: string;
  found: string;
  reached: boolean;
}

/** Those that have to be beaten. */
const rivals: readonly PeerName[] = ["fq_codel", "cake"];

/** How far the mean, and each second, may be off the limit. */
const MEAN_OFF = 0.005;
const SECOND_OFF = 0.02;
/** What a neighbour's sparse flow may wait longer than on an idle machine: processors are shared. */
const NEIGHBOUR_MS = 0.2;
const COST_NS = 100;
const FAIR = 0.95;

/** What a report says about the goals, as far as it has what they are about. */
export function goals(report: Report): Goal[] {
  const cells = report.cells.filter(({ test }) => test.bitsPerSecond === MAIN_RATE);
  const ours = cells.filter(({ peer }) => peer === "weir");
  const loaded = ours.filter(({ test }) => test.flows > 0);
  const egressTcp = loaded.filter(({ test }) => test.direction === "egress" && test.protocol === "tcp");
  const others = (test: Test) =>
    cells.filter((cell) => rivals.includes(cell.peer) && testName(cell.test) === testName(test));
  const idle = ours.find(({ test }) => test.flows === 0);
  return [
    ...loaded.flatMap((cell) => atTheLimit(cell)),
    ...loaded
      .filter(({ test }) => test.direction === "egress" && (test.protocol === "udp" || test.flows >= 8))
      .flatMap((cell) => sparseFlow(cell, others(cell.test))),
    ...egressTcp.filter(({ test }) => test.flows >= 8).flatMap((cell) => bulkFlows(cell, others(cell.test))),
    ...egressTcp.filter(({ test }) => test.flows === 16).map(fairness),
    ...loaded
      .filter(({ test }) => test.direction === "ingress" && test.protocol === "tcp")
      .map(ingressGoodput),
    ...(idle ? loaded.map((cell) => neighbour(cell, idle)) : []),
    ...cost(report),
    ...exactness(report),
  ];
}

function atTheLimit({ test, wireBitsPerSecond: wire }: Cell): Goal[] {
  if (wire.length === 0) return [];
  const off = mean(wire) / test.bitsPerSecond - 1;
  const worst = worstSecond(wire, test.bitsPerSecond);
  return [
    {
      name: `rate over ${wire.length} s, ${testName(test)}`,
      wanted: `within ${percent(MEAN_OFF)} of the limit`,
      found: signed(off),
      reached: Math.abs(off) <= MEAN_OFF,
    },
    {
      name: `worst second, ${testName(test)}`,
      wanted: `within ${percent(SECOND_OFF)} of the limit`,
      found: signed(worst),
      reached: Math.abs(worst) <= SECOND_OFF,
    },
  ];
}

/** Whoever sends more than the limit allows is ahead of those who keep to it for no merit. */
function keepsTo({ test, wireBitsPerSecond: wire }: Cell): boolean {
  return mean(wire) <= test.bitsPerSecond * (1 + 2 * MEAN_OFF);
}

/** What was found, and the reason why it does not count if it does not. */
function found(cell: Cell, text: string): string {
  return keepsTo(cell) ? text : `${text}, above the limit`;
}

function sparseFlow(ours: Cell, others: readonly Cell[]): Goal[] {
  if (others.length < rivals.length) return [];
  return (["ping", "requests"] as const).flatMap((kind) =>
    (["p50", "p99"] as const).map((share) => {
      const of = ({ same }: Cell) => round(same[kind][share]);
      const best = Math.min(...others.map(of));
      return {
        name: `${kind} ${share} in the pod, ${testName(ours.test)}`,
        wanted: `at most ${ms(best)}, the better of ${namesOf(others)}`,
        found: found(ours, ms(of(ours))),
        reached:
          keepsTo(ours) &&
          of(ours) <= best &&
          answered(ours.same[kind]) >= Math.min(...others.map((cell) => answered(cell.same[kind]))),
      };
    }),
  );
}

function bulkFlows(ours: Cell, others: readonly Cell[]): Goal[] {
  if (others.length < rivals.length) return [];
  const goodput = Math.max(...others.map((cell) => cell.goodputBitsPerSecond));
  const retransmits = Math.min(...others.map((cell) => cell.retransmits));
  return [
    {
      name: `goodput, ${testName(ours.test)}`,
      wanted: `above ${megabits(goodput)}, the better of ${namesOf(others)}`,
      found: found(ours, megabits(ours.goodputBitsPerSecond)),
      reached: keepsTo(ours) && ours.goodputBitsPerSecond > goodput,
    },
    {
      name: `segments sent again, ${testName(ours.test)}`,
      wanted: `at most a tenth of ${retransmits}, the fewer of ${namesOf(others)}`,
      found: found(ours, String(ours.retransmits)),
      reached: keepsTo(ours) && ours.retransmits <= retransmits / 10,
    },
  ];
}

function fairness({ test, streams }: Cell): Goal {
  const index = jain(streams);
  return {
    name: `Jain's index, ${testName(test)}`,
    wanted: `at least ${FAIR}`,
    found: index.toFixed(3),
    reached: index >= FAIR,
  };
}

function ingressGoodput({ test, goodputBitsPerSecond }: Cell): Goal {
  const share = goodputBitsPerSecond / test.bitsPerSecond;
  return {
    name: `goodput, ${testName(test)}`,
    wanted: "at least 95.0% of the limit",
    found: percent(share),
    reached: share >= 0.95,
  };
}

function neighbour({ test, other }: Cell, idle: Cell): Goal {
  const [now, before] = [round(other.ping.p99), round(idle.other.ping.p99)];
  return {
    name: `ping p99 in the neighbour, ${testName(test)}`,
    wanted: `within ${ms(NEIGHBOUR_MS)} of ${ms(before)}, idle`,
    found: ms(now),
    reached: now <= before + NEIGHBOUR_MS,
  };
}

function cost({ costs = [] }: Report): Goal[] {
  const empty = costs.find(({ name }) => name === "empty program");
  if (!empty) return [];
  return costs
    .filter(({ name }) => name.startsWith("weir"))
    .map(({ name, ns }) => ({
      name: `cost of a packet, ${name}`,
      wanted: `at most ${COST_NS} ns over an empty program`,
      found: `${Math.round(ns - empty.ns)} ns`,
      reached: ns - empty.ns <= COST_NS,
    }));
}

function exactness({ exactness: exact }: Report): Goal[] {
  if (!exact || exact.wireBitsPerSecond.length === 0) return [];
  const off = worstSecond(
    exact.wireBitsPerSecond.filter((rate) => rate > exact.bitsPerSecond),
    exact.bitsPerSecond,
  );
  return [
    {
      name: `overshoot of ${exact.flows} flows on ${exact.cpus} processors, worst second`,
      wanted: `at most ${percent(MEAN_OFF)}`,
      found: signed(off),
      reached: off <= MEAN_OFF,
    },
  ];
}

function namesOf(cells: readonly Cell[]): string {
  return cells.map(({ peer }) => peer).join(" and ");
}

function answered({ sent, answered: count }: SparseResult): number {
  return sent === 0 ? 0 : count / sent;
}

/** To a hundredth of a millisecond, which is what is shown; no answer is worse than any. */
function round(value: number | null): number {
  return value === null ? Number.POSITIVE_INFINITY : Math.round(value * 100) / 100;
}

function ms(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)} ms` : "no answer";
}

function megabits(bitsPerSecond: number): string {
  return `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)}%`;
}

function signed(part: number): string {
  return `${part >= 0 ? "+" : "-"}${(Math.abs(part) * 100).toFixed(2)}%`;
}

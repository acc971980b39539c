/** Everything that shapes, in the order of the tables. */
export const peerNames = [
  "weir",
  "fq_codel",
  "cake",
  "edt",
  "tbf",
  "htb",
  "bandwidth",
  "containerd",
  "police",
  "unshaped",
] as const;
export type PeerName = (typeof peerNames)[number];

/** What each is, for readers. */
export const peerTitles: Readonly<Record<PeerName, string>> = {
  weir: "weir",
  fq_codel: "htb + fq_codel",
  cake: "cake",
  edt: "EDT, 2 s horizon",
  tbf: "tbf",
  htb: "htb",
  bandwidth: "bandwidth plugin",
  containerd: "the same, containerd's burst",
  police: "tc police",
  unshaped: "unshaped",
};

/** What one cell of the matrix loads a pod with. */
export interface Test {
  readonly bitsPerSecond: number;
  readonly direction: "egress" | "ingress";
  readonly protocol: "tcp" | "udp";
  /** How many flows there are; 0 for none, which shows how long the sparse flows take on an idle machine. */
  readonly flows: number;
  readonly ecn: boolean;
  readonly seconds: number;
}

/** A test, and everything that it is done to in turns. */
export interface Stage {
  readonly test: Test;
  readonly peers: readonly PeerName[];
}

/** What to measure. */
export interface Choice {
  readonly rates: readonly number[];
  readonly peers: readonly PeerName[];
  readonly flows: readonly number[];
  /** A part of it, in a few minutes. */
  readonly quick: boolean;
  /** How long each load lasts; undefined chooses. */
  readonly seconds?: number | undefined;
}

/** The rate at which there are goals, and of which everything is measured. */
export const MAIN_RATE = 100_000_000;

/** How many times the limit UDP offers. */
export const UDP_TIMES = 3;

/** What a cell takes beside its load: processes start, connections are made, queues drain. */
const OVERHEAD_SECONDS = 2;

/** What a rate takes before its first cell: every pod gets the new limit. */
const RATE_SECONDS = 8;

/** The numbers of flows that are also measured without being asked for at other rates than the main one. */
const OTHER_FLOWS = [1, 16, 64];

/** The matrix: by rate and direction, then by load; all peers take turns under each load. */
export function plan(choice: Choice): Stage[] {
  return choice.rates.flatMap((rate) => planRate(rate, choice)).filter(({ peers }) => peers.length > 0);
}

function planRate(bitsPerSecond: number, choice: Choice): Stage[] {
  const { quick } = choice;
  const main = bitsPerSecond === MAIN_RATE;
  const seconds = choice.seconds ?? (quick ? 3 : 5);
  const test = { bitsPerSecond, seconds, direction: "egress", protocol: "tcp", ecn: false } as const;
  const counts = choice.flows.filter((count) => main || OTHER_FLOWS.includes(count));
  const shaped = choice.peers.filter((name) => !["containerd", "police", "unshaped"].includes(name));
  // What these show, they show under one load.
  const more = choice.peers.filter((name) => main && ["containerd", "unshaped"].includes(name));
  const long = main && !quick ? { seconds: choice.seconds ?? 10 } : {};
  const withEcn = main ? counts.filter((count) => !quick || count === 16) : [];
  return [
    { test: { ...test, flows: 0, seconds: quick ? 1 : 3 }, peers: shaped },
    ...counts.map((flows) => ({
      test: { ...test, flows, ...(flows === 16 ? long : {}) },
      peers: flows === 1 ? [...shaped, ...more] : shaped,
    })),
    ...withEcn.map((flows) => ({ test: { ...test, flows, ecn: true }, peers: shaped })),
    { test: { ...test, protocol: "udp", flows: 1 }, peers: shaped },
    ...(main ? ingress({ ...test, direction: "ingress" }, choice) : []),
  ];
}

function ingress(test: Omit<Test, "flows">, choice: Choice): Stage[] {
  const peers = choice.peers.filter((name) => ["weir", "bandwidth", "police"].includes(name));
  const counts = choice.flows.filter((count) => count === 1 || (count === 16 && !choice.quick));
  return [
    ...counts.map((flows) => ({ test: { ...test, flows }, peers })),
    { test: { ...test, protocol: "udp", flows: 1 }, peers },
  ];
}

/** How long it all takes, in seconds. */
export function estimate(stages: readonly Stage[]): number {
  const rates = new Set(stages.map(({ test }) => test.bitsPerSecond)).size;
  const cells = stages.map(({ test, peers }) => peers.length * (test.seconds + OVERHEAD_SECONDS));
  return cells.reduce((sum, seconds) => sum + seconds, rates * RATE_SECONDS);
}

/** A test in words. */
export function testName({ direction, protocol, flows, ecn }: Test): string {
  if (flows === 0) return "idle";
  const load =
    protocol === "udp"
      ? `UDP at ${UDP_TIMES} times the limit`
      : `${flows} TCP ${flows === 1 ? "flow" : "flows"}`;
  return `${direction === "ingress" ? "ingress, " : ""}${load}${ecn ? ", ECN" : ""}`;
}

/** A rate as people write it. */
export function rateName(bitsPerSecond: number): string {
  return `${Math.round(bitsPerSecond / 1e4) / 100} Mbit/s`;
}

import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { allowLargeBuffers } from "@weir/test-e2e/lab";
import { measure } from "./measure.js";
import { bringIntoMemory } from "./memory.js";
import { createPeer, type Peer } from "./peers.js";
import { type PeerName, rateName, type Stage, testName } from "./plan.js";
import { Place, type Pods } from "./pods.js";
import type { Cell, Failure } from "./report.js";

/** What the guest is told: in a file, since the matrix is long. */
export interface Order {
  stages: readonly Stage[];
  /** The program that flows.c was compiled to. */
  flows: string;
  /** Where the results go, after each cell: an emulated machine may die. */
  output: string;
}

/** What it answers. */
export interface Answer {
  kernel: string;
  cpus: number;
  cells: Cell[];
  failures: Failure[];
}

interface Contestant {
  readonly peer: Peer;
  readonly pods: Pods;
  limited?: string;
}

class Contestants implements Disposable {
  readonly #all = new Map<PeerName, Contestant>();

  add(name: PeerName, contestant: Contestant): void {
    this.#all.set(name, contestant);
  }

  get(name: PeerName): Contestant {
    return this.#all.get(name)!;
  }

  [Symbol.dispose](): void {
    for (const { peer } of this.#all.values()) peer[Symbol.dispose]();
  }
}

/** The part inside the kernel VM: makes the pods of all peers, and measures each under each load. */
async function main(order: Order): Promise<void> {
  const { stages, output } = order;
  const answer: Answer = { kernel: release(), cpus: cpus().length, cells: [], failures: [] };
  const save = () => {
    writeFileSync(`${output}.new`, JSON.stringify(answer));
    renameSync(`${output}.new`, output);
  };
  allowLargeBuffers();
  const flows = join(tmpdir(), "flows");
  copyFileSync(order.flows, flows);
  bringIntoMemory(["nsenter", "ping", "tc", flows]);
  await using place = new Place("/run/weir-bench");
  using contestants = new Contestants();
  for (const name of new Set(stages.flatMap(({ peers }) => peers)))
    contestants.add(name, { peer: createPeer(name, place), pods: await place.pods(name) });
  const total = stages.reduce((sum, { peers }) => sum + peers.length, 0);
  // Once for nothing: what is needed of the host's files, and compiled, is there afterwards.
  const [first] = stages;
  const [someone] = first?.peers ?? [];
  if (first && someone)
    await measure(someone, contestants.get(someone).pods, { ...first.test, flows: 0, seconds: 1 }, flows);
  let done = 0;
  // For whoever waits outside: this machine's own clock may say nothing about how long that takes.
  const report = () => process.stdout.write(`${done}/${total}\n`);
  report();
  for (const stage of stages) {
    const { test, peers } = stage;
    say(`${rateName(test.bitsPerSecond)}, ${testName(test)}`);
    for (const name of peers) {
      const contestant = contestants.get(name);
      try {
        await limit(contestant, stage);
        const cell = await measure(name, contestant.pods, test, flows);
        answer.cells.push(cell);
        say(`  ${name.padEnd(11)} ${words(cell)}`);
      } catch (error) {
        const { message } = error as Error;
        answer.failures.push({ peer: name, test, message });
        say(`  ${name.padEnd(11)} failed: ${message}`);
      }
      done++;
      save();
      report();
    }
  }
}

/** Gives a peer's pods the limit of a test, unless they have it. */
async function limit(contestant: Contestant, { test }: Stage): Promise<void> {
  const { direction, bitsPerSecond } = test;
  const wanted = `${direction} ${bitsPerSecond}`;
  if (contestant.limited === wanted) return;
  await contestant.peer.limit(contestant.pods, direction, bitsPerSecond);
  contestant.limited = wanted;
}

function words({ goodputBitsPerSecond, retransmits, same, other, test }: Cell): string {
  const times = ({ p50, p99 }: { p50: number | null; p99: number | null }) =>
    `${p50?.toFixed(2) ?? "-"} / ${p99?.toFixed(2) ?? "-"}`;
  const load =
    test.flows === 0 ? "" : `${(goodputBitsPerSecond / 1e6).toFixed(1)} Mbit/s, ${retransmits} sent again, `;
  return `${load}ping ${times(same.ping)}, requests ${times(same.requests)}, neighbour's ping ${times(other.ping)} ms`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

await main(JSON.parse(readFileSync(process.argv[2]!, "utf8")) as Order);

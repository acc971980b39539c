import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInVm, VmError } from "@weir/test-vm";
import type { Answer, Order } from "./guest.js";
import { estimate, type PeerName, type Stage } from "./plan.js";
import { Progress, Tail } from "./progress.js";

const guest = fileURLToPath(new URL("guest.js", import.meta.url));

/** Runs node from the guest's own memory: see bringIntoMemory, which comes too late for it. */
const fromMemory = 'cp "$1" /tmp/node && shift && exec /tmp/node "$@"';

/** How often a machine that died is booted again: emulated kernels do, now and then. */
const BOOTS = 4;

/** What a machine is like. */
export interface MachineOptions {
  /** The program that flows.c was compiled to. */
  flows: string;
  /** A folder that the machine shares; it is told there what to do, and answers there. */
  folder: string;
  cpus: number;
  virtualTime: boolean;
  /** The kernel's name, as in {@link runInVm}. */
  kernel: string;
}

/** Has the stages measured in a machine, and what it did not come to in another one. */
export async function measureInVm(stages: readonly Stage[], machine: MachineOptions): Promise<Answer> {
  const progress = new Progress(stages, machine.virtualTime);
  print(progress.announcement);
  let answer: Answer | undefined;
  for (let boot = 0; boot < BOOTS; boot++) {
    const left = remaining(stages, answer);
    if (left.length === 0) break;
    const { answer: more, died } = await boots(
      left,
      { ...machine, name: `vm-${machine.cpus}-${boot}` },
      progress,
    );
    if (more) answer = answer ? merged(answer, more) : more;
    if (!died) break;
  }
  if (!answer) throw new Error("nothing was measured");
  return answer;
}

/** What has not been measured, nor failed otherwise than by the machine's end. */
function remaining(stages: readonly Stage[], answer: Answer | undefined): Stage[] {
  const done = new Set([...(answer?.cells ?? []), ...(answer?.failures ?? [])].map(keyOf));
  return stages
    .map(({ test, peers }) => ({ test, peers: peers.filter((peer) => !done.has(keyOf({ peer, test }))) }))
    .filter(({ peers }) => peers.length > 0);
}

function keyOf({ peer, test }: { peer: PeerName; test: Stage["test"] }): string {
  return `${peer} ${JSON.stringify(test)}`;
}

function merged(one: Answer, two: Answer): Answer {
  return { ...one, cells: [...one.cells, ...two.cells], failures: [...one.failures, ...two.failures] };
}

/** Boots a machine once; what was measured there before it failed counts. */
async function boots(
  stages: readonly Stage[],
  machine: MachineOptions & { name: string },
  progress: Progress,
): Promise<{ answer: Answer | undefined; died: boolean }> {
  const { flows, folder, name, cpus, virtualTime, kernel } = machine;
  const share = join(folder, name);
  mkdirSync(share);
  const output = join(share, "answer.json");
  const order: Order = { stages, flows, output };
  const orderFile = join(share, "order.json");
  writeFileSync(orderFile, JSON.stringify(order));
  let died = false;
  const lastWords = new Tail(6_000);
  try {
    const { exitStatus } = await runInVm({
      kernel,
      command: ["sh", "-c", fromMemory, "sh", process.execPath, guest, orderFile],
      cpus,
      virtualTime,
      shares: [folder],
      timeoutMs: (estimate(stages) * 20 + 900) * 1000,
      stdout: progress,
      stderr: process.stderr,
      console: lastWords,
      forwardSignals: true,
      progress: (message) => print(`vm: ${message}`),
    });
    if (exitStatus !== 0) print(`the measurement ended with status ${exitStatus}; what it said is above`);
  } catch (error) {
    died = error instanceof VmError && error.code === "GUEST_FAILED";
    print(`${lastWords.text}\nthe measurement was cut short: ${(error as Error).message}`);
  }
  const answer = existsSync(output) ? (JSON.parse(readFileSync(output, "utf8")) as Answer) : undefined;
  return { answer, died };
}

function print(text: string): void {
  process.stderr.write(`${text}\n`);
}

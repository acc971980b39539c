import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  type BpfMap,
  BpfObject,
  type Codec,
  kernelBtf,
  type LoadedObject,
  RingBuffer,
} from "@weir/bpf-loader";
import { mountBpffs, unmount } from "@weir/syscall";
import type { Peer } from "../peer.js";
import { collectGarbage, heldBytes } from "./memory.js";
import { startLibbpf } from "./peer.js";
import { median, type Result, reached, table } from "./report.js";

// Both sides do the same work in turns, so that a slow moment of the machine hits both; all figures are medians.

const { values: options } = parseArgs({
  options: {
    json: { type: "string" },
    rounds: { type: "string", default: "15" },
    // Only what has this in its name, for whoever makes it faster.
    only: { type: "string", default: "" },
  },
});
const ROUNDS = Number(options.rounds);
/** Elements of the map that is measured; libbpf.c has the same number. */
const ENTRIES = 10_000;
/** Records that the ring buffer holds when it is drained; libbpf.c has the same number. */
const RECORDS = 10_000;

const object = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}.bpf.o`, import.meta.url));

interface Contest {
  readonly name: string;
  /** What libbpf.c calls it, and its argument. */
  readonly command: string;
  readonly argument?: string;
  /** How often it is done in each round. */
  readonly count: number;
  /** How often it is done before the first round, for V8 to compile what is used often; two rounds if absent. */
  readonly warmUp?: number;
  readonly goal?: Result["goal"];
  /** Does it once and gives the nanoseconds that it took. */
  readonly ours: () => number;
  /** Before each time, unmeasured. */
  readonly before?: () => Promise<void>;
}

function timed(work: () => unknown): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}

function objectContests(name: string, label: string, loads: number): Contest[] {
  const path = object(name);
  const bytes = new Uint8Array(readFileSync(path));
  const goal = { ratio: 1.5 };
  return [
    {
      name: `parse, ${label}`,
      command: "parse",
      argument: path,
      count: 100,
      warmUp: 4000,
      goal,
      ours: () => timed(() => BpfObject.parse(bytes)),
    },
    {
      name: `parse and load, ${label}`,
      command: "load",
      argument: path,
      count: loads,
      warmUp: loads * 200,
      goal,
      ours: () => timed(() => BpfObject.parse(bytes).load().close()),
    },
  ];
}

/** The kernel's BTF is kept as long as somebody uses it: nobody may, or it would not be read again. */
async function forgetBtf(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
}

const btfContests: Contest[] = [
  {
    name: "vmlinux BTF, open",
    command: "btf",
    count: 3,
    goal: { value: 12e6 },
    before: forgetBtf,
    ours: () => timed(() => kernelBtf.vmlinux()),
  },
  {
    name: "vmlinux BTF, open and find task_struct.pid",
    command: "btf_lookup",
    count: 3,
    before: forgetBtf,
    ours: () =>
      timed(() => {
        const task = kernelBtf.vmlinux().find("task_struct", "struct");
        if (!task?.members.some((member) => member.name === "pid")) throw new Error("no task_struct.pid");
      }),
  },
];

function mapContests(map: BpfMap<number, bigint>): Contest[] {
  const perElement = (work: () => void) => () => timed(work) / ENTRIES;
  const key = new Uint8Array(4);
  const view = new DataView(key.buffer);
  const value = new Uint8Array(8);
  const keys = new Uint8Array(Uint32Array.from({ length: ENTRIES }, (_, i) => i).buffer);
  const values = new Uint8Array(BigUint64Array.from({ length: ENTRIES }, (_, i) => BigInt(i)).buffer);
  return [
    {
      name: "map get, bytes",
      command: "get",
      count: 5,
      goal: { value: 1300 },
      ours: perElement(() => {
        for (let i = 0; i < ENTRIES; i++) {
          view.setUint32(0, i, true);
          if (!map.raw.get(key)) throw new Error(`no element ${i}`);
        }
      }),
    },
    {
      name: "map get, by BTF",
      command: "get",
      count: 5,
      goal: { value: 1300 },
      ours: perElement(() => {
        for (let i = 0; i < ENTRIES; i++) if (map.get(i) === undefined) throw new Error(`no element ${i}`);
      }),
    },
    {
      name: "map set, bytes",
      command: "set",
      count: 5,
      ours: perElement(() => {
        for (let i = 0; i < ENTRIES; i++) {
          view.setUint32(0, i, true);
          map.raw.set(key, value);
        }
      }),
    },
    {
      name: "map set, by BTF",
      command: "set",
      count: 5,
      ours: perElement(() => {
        for (let i = 0; i < ENTRIES; i++) map.set(i, BigInt(i));
      }),
    },
    {
      name: "map iteration, bytes",
      command: "iterate",
      count: 5,
      ours: perElement(() => count(map.raw.entries())),
    },
    {
      name: "map iteration, by BTF",
      command: "iterate",
      count: 5,
      ours: perElement(() => count(map.entries())),
    },
    {
      name: "map batches read",
      command: "get_batch",
      count: 5,
      goal: { value: 250 },
      ours: perElement(() => {
        let total = 0;
        for (const batch of map.raw.batches({ size: ENTRIES })) total += batch.count;
        if (total !== ENTRIES) throw new Error(`${total} elements`);
      }),
    },
    {
      name: "map batches written",
      command: "set_batch",
      count: 5,
      goal: { value: 250 },
      ours: perElement(() => map.raw.setBatch(keys, values)),
    },
  ];
}

/** The second field of `struct record`, read where it lies. */
const lengthCodec: Codec<number> = {
  size: 12,
  read: (view, at) => view.getUint32(at + 8, true),
  write: (view, at, value) => view.setUint32(at + 8, value, true),
  decode: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true),
  encode: (value) => new Uint8Array(Uint32Array.of(0, 0, value).buffer),
};

/** Draining a ring buffer of records of 56 bytes, of which the same field is read on both sides. */
function ringContest(elements: LoadedObject, ring: RingBuffer): Contest {
  const program = elements.program("produce");
  const data = new Uint8Array(64);
  let sum = 0;
  return {
    name: "ring buffer, per record",
    command: "ring",
    argument: object("elements"),
    count: 5,
    ours: () => {
      program.testRun({ data, repeat: RECORDS });
      let count = 0;
      const elapsed = timed(() => {
        count = ring.consume((record) => {
          sum += record.decode(lengthCodec);
        });
      });
      if (count < RECORDS || sum === 0) throw new Error(`${count} records`);
      return elapsed / count;
    },
  };
}

function count(entries: Iterable<unknown>): void {
  let count = 0;
  for (const _ of entries) count++;
  if (count !== ENTRIES) throw new Error(`${count} elements`);
}

async function contest(peer: Peer, each: Contest): Promise<Result> {
  const ours: number[] = [];
  const theirs: number[] = [];
  const samples = async (count: number) => {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      await each.before?.();
      times.push(each.ours());
    }
    return times;
  };
  await samples(each.warmUp ?? 2 * each.count);
  await peer.measure(each.command, 2 * each.count, each.argument);
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(...(await peer.measure(each.command, each.count, each.argument)));
    ours.push(...(await samples(each.count)));
  }
  return { name: each.name, unit: "ns", weir: median(ours), libbpf: median(theirs), goal: each.goal };
}

async function btfMemory(): Promise<Result> {
  const before = await heldBytes();
  const btf = kernelBtf.vmlinux();
  btf.find("task_struct", "struct");
  const held = (await heldBytes()) - before;
  const size = statSync("/sys/kernel/btf/vmlinux").size;
  if (btf.bytes.length !== size) throw new Error("the BTF is not the kernel's");
  return {
    name: "memory of vmlinux BTF, beyond the file",
    unit: "bytes",
    weir: held - size,
    goal: { value: 2 << 20 },
  };
}

/** What 10^6 gets and sets leave behind. */
async function mapMemory(map: BpfMap<number, bigint>): Promise<Result> {
  const work = (count: number) => {
    for (let i = 0; i < count; i++) {
      const key = i % ENTRIES;
      map.set(key, BigInt(i));
      map.get(key);
    }
  };
  work(20_000);
  const before = await heldBytes();
  work(1_000_000);
  const weir = Math.max(0, (await heldBytes()) - before);
  return { name: "memory kept by 10^6 map operations", unit: "bytes", weir, goal: { value: 256 << 10 } };
}

/** The command lines, from nothing to thirty programs that are pinned, and gone again: a cold process each. */
function processContest(folder: string): Result | undefined {
  const tool = fileURLToPath(new URL("../../../../packages/bpf-loader/dist/weir-bpf.js", import.meta.url));
  if (!existsSync(tool) || spawnSync("bpftool", ["version"]).status !== 0) return undefined;
  const bpffs = join(folder, "bpf");
  mkdirSync(bpffs);
  mountBpffs(bpffs);
  const once = (name: string, command: string, args: (target: string) => string[]) => {
    const target = join(bpffs, name);
    const elapsed = timed(() => {
      const { status, stderr } = spawnSync(command, args(target), { env: { PATH: process.env.PATH } });
      if (status !== 0) throw new Error(`${command}: ${stderr}`);
    });
    rmSync(target, { recursive: true });
    return elapsed;
  };
  try {
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = -1; round < ROUNDS; round++) {
      const file = object("thirty");
      const peer = once("bpftool", "bpftool", (target) => ["prog", "loadall", file, target]);
      const own = once("weir", process.execPath, (target) => [tool, "load", file, "--pin", target]);
      if (round < 0) continue;
      theirs.push(peer);
      ours.push(own);
    }
    return {
      name: "bpftool loadall, weir-bpf load --pin",
      unit: "ns",
      weir: median(ours),
      libbpf: median(theirs),
    };
  } finally {
    unmount(bpffs);
  }
}

async function measureAll(folder: string): Promise<Result[]> {
  using peer = startLibbpf(folder);
  using elements = BpfObject.parse(new Uint8Array(readFileSync(object("elements")))).load();
  const map = elements.map<number, bigint>("numbers");
  using ring = RingBuffer.open(elements.map("records"));
  for (let i = 0; i < ENTRIES; i++) map.set(i, BigInt(i));
  const contests = [
    ...objectContests("one", "1 program", 10),
    ...objectContests("thirty", "30 programs", 2),
    ...btfContests,
    ...mapContests(map),
    ringContest(elements, ring),
  ];
  const results: Result[] = [];
  const wanted = (name: string) => name.includes(options.only);
  for (const each of contests.filter(({ name }) => wanted(name))) {
    results.push(await contest(peer, each));
    process.stderr.write(".");
  }
  process.stderr.write("\n");
  const processes = wanted("weir-bpf") ? processContest(folder) : undefined;
  if (processes) results.push(processes);
  if (wanted("memory")) results.push(await btfMemory(), await mapMemory(map));
  return results;
}

const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
try {
  const results = await measureAll(folder);
  console.log(
    `\nBPF beside libbpf: medians of ${ROUNDS} rounds in turns, Linux ${release()}, node ${process.version}`,
  );
  console.log(table(results));
  if (options.json) {
    const report = {
      kernel: release(),
      node: process.version,
      cpu: cpus()[0]?.model,
      rounds: ROUNDS,
      results: results.map((result) => ({ ...result, reached: reached(result) })),
    };
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

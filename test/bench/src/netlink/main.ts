import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Rtnetlink } from "@weir/netlink";
import { Peer } from "../peer.js";
import { type Goal, missed, type PeerName, type Result, table } from "./report.js";
import { routeAddress } from "./side.js";
import { Tools } from "./tools.js";

// All sides do the same work in turns, in a network namespace made for it. The figures are of one operation, in the
// quickest of the rounds: what else runs on the machine only ever adds to them.

const { values: options } = parseArgs({
  options: {
    json: { type: "string" },
    rounds: { type: "string", default: "7" },
    /** A tenth of everything. */
    quick: { type: "boolean", default: false },
    // Only what has this in its name, for whoever makes it faster.
    only: { type: "string", default: "" },
    /** Leave the other sides out. */
    alone: { type: "boolean", default: false },
    /** Given by this program to itself, in the namespace. */
    inside: { type: "boolean", default: false },
  },
});
const ROUNDS = Number(options.rounds);
const scaled = (count: number) => (options.quick ? count / 10 : count);
const ROUTES = scaled(100_000);
const MANY_ROUTES = scaled(1_000_000);
const LINKS = scaled(2_000);
const GETS = scaled(10_000);
/** Qdisc and filter sets: made on so many devices at a time, in so many rounds. */
const TC_DEVICES = scaled(500);
const TC_ROUNDS = 10;
/** pyroute2 takes tens of microseconds for what takes others one: it does a part of it, and is not warmed up. */
const PYROUTE2_PART = 10;

const dumpGoal: Goal = { times: { ip: 1, npm: 2.5, pyroute2: 50 } };

interface Contest {
  readonly name: string;
  readonly command: string;
  /** The command's argument, of which a side may do only a part. */
  readonly argument: (part: number) => string;
  /** How many operations a run is, for figures of one of them; default 1, and the whole is one figure. */
  readonly operations?: number;
  /** In how many pieces a library measures them, each by itself; default 1. A command line does all in one. */
  readonly pieces?: number;
  readonly unit?: Result["unit"];
  readonly rounds?: number;
  readonly warmUp?: number;
  readonly without?: readonly PeerName[];
  readonly goal?: Goal;
  /** Before each run, unmeasured. */
  readonly before?: () => void;
}

type Side = Pick<Peer, "measure">;

class Sides implements Disposable {
  readonly #started: Peer[] = [];
  readonly weir: Side;
  readonly others = new Map<PeerName, Side>();

  constructor(folder: string, without: readonly PeerName[]) {
    const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
    this.weir = this.#start("weir", process.execPath, script("weir.js"));
    const wanted = (name: PeerName) => !options.alone && !without.includes(name);
    if (wanted("ip")) this.others.set("ip", new Tools(folder));
    if (wanted("npm")) this.others.set("npm", this.#start("npm netlink", process.execPath, script("npm.js")));
    // Debian's own interpreter is the one that finds Debian's package.
    if (wanted("pyroute2"))
      this.others.set(
        "pyroute2",
        this.#start("pyroute2", "/usr/bin/python3", script("../../src/netlink/pyroute2_side.py")),
      );
  }

  #start(name: string, program: string, script: string): Peer {
    const peer = new Peer(name, program, [script]);
    this.#started.push(peer);
    return peer;
  }

  [Symbol.dispose](): void {
    for (const peer of this.#started) peer[Symbol.dispose]();
  }
}

async function contest(folder: string, each: Contest): Promise<Result> {
  const { operations = 1, pieces = 1, rounds = ROUNDS, warmUp = 2, unit = "ns" } = each;
  using sides = new Sides(folder, each.without ?? []);
  const measure = async (side: Side, part: number, times: number) => {
    each.before?.();
    const figures = await side.measure(each.command, times, each.argument(part * times));
    return Math.min(...figures) / (operations / (part * times));
  };
  const figures = new Map<PeerName | "weir", number[]>();
  for (let round = -warmUp; round < rounds; round++)
    for (const [name, side] of [["weir", sides.weir], ...sides.others] as const) {
      const slow = name === "pyroute2";
      if (slow && (round < 0 || (operations === 1 && round > 0))) continue;
      if (name === "ip" && round < 0) continue;
      const part = slow && operations > 1 ? PYROUTE2_PART : 1;
      const figure = await measure(side, part, name === "ip" ? 1 : pieces);
      if (round >= 0) figures.set(name, [...(figures.get(name) ?? []), figure]);
    }
  const of = (name: PeerName | "weir") => {
    const all = figures.get(name);
    return all && Math.min(...all);
  };
  const others = { ip: of("ip"), npm: of("npm"), pyroute2: of("pyroute2") };
  return { name: each.name, unit, weir: of("weir")!, others, goal: each.goal };
}

/** Takes all routes away, faster than one by one: the kernel does when the device goes down. */
function withoutRoutes(rt: Rtnetlink, index: number): void {
  rt.links.set(index, { up: false });
  rt.links.set(index, { up: true });
}

function addRoutes(rt: Rtnetlink, index: number, from: number, to: number): void {
  for (let at = from; at < to; at += 10_000)
    rt.batch((batch) => {
      for (let i = at; i < Math.min(at + 10_000, to); i++)
        batch.routes.add({ destination: `${routeAddress(i)}/32`, index });
    });
}

/** A pair of devices that are up, named by their indices as `ip` knows them: the first one's index. */
function addPair(rt: Rtnetlink, index: number): void {
  const peer = { name: `if${index + 1}`, index: index + 1 };
  rt.links.add({ name: `if${index}`, index, kind: "veth", data: { peer } });
}

interface Stage {
  readonly prepare?: () => void;
  readonly contest: Contest;
}

function stages(rt: Rtnetlink): Stage[] {
  const index = 1000;
  const links = 2000;
  addPair(rt, index);
  for (const one of [index, index + 1]) rt.links.set(one, { up: true });
  const add = (name: string, command: string, without: readonly PeerName[], goal?: Goal): Stage => ({
    contest: {
      name: `add a route, ${name}, of ${ROUTES}`,
      command,
      argument: (part) => `${index} ${ROUTES / part}`,
      operations: ROUTES,
      rounds: 3,
      warmUp: 1,
      without,
      ...(goal ? { goal } : {}),
      before: () => withoutRoutes(rt, index),
    },
  });
  const routes = (count: number, more: Partial<Contest>): Contest => ({
    name: `dump ${count} routes`,
    command: "routes",
    argument: () => String(count),
    goal: dumpGoal,
    ...more,
  });
  const tc = (name: string, command: string, without: readonly PeerName[]): Stage => ({
    contest: {
      name: `add a qdisc and a filter, ${name}, of ${TC_DEVICES * TC_ROUNDS}`,
      command,
      argument: (part) => `${links} ${TC_DEVICES / part} 2`,
      operations: TC_DEVICES,
      rounds: TC_ROUNDS,
      warmUp: 1,
      without,
      before: () => {
        rt.tryBatch((batch) => {
          for (let i = 0; i < TC_DEVICES; i++)
            batch.qdiscs.remove({ index: links + 2 * i, parent: "clsact" });
        });
      },
    },
  });
  return [
    {
      contest: {
        name: "get a link by its index",
        command: "link",
        argument: (part) => `${index} ${GETS / part}`,
        operations: GETS,
        pieces: 20,
        goal: { value: 8000, times: { npm: 2.5, pyroute2: 50 } },
      },
    },
    {
      contest: {
        name: "get a link, the system calls alone",
        command: "bareLink",
        argument: (part) => `${index} ${GETS / part}`,
        operations: GETS,
        pieces: 20,
        without: ["ip", "npm", "pyroute2"],
      },
    },
    add("one by one", "add", []),
    add("batched", "addBatched", []),
    {
      prepare: () => {
        withoutRoutes(rt, index);
        addRoutes(rt, index, 0, ROUTES);
      },
      contest: routes(ROUTES, {}),
    },
    {
      prepare: () => addRoutes(rt, index, ROUTES, MANY_ROUTES),
      contest: routes(MANY_ROUTES, { rounds: 3, warmUp: 1 }),
    },
    {
      contest: {
        ...routes(MANY_ROUTES, { command: "routesMemory", unit: "bytes", rounds: 1, warmUp: 0 }),
        name: `memory to read ${MANY_ROUTES} routes`,
        without: ["ip", "pyroute2"],
        goal: { value: 64 << 20 },
      },
    },
    {
      prepare: () => {
        withoutRoutes(rt, index);
        for (let i = 0; i < LINKS; i += 2) addPair(rt, links + i);
      },
      contest: {
        name: `dump ${LINKS} links with statistics`,
        command: "links",
        argument: () => String(LINKS),
        goal: dumpGoal,
      },
    },
    tc("one by one", "tc", []),
    tc("batched", "tcBatched", []),
  ];
}

async function measureAll(folder: string): Promise<void> {
  using rt = Rtnetlink.open();
  const load = loadavg()[0]!;
  const results: Result[] = [];
  for (const { prepare, contest: each } of stages(rt)) {
    prepare?.();
    if (!each.name.includes(options.only)) continue;
    results.push(await contest(folder, each));
    process.stderr.write(".");
  }
  process.stderr.write("\n");
  console.log(
    `\nnetlink: the quickest of rounds in turns, Linux ${release()}, node ${process.version}, load ${load.toFixed(1)} before`,
  );
  console.log(table(results));
  if (options.json) {
    const report = {
      kernel: release(),
      node: process.version,
      cpu: cpus()[0]?.model,
      load,
      quick: options.quick,
      results: results.map((result) => ({ ...result, missed: missed(result) })),
    };
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
}

if (options.inside) {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    await measureAll(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
} else {
  // The namespace, and all that is made in it, goes with its last process.
  const self = [fileURLToPath(import.meta.url), ...process.argv.slice(2), "--inside"];
  const { status } = spawnSync("unshare", ["--net", process.execPath, ...self], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}

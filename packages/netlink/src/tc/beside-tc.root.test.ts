import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rtnetlink } from "../rtnetlink/rtnetlink.js";
import { loadPassProgram, pinProgram } from "../testing/bpf-program.js";
import { actionWords, besideFlower } from "../testing/filter-words.js";
import { fromKernel, needs } from "../testing/needs.js";
import { type TcCase, type TcPrograms, tcCases } from "../testing/tc-cases.js";
import { elsewhere, type Json, qdiscWords } from "../testing/tc-words.js";
import type { Action } from "./action.js";
import type { TrafficClass } from "./classes.js";
import type { Filter } from "./filter.js";
import { formatHandle } from "./handle.js";
import type { Qdisc } from "./qdisc.js";

/** What is read of a device's objects. */
interface Reading {
  /** What tc(8) says. */
  readonly said: string;
  /** The same as JSON, where tc has that. */
  readonly json: readonly Json[];
  readonly read: readonly unknown[];
}

/** Cases whose features this kernel has, those with numbers of their own first: they are not taken by others then. */
const cases = tcCases
  .filter(({ command, since = [0, 0] }) => fromKernel(...since) && (hasBpfFs() || !/ bpf /.test(command)))
  .sort((one, other) => Number(/ index /.test(other.command)) - Number(/ index /.test(one.command)));

const kindOf = (command: string) => command.split(" ")[0] as "qdisc" | "class" | "filter" | "chain";
const sideOf = (command: string) => (/ dev d0 egress /.test(command) ? "egress" : "ingress");
/** The command for the devices of a case. */
const on = (command: string, at: number) => command.replace(/\bd0\b/g, `d${at}`).replace(/\bv1\b/g, `v${at}`);
const showing = (command: string, at: number) => {
  const kind = kindOf(command);
  return `${kind} show dev d${at}${kind === "filter" || kind === "chain" ? ` ${sideOf(command)}` : ""}`;
};

/** A namespace with two devices for each case, one of them with four queues, and the qdisc that an object belongs to. */
function world(): { namespace: NetworkNamespace; rt: Rtnetlink } {
  const namespace = NetworkNamespace.createAnonymous();
  const rt = Rtnetlink.open({ netns: namespace });
  for (const at of cases.keys())
    rt.links.add({ name: `d${at}`, kind: "veth", numTxQueues: 4, data: { peer: { name: `v${at}` } } });
  rt.links.add({ name: "mark", kind: "veth", data: { peer: { name: "peer" } } });
  rt.qdiscs.add({ index: rt.links.get("mark").index, kind: "pfifo", handle: "4d:", options: { limit: 1 } });
  for (const [at, { command }] of cases.entries()) {
    const { index } = rt.links.get(`d${at}`);
    if (kindOf(command) === "class") rt.qdiscs.add({ index, kind: "htb", handle: "1:" });
    if (/^(filter|chain)/.test(command)) rt.qdiscs.add({ index, kind: "clsact" });
  }
  return { namespace, rt };
}

/** Runs commands of tc(8) in a namespace with one process. @returns what each printed, and all complaints */
function tc(namespace: NetworkNamespace, options: string[], commands: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "netlink-tc-"));
  const file = join(folder, "batch");
  // What is printed for a device that is known stands between the others.
  const text = commands.flatMap((command) => [command, "qdisc show dev mark"]).join("\n");
  writeFileSync(file, `${text}\n`);
  try {
    const args = [...options, "-force", "-batch", file];
    const { stdout, stderr } = namespace.run(() =>
      spawnSync("tc", args, { encoding: "utf8", maxBuffer: 64 << 20 }),
    );
    const marks = options.includes("-j")
      ? /^\[\{"kind":"pfifo","handle":"4d:".*\n/m
      : /^qdisc pfifo 4d: .*\n(?: .*\n)*/m;
    return { printed: stdout.split(marks), complaints: stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * What tc(8) says, without what passes with the time and what the kernel numbers anew. Of an action made within
 * the clock tick in which it is read, tc has no times to print, nor the spaces before them.
 */
const timeless = (text: string) =>
  text
    .replace(/ *(installed|used|firstused|expires|last_used|first_used) \d+ sec/g, "")
    .replace(/\b(qdisc \w+) [89a-f]\w{3}:/g, "$1 auto:")
    .replace(/\b(id|load_time) \d+/g, "$1 N")
    .replace(/\d+b\/\d+ limit/g, "b limit");

/** Our reading, without what differs from one moment or object to the next. */
function read(rt: Rtnetlink, at: number, command: string): unknown[] {
  const { index } = rt.links.get(`d${at}`);
  const kind = kindOf(command);
  if (kind === "qdisc") return [...rt.qdiscs.dump({ index })];
  if (kind === "class") return [...rt.classes.dump({ index })];
  const place = { index, parent: sideOf(command) } as const;
  return kind === "chain" ? [...rt.chains.dump(place)] : [...rt.filters.dump(place)];
}

function comparable(objects: readonly unknown[]): unknown {
  const drop = new Set(["times", "rawOptions", "id", "seed", "timeNextDelayedFlowNs"]);
  return JSON.parse(
    JSON.stringify(objects, (key, value) => {
      if (drop.has(key) || (key === "handle" && (value as number) >= 0x8000_0000)) return undefined;
      return typeof value === "bigint" ? String(value) : value;
    }),
  );
}

function parsed(text: string | undefined): Json[] {
  try {
    return JSON.parse(text ?? "") as Json[];
  } catch {
    // tc has no JSON for classes, and malformed JSON for basic and fw.
    return [];
  }
}

function readings(make: (namespace: NetworkNamespace, rt: Rtnetlink) => void): Reading[] {
  const { namespace, rt } = world();
  try {
    make(namespace, rt);
    const shows = cases.map(({ command }, at) => showing(command, at));
    const texts = tc(namespace, ["-s", "-d"], shows).printed;
    const jsons = tc(namespace, ["-s", "-d", "-j"], shows).printed;
    assert.is(texts.length, shows.length + 1);
    assert.is(jsons.length, shows.length + 1);
    return cases.map(({ command }, at) => ({
      said: timeless(texts[at] ?? ""),
      json: parsed(jsons[at]),
      read: read(rt, at, command),
    }));
  } finally {
    rt.close();
    namespace.close();
  }
}

/** Whether programs can be pinned: BPF_FS_MAGIC of include/uapi/linux/magic.h. The kernel VM has that file system. */
function hasBpfFs(): boolean {
  return (
    process.env.WEIR_VM === "1" ||
    (existsSync("/sys/fs/bpf") && statfsSync("/sys/fs/bpf").type === 0xcafe_4a11)
  );
}

/** Where tc(8) finds the programs that its commands name. */
const pins = { classifier: "/sys/fs/bpf/pass", action: "/sys/fs/bpf/pass_act" } as const;

/** Programs, pinned until the work is done. */
function withPrograms<T>(work: (programs: TcPrograms) => T): T {
  using classifier = loadPassProgram("pass");
  using action = loadPassProgram("pass_act", "action");
  const unpin = () => {
    for (const path of Object.values(pins)) rmSync(path, { force: true });
  };
  unpin();
  try {
    if (hasBpfFs()) {
      pinProgram(classifier, pins.classifier);
      pinProgram(action, pins.action);
    }
    return work({ classifier, action });
  } finally {
    unpin();
  }
}

let both:
  | { byTc: Reading[]; byUs: Reading[]; refusals: Map<TcCase, unknown>; complaints: string }
  | undefined;

/** All cases, made in one namespace by tc(8) and in another one by us, each read by both. */
function made() {
  both ??= withPrograms(make);
  return both;
}

function make(programs: TcPrograms): NonNullable<typeof both> {
  const refusals = new Map<TcCase, unknown>();
  let complaints = "";
  const byTc = readings((namespace) => {
    const commands = cases.map(({ command }, at) => on(command, at));
    ({ complaints } = tc(namespace, [], commands));
  });
  const byUs = readings((_namespace, rt) => {
    for (const [at, one] of cases.entries())
      try {
        const index = rt.links.get(`d${at}`).index;
        rt.socket.acknowledge(one.request(index, rt.links.get(`v${at}`).index, programs));
      } catch (error) {
        refusals.set(one, error);
      }
  });
  return { byTc, byUs, refusals, complaints };
}

for (const [at, one] of cases.entries()) {
  needs("veth", ...one.needs)(
    `what "tc ${one.command}" makes is what we make, as tc reads it and as we do`,
    () => {
      const { byTc, byUs, refusals, complaints } = made();
      if (refusals.has(one)) throw refusals.get(one);
      assert.ok(byTc[at]!.read.length > 0, `tc made nothing, and said: ${complaints}`);
      assert.is(byUs[at]?.said, byTc[at]?.said);
      assert.equal(comparable(byUs[at]!.read), comparable(byTc[at]!.read));
    },
  );
  needs("veth", ...one.needs)(`what we read of "tc ${one.command}" is what tc reads, field by field`, () => {
    const { said, json, read } = made().byTc[at]!;
    const words = compared[kindOf(one.command)](read as never, json, said, at);
    assert.ok(words > 0, "nothing was compared");
  });
}

const defined = (value: Json): Json =>
  JSON.parse(JSON.stringify(value, (_key, one) => (typeof one === "bigint" ? Number(one) : one))) as Json;
const counters = (stats: Qdisc["stats"]) =>
  stats && {
    bytes: Number(stats.bytes),
    packets: Number(stats.packets),
    drops: stats.drops,
    overlimits: stats.overlimits,
    requeues: stats.requeues,
    backlog: stats.backlogBytes,
    qlen: stats.queueLength,
  };

/** For each kind of object: compares what we read with what tc says. @returns how much was compared */
const compared = {
  qdisc: (all: readonly Qdisc[], json: readonly Json[]): number => {
    assert.is(all.length, json.length);
    for (const [at, qdisc] of all.entries()) {
      const theirs = json[at]!;
      assert.is(qdisc.kind, theirs.kind);
      if (qdisc.kind !== "noqueue")
        assert.is(formatHandle(qdisc.handle).replace("none", "0:"), theirs.handle);
      const convert = qdiscWords[qdisc.kind as keyof typeof qdiscWords] as
        | ((options: unknown) => Json)
        | undefined;
      const ours = defined(
        convert && qdisc.options ? convert(qdisc.options) : ((qdisc.options ?? {}) as Json),
      );
      const expected = Object.fromEntries(
        // What the seed is, only a newer tc says; what cake guesses goes on changing.
        Object.entries(theirs.options as Json).filter(([key]) => !elsewhere.has(key) && key !== "seed"),
      );
      // tc leaves out what old kernels do not send.
      if (qdisc.kind === "mqprio" && !("mode" in expected))
        for (const name of ["mode", "shaper"]) delete ours[name];
      if (ours.autorate) delete expected.bandwidth;
      if (ours.autorate) delete ours.bandwidth;
      assert.equal(ours, expected);
      const { bytes, packets, drops, overlimits, requeues, backlog, qlen } = theirs;
      assert.equal(counters(qdisc.stats), { bytes, packets, drops, overlimits, requeues, backlog, qlen });
    }
    return all.length;
  },
  // tc 6.1 has no JSON for classes.
  class: (all: readonly TrafficClass[], _json: readonly Json[], said: string): number => {
    for (const { handle, options } of all) {
      assert.ok(options);
      const text = said
        .split(/^(?=class )/m)
        .find((one) => one.startsWith(`class htb ${formatHandle(handle)} `));
      const word = (name: string) => new RegExp(`\\b${name} (\\S+)`).exec(text ?? "")?.[1];
      assert.is(Number(word("prio")), options?.priority);
      if (options?.quantumBytes) assert.is(Number(word("quantum")), options.quantumBytes);
      assert.is(units(word("rate")), Number(options?.rateBitsPerSecond));
      assert.is(units(word("ceil")), Number(options?.ceilBitsPerSecond));
      // tc drops fractions of a microsecond, and writes many bytes in whole kilobytes.
      for (const [name, bytes] of [
        ["burst", options?.burstBytes],
        ["cburst", options?.ceilBurstBytes],
      ] as const) {
        const slack = Number(options?.ceilBitsPerSecond) / 8e6 + 1024;
        const theirs = units(word(name)?.replace(/\/.*/, "")) as number;
        assert.ok(Math.abs(theirs - (bytes as number)) <= Math.max(1, slack), `${name} ${bytes} ${theirs}`);
      }
      if (word("overhead")) assert.is(Number(word("overhead")), options?.overheadBytes);
      assert.is(units(word("mpu")), options?.mpuBytes);
      if (word("linklayer")) assert.is(word("linklayer"), options?.linkLayer);
      assert.is(Number(word("level")), options?.level);
    }
    return all.length;
  },
  filter: (all: readonly Filter[], json: readonly Json[], said: string, device: number): number => {
    const [filter] = all.filter((one) => one.kind !== "u32" || (one.handle & 0xfff) !== 0);
    assert.ok(filter);
    if (!filter) return 0;
    const options = filter.options as unknown as Json & { actions: readonly Action[] };
    const words = (name: string) => new RegExp(`\\b${name} (\\S+)`).exec(said)?.[1];
    assert.is(String(filter.priority), words("pref"));
    assert.is(String(filter.chain), words("chain"));
    if (options.classid) assert.is(formatHandle(options.classid as number), words("(?:flowid|classid)"));
    // The malformed JSON of fw and basic leaves nothing more; their text was compared above.
    const theirs = json.filter((one) => one.options).at(-1)?.options as
      | (Json & { keys?: Json; actions?: Json[] })
      | undefined;
    if (!theirs) {
      assert.ok(["basic", "fw"].includes(filter.kind), filter.kind);
      return 3;
    }
    if (filter.kind === "flower") {
      const sides = besideFlower(theirs.keys ?? {}, options);
      assert.equal(sides.ours, sides.theirs);
    }
    for (const [place, action] of options.actions.entries()) {
      const shown = theirs.actions?.[place] as Json;
      // Each pair of devices has indexes of its own, the second one the next after the first.
      const ours = defined(
        actionWords(action, place, (to) => (to === filter.index - 1 ? `v${device}` : String(to))),
      );
      for (const [name, value] of Object.entries(ours))
        assert.equal(value, shown[name], `${action.kind}: ${name}`);
      const { stats: counts } = shown as { stats: Json };
      assert.is(Number(action.stats?.basic?.packets), counts.packets);
    }
    assert.is(options.actions.length, theirs.actions?.length ?? 0);
    return 1 + options.actions.length;
  },
  chain: (all: readonly { chain: number; kind?: string | undefined }[], json: readonly Json[]): number => {
    assert.equal(
      all.map(({ chain, kind }) => [chain, kind]),
      json.map(({ chain, kind }) => [chain, kind]),
    );
    return all.length;
  },
};

/** "10Mbit" and "20000b" as numbers. */
function units(text: string | undefined): number | undefined {
  const [, number = "", unit = ""] = /^([\d.]+)(\w*)$/.exec(text ?? "") ?? [];
  const factors: Record<string, number> = {
    bit: 1,
    Kbit: 1e3,
    Mbit: 1e6,
    Gbit: 1e9,
    b: 1,
    Kb: 1024,
    Mb: 1 << 20,
  };
  return number === "" ? undefined : Math.round(Number(number) * (factors[unit] ?? 1));
}

test.run();

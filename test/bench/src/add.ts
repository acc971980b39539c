import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Rtnetlink } from "@weir/netlink";
import { Shaper } from "@weir/shaper";
import { isBpffs, mountBpffs, NetworkNamespace } from "@weir/syscall";

/** How often each is run; the runs take turns, so that a slow moment hits all of them alike. */
const ROUNDS = Number(process.argv[2] ?? 15);
/** How many other pods are shaped on the node when the plugin's ADD is measured again. */
const CROWDS = [10, 1000];

const RATE = 100_000_000;
const built = fileURLToPath(new URL("../../../packages/cni-plugin/bundle/weir", import.meta.url));
const bandwidth = "/usr/lib/cni/bandwidth";
const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
/** As it is installed on a node, in memory. */
const weir = join(folder, "bin/weir");
const netns = join(folder, "pod");
const empty = join(folder, "empty.cjs");

/** Runs a program and gives how long it took, in milliseconds; a failure ends the benchmark. */
function timed(command: string[], env: Record<string, string> = {}, input = ""): number {
  const [program, ...args] = command;
  const environment = { PATH: process.env.PATH ?? "", ...env };
  const started = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(program!, args, { env: environment, input, encoding: "utf8" });
  const elapsed = Number(process.hrtime.bigint() - started) / 1e6;
  if (status !== 0) throw new Error(`${command.join(" ")} failed: ${stdout}${stderr}`);
  return elapsed;
}

function plugin(
  command: string,
  program: string,
  config: object,
  extra: Record<string, string> = {},
): number {
  const env = {
    WEIR_STATE_DIRECTORY: join(folder, "served"),
    CNI_COMMAND: command,
    CNI_CONTAINERID: "bench",
    CNI_NETNS: netns,
    CNI_IFNAME: "eth0",
    CNI_PATH: "/usr/lib/cni",
    ...extra,
  };
  return timed([program], env, JSON.stringify(config));
}

function config(type: string): object {
  const rates = { ingressRate: RATE, ingressBurst: RATE, egressRate: RATE, egressBurst: RATE };
  const interfaces = [{ name: "wbench" }, { name: "eth0", sandbox: netns }];
  const prevResult = { cniVersion: "1.0.0", interfaces, ips: [{ address: "10.1.0.2/24", interface: 1 }] };
  return { cniVersion: "1.0.0", name: "bench", type, runtimeConfig: { bandwidth: rates }, prevResult };
}

/** A fresh pod for each run: on an ipvlan device for weir, on a veth pair for the reference plugin. */
function withPod(kind: "ipvlan" | "veth", work: () => number): number {
  NetworkNamespace.create(netns).close();
  using here = Rtnetlink.open();
  here.links.add(
    kind === "veth"
      ? { name: "wbench", kind: "veth", data: { peer: { name: "eth0", netns } } }
      : { name: "wbench", kind: "veth", data: { peer: { name: "wbenchfar" } } },
  );
  try {
    here.links.set("wbench", { up: true });
    if (kind === "ipvlan") {
      const { index } = here.links.get("wbench");
      here.links.add({ name: "eth0", kind: "ipvlan", link: index, data: { mode: "l2" }, netns });
    }
    using pod = Rtnetlink.open({ netns });
    pod.links.set("eth0", { up: true });
    return work();
  } finally {
    here.links.remove("wbench");
    NetworkNamespace.remove(netns);
  }
}

function addOf(
  program: string,
  type: string,
  kind: "ipvlan" | "veth",
  env: Record<string, string> = {},
): number {
  return withPod(kind, () => {
    const elapsed = plugin("ADD", program, config(type), env);
    plugin("DEL", program, config(type), env);
    return elapsed;
  });
}

/** A state directory where no server listens. */
const alone = { WEIR_STATE_DIRECTORY: join(folder, "alone") };

async function main(): Promise<void> {
  writeFileSync(empty, "");
  if (!isBpffs("/sys/fs/bpf")) mountBpffs("/sys/fs/bpf");
  timed([built, "install", "--bin-dir", join(folder, "bin"), "--conf-dir", folder]);
  const contestants: Record<string, () => number> = {
    "node empty.cjs": () => timed([process.execPath, empty]),
    "weir VERSION": () => plugin("VERSION", weir, { cniVersion: "1.0.0" }),
    "weir ADD, ipvlan pod": () => addOf(weir, "weir", "ipvlan", alone),
    "the same, weir serve": () => addOf(weir, "weir", "ipvlan"),
    ...(existsSync(bandwidth)
      ? { "bandwidth ADD, veth pod": () => addOf(bandwidth, "bandwidth", "veth") }
      : {}),
  };
  const server = spawn(weir, ["serve"], {
    env: { PATH: process.env.PATH, WEIR_STATE_DIRECTORY: join(folder, "served") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(server.stdout, "data");
    server.stdout.resume();
    console.log(`ADD of one pod, median of ${ROUNDS}, Linux ${release()}`);
    print(measure(contestants));
    using crowd = new Crowd();
    for (const size of CROWDS) {
      crowd.grow(size);
      console.log(`\nThe same beside ${size.toLocaleString("en")} other attachments`);
      const among = Object.entries(contestants).filter(([name]) => /^node|ADD, ipvlan|serve/.test(name));
      print(measure(Object.fromEntries(among)));
    }
  } finally {
    server.kill();
    await once(server, "close");
  }
}

/** Devices of one namespace that are shaped already, in both state directories of the benchmark. */
class Crowd implements Disposable {
  readonly #netns = join(folder, "crowd");
  readonly #shapers = [alone.WEIR_STATE_DIRECTORY, join(folder, "served")].map((stateDirectory) =>
    Shaper.open({ stateDirectory }),
  );
  #size = 0;

  constructor() {
    NetworkNamespace.create(this.#netns).close();
  }

  grow(size: number): void {
    using rt = Rtnetlink.open({ netns: this.#netns });
    for (; this.#size < size; this.#size++) {
      const device = `pod${this.#size}`;
      rt.links.add({ name: device, kind: "dummy" });
      rt.links.set(device, { up: true });
      // Each directory has half of them; the maps are the node's.
      const shaper = this.#shapers[this.#size % 2]!;
      const attachment = { id: `crowd/${device}`, netns: this.#netns, device };
      shaper.apply(attachment, { egress: { bitsPerSecond: BigInt(RATE) } });
    }
  }

  [Symbol.dispose](): void {
    for (const shaper of this.#shapers) {
      for (const { id } of shaper.list()) shaper.remove(id);
      shaper.close();
    }
    NetworkNamespace.remove(this.#netns);
  }
}

/** The median time of each, in milliseconds. */
function measure(contestants: Record<string, () => number>): Map<string, number> {
  const times = new Map<string, number[]>(Object.keys(contestants).map((name) => [name, []]));
  // The first round loads modules and the BPF program; it does not count.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      const elapsed = run();
      if (round >= 0) times.get(name)!.push(elapsed);
    }
  }
  const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
  return new Map([...times].map(([name, values]) => [name, middle(values)]));
}

function print(medians: ReadonlyMap<string, number>): void {
  const floor = medians.get("node empty.cjs")!;
  const peer = medians.get("bandwidth ADD, veth pod");
  console.log(`                          ms    over empty${peer ? "    times bandwidth" : ""}`);
  for (const [name, value] of medians) {
    const over = value - floor;
    const cells = [
      value.toFixed(1).padStart(6),
      `${over < 0 ? "" : "+"}${over.toFixed(1)}`.padStart(14),
      peer ? (value / peer).toFixed(2).padStart(19) : "",
    ];
    console.log(`${name.padEnd(24)}${cells.join("")}`);
  }
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

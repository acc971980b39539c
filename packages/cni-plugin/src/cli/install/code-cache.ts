import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetlinkError, Rtnetlink } from "@weir/netlink";
import { NetworkNamespace, SystemError } from "@weir/syscall";

/** How long an ADD may take, on a node that is very busy. */
const PATIENCE_MS = 60_000;

/** A code cache that was made. */
export interface CodeCache {
  /** As V8 takes it, for a script of the plugin's text. */
  readonly data: Buffer;
  /** Why the cache holds less than an ADD needs; undefined where the ADD went all the way. */
  readonly failure?: string;
  /** What the plugin put into the global set `touched`, if anything. */
  readonly touched: readonly string[];
}

/**
 * Makes the code cache of the plugin's file: what V8 compiled while the plugin answered an ADD. V8 keeps what has been
 * compiled when the cache is written, so the plugin has to have worked: it shapes a pod's device in namespaces of its
 * own, which the kernel removes when the last process in them ends, however it ends. Without the privileges for that,
 * and on a kernel that cannot shape, the cache holds what ran until the ADD failed.
 * @param plugin path of the plugin's file
 * @param node the Node.js that the cache is for
 * @throws Error where the plugin cannot be run at all, or has a mistake
 */
export function makeCodeCache(plugin: string, node: string): CodeCache {
  const folder = mkdtempSync(join(tmpdir(), "weir-code-cache-"));
  const bpffs = join(folder, "bpffs");
  mkdirSync(bpffs);
  const cache = join(folder, "cache");
  const program = [node, "--random-seed=1", "-e", caller, plugin];
  const calls = (containerId: string, netns: string, ...commands: string[]) =>
    JSON.stringify(
      commands.map((command) => ({
        environment: { command, containerId, netns, ifname: "eth0" },
        input: JSON.stringify(configuration),
        options: { bpffs, stateDirectory: join(folder, "state") },
      })),
    );
  try {
    let told: Told;
    try {
      checkMount(bpffs);
      told = besidePod((netns) => {
        // The ADD that counts finds the programs pinned, as nearly every ADD of a node does.
        const first = calls("first", netns, "ADD", "DEL");
        const second = calls("second", netns, "ADD");
        return run(["unshare", "-m", "sh", "-c", both, bpffs, first, second, cache, ...program]);
      });
    } catch (error) {
      if (!(error instanceof SystemError) && !(error instanceof MountError)) throw error;
      told = { ...run([...program, calls("only", "", "ADD"), cache]), failure: error.message };
    }
    return { ...told, data: readFileSync(cache) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const configuration = {
  cniVersion: "1.0.0",
  name: "code-cache",
  prevResult: { cniVersion: "1.0.0", ips: [{ address: "10.0.0.1/8" }] },
  runtimeConfig: { bandwidth: { ingressRate: 1e6, egressRate: 1e6 } },
};

/** Runs the first calls and then the second with the cache, both in the mount namespace where the BPF filesystem is. */
const both = `
  mount -t bpf bpf "$0" || exit
  first=$1 second=$2 cache=$3
  shift 3
  "$@" "$first" "" >&2 || exit
  exec "$@" "$second" "$cache"
`;

class MountError extends Error {}

/** Throws MountError where no BPF filesystem can be mounted in a mount namespace of its own. */
function checkMount(bpffs: string): void {
  const command = ["-m", "mount", "-t", "bpf", "bpf", bpffs];
  const { status, stderr, error } = spawnSync("unshare", command, { encoding: "utf8" });
  if (status === 0) return;
  throw new MountError(`\`unshare ${command.join(" ")}\` failed: ${error?.message ?? stderr.trim()}`);
}

/** Answers calls as the plugin does, and writes the code cache of that. */
const caller = `
  const { readFileSync, writeFileSync } = require("node:fs");
  const { dirname } = require("node:path");
  const { setFlagsFromString } = require("node:v8");
  const [, filename, calls, cache] = process.argv;
  // What its compiler to machine code is at in the background, V8 notes in the cache: no two would be the same.
  setFlagsFromString("--no-sparkplug");
  globalThis.touched = new Set();
  // The name is part of the cache, which is to be the same wherever it is made.
  const script = new (require("node:vm").Script)(readFileSync(filename, "latin1"), { filename: "weir-plugin.js" });
  if (cache) {
    process.on("exit", () => {
      // V8 refuses a cache that was made with other options.
      setFlagsFromString("--sparkplug");
      writeFileSync(cache, script.createCachedData());
    });
  }
  const plugin = { exports: {} };
  script.runInThisContext()(plugin.exports, require, plugin, filename, dirname(filename));
  let failure;
  try {
    for (const call of JSON.parse(calls)) plugin.exports.answer(call);
  } catch (error) {
    // A node that cannot shape is no mistake; one in the plugin is (CniErrorCode.INTERNAL).
    if (error.name !== "CniError" || error.code === 199) throw error;
    failure = error.message;
  }
  console.log(JSON.stringify({ failure, touched: [...touched] }));
`;

/** What {@link caller} prints. */
type Told = Pick<CodeCache, "failure" | "touched">;

function run([program = "", ...args]: string[]): Told {
  const env = { ...process.env };
  // As the launcher does: V8 would refuse a cache that was made with other options.
  delete env.NODE_OPTIONS;
  delete env.NODE_EXTRA_CA_CERTS;
  const options = { encoding: "utf8", env, timeout: PATIENCE_MS } as const;
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  if (status === 0) return JSON.parse(stdout) as Told;
  throw new Error(`the plugin failed while its code cache was made: ${error?.message ?? stderr.trim()}`);
}

/** Runs something on a node with a pod, two network namespaces that end with this process; it is told the pod's path. */
function besidePod(work: (netns: string) => Told): Told {
  using node = NetworkNamespace.createAnonymous();
  using pod = NetworkNamespace.createAnonymous();
  connect(node, pod);
  return node.run(() => work(`/proc/${process.pid}/fd/${pod.fd.number}`));
}

/** Gives a pod an ipvlan device, or one of a veth pair. */
function connect(node: NetworkNamespace, pod: NetworkNamespace): void {
  using onNode = Rtnetlink.open({ netns: node });
  onNode.links.add({ name: "uplink", kind: "veth", data: { peer: { name: "wire" } } });
  const { index: link } = onNode.links.get("uplink");
  onNode.links.set(link, { up: true });
  try {
    onNode.links.add({ name: "eth0", kind: "ipvlan", link, data: { mode: "l2" }, netns: pod });
  } catch (error) {
    // This kernel has no ipvlan, so neither will its pods.
    if (!(error instanceof NetlinkError)) throw error;
    onNode.links.add({ name: "pod0", kind: "veth", data: { peer: { name: "eth0", netns: pod } } });
    onNode.links.set("pod0", { up: true });
  }
  using inPod = Rtnetlink.open({ netns: pod });
  inPod.links.set("eth0", { up: true });
}

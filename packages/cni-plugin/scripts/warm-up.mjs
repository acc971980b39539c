// Makes the code cache: V8 keeps what has been compiled when the cache is written, so the plugin has to have worked.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";

/**
 * Runs the plugin's ADD and writes the code cache of that process. As root it shapes the loopback device of a
 * namespace made for it; otherwise, and where this kernel cannot shape, the cache holds what ran until then.
 * @param {string} plugin path of the plugin's file
 * @param {string} [cache] path of the cache to write
 * @returns {string[]} what the plugin put into the set `touched`, if anything
 */
export function warmUp(plugin, cache) {
  const folder = mkdtempSync(join(tmpdir(), "weir-warm-up-"));
  const bpffs = join(folder, "bpffs");
  const netns = join(folder, "netns");
  const undo = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    if (mayMount()) {
      mkdirSync(bpffs);
      mountBpffs(bpffs);
      undo.push(() => unmount(bpffs));
      NetworkNamespace.create(netns).close();
      undo.push(() => NetworkNamespace.remove(netns));
      const rt = Rtnetlink.open({ netns });
      rt.links.set("lo", { up: true });
      rt.close();
    }
    const call = (containerId) => ({
      environment: { command: "ADD", containerId, netns, ifname: "lo" },
      input: JSON.stringify({
        cniVersion: "1.0.0",
        name: "warm-up",
        prevResult: { cniVersion: "1.0.0", ips: [{ address: "10.0.0.1/8" }] },
        runtimeConfig: { bandwidth: { ingressRate: 1e6, egressRate: 1e6 } },
      }),
      options: { bpffs, stateDirectory: join(folder, "state") },
    });
    // The second ADD finds the program pinned, as nearly every ADD of a node does.
    run(plugin, "", call("first"));
    return run(plugin, cache ?? "", call("second"));
  } finally {
    for (const step of undo.reverse()) step();
  }
}

/** Root may not, in the container of an image's build. */
function mayMount() {
  const CAP_SYS_ADMIN = 21n;
  const [, held] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return ((BigInt(`0x${held}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

const program = `
  const { readFileSync, writeFileSync } = require("node:fs");
  const { dirname } = require("node:path");
  const [, filename, cache, call] = process.argv;
  globalThis.touched = new Set();
  // The name is part of the cache, which is to be the same wherever the bundle is built.
  const script = new (require("node:vm").Script)(readFileSync(filename, "latin1"), { filename: "weir-plugin.js" });
  if (cache) process.on("exit", () => writeFileSync(cache, script.createCachedData()));
  const plugin = { exports: {} };
  script.runInThisContext()(plugin.exports, require, plugin, filename, dirname(filename));
  try {
    plugin.exports.answer(JSON.parse(call));
  } catch (error) {
    // A kernel that cannot shape is no mistake; one in the plugin is (CniErrorCode.INTERNAL).
    if (error.name !== "CniError" || error.code === 199) throw error;
  }
  console.log(JSON.stringify([...touched]));
`;

function run(plugin, cache, call) {
  // V8 takes a cache whatever the seed; with a fixed one it is the same at each build.
  const command = ["--random-seed=1", "-e", program, plugin, cache, JSON.stringify(call)];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the plugin failed while its code cache was made: ${stderr}`);
  return JSON.parse(stdout);
}

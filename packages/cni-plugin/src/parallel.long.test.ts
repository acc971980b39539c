import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Rtnetlink } from "@weir/netlink";
import { Shaper } from "@weir/shaper";
import { mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Command } from "./cni/environment.js";
import type { Call } from "./cni/plugin.js";
import type { Answers } from "./testing/caller.js";
import { Executables } from "./testing/executables.js";

const PODS = 200;
/** Processes that call the plugin at the same time. */
const CALLERS = 8;

const executables = new Executables();
const bpffs = join(executables.folder, "bpffs");
const options = { bpffs, stateDirectory: executables.stateDirectory, lockTimeoutMs: 120_000 };
const caller = fileURLToPath(new URL("./testing/caller.js", import.meta.url));

const test = suite("weir called by many at once");
test.before(() => {
  mkdirSync(bpffs);
  mountBpffs(bpffs);
});
test.after(() => {
  unmount(bpffs);
  executables.remove();
});

/** A node's namespace and many pods', each with an ipvlan device eth0 on the node's uplink. */
class Pods implements Disposable {
  readonly names = Array.from({ length: PODS }, (_, index) => `pod${index}`);
  readonly #node = join(executables.folder, "node");

  constructor() {
    NetworkNamespace.create(this.#node).close();
    using node = Rtnetlink.open({ netns: this.#node });
    node.links.add({ name: "uplink", kind: "veth", data: { peer: { name: "wire" } } });
    for (const name of ["uplink", "wire"]) node.links.set(name, { up: true });
    const { index: link } = node.links.get("uplink");
    for (const name of this.names) {
      const netns = this.netns(name);
      NetworkNamespace.create(netns).close();
      node.links.add({ name: "eth0", kind: "ipvlan", link, netns, data: { mode: "l2" } });
      using pod = Rtnetlink.open({ netns });
      pod.links.set("eth0", { up: true });
    }
  }

  netns(name: string): string {
    return join(executables.folder, name);
  }

  /** The kinds of a pod's devices and of eth0's root qdisc. */
  state(name: string): string {
    using rt = Rtnetlink.open({ netns: this.netns(name) });
    const kinds = [...rt.links.dump({ skipStats: true })].map(({ kind }) => kind ?? "");
    const { index } = rt.links.get("eth0");
    return [...kinds, rt.qdiscs.find(index)?.kind, rt.qdiscs.find(index, "clsact")?.kind].join();
  }

  [Symbol.dispose](): void {
    for (const name of this.names) NetworkNamespace.remove(this.netns(name));
    NetworkNamespace.remove(this.#node);
  }
}

/** Each pod has a limit of its own, so that a mix-up is seen. */
const rateOf = (name: string) => 1_000_000 + Number(name.slice(3)) * 1000;

function call(pods: Pods, command: Command, name: string): Call {
  const input = JSON.stringify({
    cniVersion: "1.1.0",
    name: "net",
    type: "weir",
    prevResult: { cniVersion: "1.1.0", interfaces: [{ name: "eth0" }] },
    runtimeConfig: { bandwidth: { egressRate: rateOf(name), ingressRate: 2 * rateOf(name) } },
    "cni.dev/valid-attachments": pods.names.map((containerID) => ({ containerID, ifname: "eth0" })),
  });
  const environment = { command, containerId: name, netns: pods.netns(name), ifname: "eth0" };
  return { environment, input, options };
}

/** Deals calls out to processes that begin together, and gives what went wrong. */
async function atOnce(hands: readonly (readonly Call[])[]): Promise<string[]> {
  const children = hands.map(() => fork(caller));
  try {
    const answers = children.map(async (child) => {
      const ended = once(child, "exit").then(() => {
        throw new Error("a caller died");
      });
      ended.catch(() => {});
      const [answer] = (await Promise.race([once(child, "message"), ended])) as [Answers];
      return answer;
    });
    for (const [index, child] of children.entries()) child.send([...hands[index]!]);
    const all = await Promise.all(answers);
    const longest = Math.max(...all.map(({ longestLockMs }) => longestLockMs));
    console.log(`the lock was held for ${longest.toFixed(0)} ms at the longest`);
    return all.flatMap(({ problems }) => problems).filter((problem) => problem !== "");
  } finally {
    for (const child of children) child.disconnect();
  }
}

/** Every n-th of the pods, for the n-th caller. */
const hand = (pods: Pods, caller: number) => pods.names.filter((_, index) => index % CALLERS === caller);

test(`${PODS} pods are added at once, checked, collected and deleted at once, and the state is exact`, async () => {
  using pods = new Pods();
  const pristine = pods.names.map((name) => pods.state(name));
  const callers = Array.from({ length: CALLERS }, (_, index) => index);

  // Each added pod is checked after the next one of its caller was added; every now and then all is collected.
  const adding = callers.map((index) =>
    hand(pods, index).flatMap((name, turn, names) => [
      call(pods, "ADD", name),
      ...(turn > 0 ? [call(pods, "CHECK", names[turn - 1]!)] : []),
      ...(turn % 10 === 5 ? [call(pods, "GC", name)] : []),
    ]),
  );
  assert.equal(await atOnce(adding), []);
  {
    using shaper = Shaper.open(options);
    assert.is(shaper.list().length, PODS);
    assert.is(new Set(shaper.list().map(({ slot }) => slot)).size, PODS);
    for (const name of pods.names) {
      const { limits, problems } = shaper.inspect(`${name}/eth0`);
      assert.equal(problems, []);
      const rates = [limits.egress?.bitsPerSecond, limits.ingress?.bitsPerSecond];
      assert.equal(rates, [BigInt(rateOf(name)), BigInt(2 * rateOf(name))]);
    }
  }

  // Others delete what one checks: each DEL comes twice, and a CHECK only ever says that nothing is known any more.
  const deleting = callers.map((index) =>
    hand(pods, index).flatMap((name) => [call(pods, "DEL", name), call(pods, "DEL", name)]),
  );
  const checking = hand(pods, 0).map((name) => call(pods, "CHECK", name));
  const problems = await atOnce([...deleting, checking]);
  assert.equal(
    problems.filter((problem) => !/^(3|103): /.test(problem)),
    [],
  );
  assert.equal(
    pods.names.map((name) => pods.state(name)),
    pristine,
  );
  using shaper = Shaper.open(options);
  assert.equal(shaper.list(), []);
  assert.equal(shaper.gc(), { removed: [], problems: [] });
});

test.run();

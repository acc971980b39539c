import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppsV1Api, CoreV1Api } from "@kubernetes/client-node";
import { Rtnetlink } from "@weir/netlink";
import { type AttachmentRecord, type Inspection, Shaper } from "@weir/shaper";
import { PAUSE_IMAGE } from "@weir/test-e2e/clients";
import {
  AHEAD_BYTES,
  allowLargeBuffers,
  bitsEachSecond,
  IperfServer,
  neverAhead,
  type Sample,
  traffic,
  WireMeter,
} from "@weir/test-e2e/lab";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chart } from "./node/chart.js";
import { podOf } from "./node/daemon-set.js";
import { KubernetesNode, NODE_ADDRESS } from "./node/kubernetes-node.js";
import { annotate, bandwidth } from "./node/objects.js";
import { fetchAndBuild } from "./programs/index.js";
import { WEIR_IMAGE } from "./programs/prepare.js";

const MBIT = 1_000_000;
const NAMESPACE = "weir-system";
const METRICS_PORT = 9464;

allowLargeBuffers();
const began = Date.now();
const node = await KubernetesNode.start(await fetchAndBuild());
const { cluster } = node;
console.log(
  `a cluster after ${Date.now() - began} ms: kube-apiserver ${cluster.apiServer.residentMib} MiB, ` +
    `etcd ${cluster.etcd.residentMib} MiB, kubelet ${node.kubelet.residentMib} MiB`,
);
const core = await cluster.api(CoreV1Api);
const far = await node.lab.addPod("far", node.lab.nodes[1]);
test.after(() => node[Symbol.asyncDispose]());

/** Waits until something is so. @returns after how many milliseconds it was */
async function until(
  what: string,
  reached: () => Promise<boolean> | boolean,
  timeoutMs = 300_000,
): Promise<number> {
  const start = performance.now();
  while (performance.now() - start < timeoutMs) {
    if (await reached()) return Math.round(performance.now() - start);
    // Looking takes a part of an emulated machine that others need to get on.
    await sleep(50);
  }
  throw new Error(`waited in vain until ${what}\n${agentLog().slice(-5000)}`);
}

/** What the agent's pod printed. */
function agentLog(): string {
  const folder = "/var/log/pods";
  if (!existsSync(folder)) return "";
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.startsWith(`${NAMESPACE}_`) && name.endsWith(".log"))
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("");
}

/** A repair that the agent logged. */
interface Repair {
  /** When it was done, in milliseconds since 1970. */
  at: number;
  /** The problem's code, such as "FILTER_MISSING". */
  problem: string;
}

function repairs(): Repair[] {
  return [...agentLog().matchAll(/^\S+ stdout F (\{.*"msg":"repaired: .*\})$/gm)].map(([, line]) => {
    const { time, problem } = JSON.parse(line!) as { time: string; problem: string };
    return { at: Date.parse(time), problem };
  });
}

/** The agent's process, wherever it is contained. */
function agentPid(): number | undefined {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      try {
        const [program, command] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return program === "/usr/bin/weir" && command === "agent";
      } catch {
        return false;
      }
    });
}

/** Whether the agent says that it is ready. */
async function isReady(): Promise<boolean> {
  const url = `http://${NODE_ADDRESS}:${METRICS_PORT}/readyz`;
  return fetch(url, { signal: AbortSignal.timeout(5000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** `helm upgrade --install` with this agent's configuration. */
async function helm(config: object): Promise<void> {
  const { hostname, port } = new URL(cluster.apiServer.url);
  const values = {
    image: { repository: WEIR_IMAGE.repository, tag: WEIR_IMAGE.tag, pullPolicy: "Never" },
    cni: { binDir: KubernetesNode.binFolder, confDir: KubernetesNode.confFolder, networks: ["pods"] },
    apiServer: { host: hostname, port },
    metrics: { listen: "nodeIP", port: METRICS_PORT },
    config,
  };
  const file = join(cluster.folder, "values.json");
  writeFileSync(file, JSON.stringify(values));
  await cluster.helm([
    "upgrade",
    "--install",
    "weir",
    chart,
    "--namespace",
    NAMESPACE,
    "--create-namespace",
    "--values",
    file,
  ]);
}

/** A pod of the cluster as the node has it. */
interface Running {
  name: string;
  netns: string;
  address: string;
  /** The attachment's id. */
  id: string;
}

/** Makes a pod with kubectl and waits until it runs. */
async function runPod(name: string, limit: string): Promise<Running> {
  const manifest = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, annotations: bandwidth(limit, limit) },
    spec: {
      nodeName: node.name,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image: PAUSE_IMAGE, imagePullPolicy: "Never" }],
    },
  };
  await cluster.kubectl(["apply", "-f", "-"], JSON.stringify(manifest));
  await cluster.kubectl(["wait", "--for=condition=Ready", `pod/${name}`, "--timeout=600s"]).catch((error) => {
    throw new Error(`${error.message}\n${node.kubelet.log.slice(-4000)}\n${node.containerd.log}`);
  });
  const { status } = await core.readNamespacedPod({ name, namespace: "default" });
  using shaper = Shaper.open();
  const record = shaper.list().find(({ pod }) => pod?.name === name);
  assert.ok(record, `${name} is not shaped`);
  return { name, netns: record.netns, address: status!.podIP!, id: record.id };
}

function inspect(pod: Running): Inspection {
  using shaper = Shaper.open();
  return shaper.inspect(pod.id);
}

/** What an inspection says as well, for a look that takes next to no time. */
function recordOf(pod: Running): AttachmentRecord | undefined {
  using shaper = Shaper.open();
  return shaper.list().find(({ id }) => id === pod.id);
}

/** Has a pod's limit changed as an operator does, and waits until it is in force. @returns when it was, in seconds */
async function limit(pod: Running, egress: string, mbit: number): Promise<number> {
  const start = performance.now();
  await annotate(core, pod.name, bandwidth(egress, "100M"));
  const answered = performance.now();
  await until(`${egress} is in force`, () => {
    const record = recordOf(pod);
    return record?.state === "active" && record.limits.egress?.bitsPerSecond === BigInt(mbit * MBIT);
  });
  const done = performance.now();
  const seconds = now();
  assert.equal(inspect(pod).problems, []);
  console.log(
    `${egress} in force ${Math.round(done - answered)} ms after the API server's answer, which took ` +
      `${Math.round(answered - start)} ms; agent ${agentMib()} MiB`,
  );
  return seconds;
}

/** What arrives from a pod by one TCP connection while something is done to the pod, which must not end it. */
async function during(pod: Running, work: () => Promise<void>): Promise<Sample[]> {
  using _server = await IperfServer.start(far);
  using meter = new WireMeter(far.netns, 52);
  const done = new AbortController();
  const sampling = meter.sample(done.signal);
  const before = inspect(pod).egress!.delayed;
  // One that ends by itself would end before a slow machine has done the work.
  const command = ["iperf3", "--client", far.address, "--time", "3600", "--interval", "0"];
  const sender = spawn("nsenter", [`--net=${pod.netns}`, ...command], {
    stdio: "ignore",
  });
  const ended = once(sender, "exit");
  try {
    await sleep(3000);
    await work();
    await sleep(3000);
    assert.is(sender.exitCode, null, "the connection ended");
  } finally {
    sender.kill();
    await ended;
    done.abort();
  }
  const samples = await sampling;
  const each = bitsEachSecond(samples, 60).map((bits) => Math.round(bits / MBIT));
  console.log(`  Mbit/s each second: ${each}; ${inspect(pod).egress!.delayed - before} packets had to wait`);
  return samples;
}

/** What came at this time or later may not be ahead of a limit either, but for what was on its way. */
function neverAheadSince(samples: Sample[], seconds: number, limit: number): void {
  const later = samples.filter((sample) => sample.seconds >= seconds);
  const first = later[0];
  assert.ok(first && later.length > 10, "nothing was seen after the change");
  for (const sample of later) {
    const allowed = (limit / 8) * (sample.seconds - first.seconds) + AHEAD_BYTES;
    assert.ok(sample.bytes - first.bytes <= allowed, `${sample.bytes - first.bytes} bytes after the change`);
  }
}

const now = (): number => Number(process.hrtime.bigint()) / 1e9;

let pod: Running;

test("the chart's DaemonSet installs the plugin and runs the agent", async () => {
  node.containerd.import(WEIR_IMAGE.archive);
  // Shaped pods keep their filters at first, which one of the tests deletes.
  await helm({ hold: false });
  // The controllers' work: the certificate that pods trust, and the DaemonSet's pods.
  const authority = readFileSync(cluster.authority.certificate, "utf8");
  await core.createNamespacedConfigMap({
    namespace: NAMESPACE,
    body: { metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": authority } },
  });
  const apps = await cluster.api(AppsV1Api);
  const set = await apps.readNamespacedDaemonSet({ name: "weir", namespace: NAMESPACE });
  const start = performance.now();
  await core.createNamespacedPod({ namespace: NAMESPACE, body: podOf(set, node.name) });
  await until("the agent is ready", isReady, 900_000);
  console.log(
    `the agent was ready ${Math.round(performance.now() - start)} ms after its pod was made, ${agentMib()} MiB`,
  );
  const [file, ...more] = readdirSync(KubernetesNode.confFolder).filter((name) => name.endsWith(".conflist"));
  assert.is(more.length, 0);
  const { plugins } = JSON.parse(readFileSync(join(KubernetesNode.confFolder, file!), "utf8"));
  assert.equal(
    plugins.map(({ type }: { type: string }) => type),
    ["ipvlan", "weir"],
  );
  assert.ok(existsSync(join(KubernetesNode.binFolder, "weir")));
});

/** How much memory the agent has, in MiB. */
function agentMib(): number {
  const status = readFileSync(`/proc/${agentPid()}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}

test("a pod that kubectl makes is shaped as annotated from its first packet on", async () => {
  const start = Date.now();
  pod = await runPod("limited", "100M");
  console.log(`a pod was ready ${Date.now() - start} ms after kubectl began`);
  const { limits, problems } = inspect(pod);
  assert.equal(limits, { egress: { bitsPerSecond: 100_000_000n }, ingress: { bitsPerSecond: 100_000_000n } });
  assert.equal(problems, []);
  neverAhead(await traffic(pod, far, "tcp", { seconds: 3, limit: 100 * MBIT }), 100 * MBIT);
});

test("its changed annotation is in force soon, and the connection goes on", async () => {
  let changed = 0;
  const samples = await during(pod, async () => {
    changed = await limit(pod, "50M", 50);
    await sleep(3000);
  });
  // What was stamped before leaves first, for at most the horizon.
  neverAheadSince(samples, changed + 2, 50 * MBIT);
  neverAhead(samples, 100 * MBIT);
});

/** Removes a qdisc inside the pod, more than once, and waits for the agent. @returns what it repaired */
async function destroyAndWait(parent: "root" | "clsact"): Promise<string[]> {
  const times: number[] = [];
  const problems = new Set<string>();
  for (let time = 0; time < 3; time++) {
    assert.equal(inspect(pod).problems, []);
    const before = repairs().length;
    const removed = remove(pod, parent);
    await until("it is repaired", () => repairs().length > before && inspect(pod).problems.length === 0);
    const made = repairs().slice(before);
    times.push(Math.max(...made.map(({ at }) => at)) - removed);
    for (const { problem } of made) problems.add(problem);
    await sleep(1000);
  }
  console.log(`${parent} removed: ${[...problems]} repaired after ${times.join(", ")} ms`);
  return [...problems];
}

/** Removes a qdisc of a pod's device, with all that hangs at it. @returns when it was gone, by the wall clock */
function remove({ netns }: Running, parent: "root" | "clsact"): number {
  using rt = Rtnetlink.open({ netns });
  const { index } = rt.links.get("eth0");
  rt.qdiscs.remove({ index, parent, ...(parent === "clsact" ? { kind: "clsact" } : {}) });
  return Date.now();
}

test("its filters, deleted from inside, come back", async () => {
  assert.ok((await destroyAndWait("clsact")).includes("FILTER_MISSING"));
});

test("its qdisc, deleted from inside, comes back", async () => {
  assert.equal(await destroyAndWait("root"), ["FQ_MISSING"]);
});

test("a changed configuration reaches the running agent, and links take the place of the filters", async () => {
  const pid = agentPid();
  const start = performance.now();
  await helm({});
  const upgraded = performance.now();
  await until("the pod is held", () => {
    const record = recordOf(pod);
    return record?.state === "active" && record.hold === true;
  });
  console.log(
    `the changed ConfigMap was in force ${Math.round(performance.now() - upgraded)} ms after helm, ` +
      `which took ${Math.round(upgraded - start)} ms`,
  );
  assert.is(agentPid(), pid);
  // What the pod receives still goes through a filter of its own; what it sends is stamped whatever is deleted inside.
  assert.equal(await destroyAndWait("clsact"), ["REDIRECT_MISSING"]);
});

test("no packet is unshaped while the agent is killed and started again", async () => {
  // So little that any machine could send more.
  await limit(pod, "5M", 5);
  const samples = await during(pod, async () => {
    const pid = agentPid()!;
    const start = performance.now();
    process.kill(pid, "SIGKILL");
    const began = await until("another runs", () => ![undefined, pid].includes(agentPid()));
    await until("it is ready", isReady);
    console.log(
      `the agent was killed; another began after ${began} ms and was ready after ` +
        `${Math.round(performance.now() - start)} ms, ${agentMib()} MiB`,
    );
  });
  neverAhead(samples, 5 * MBIT);
  await limit(pod, "50M", 50);
});

test("a pod that is deleted leaves nothing", async () => {
  await cluster.kubectl(["delete", "pod", "limited", "--wait=true", "--timeout=600s"]);
  await until("its attachment is gone", () => !recordOf(pod));
});

test("the agent tells how long it took itself", async () => {
  const text = await (await fetch(`http://${NODE_ADDRESS}:${METRICS_PORT}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  const [sum, count] = [value("weir_event_lag_seconds_sum"), value("weir_event_lag_seconds_count")];
  console.log(
    `${count} changed pods, from the event's arrival to the limits: ${Math.round(sum * 1000)} ms in all`,
  );
  assert.ok(count > 0);
  assert.is(value("weir_api_connected"), 1);
  assert.is(value("weir_attachments"), 0);
});

test.run();

import { setTimeout as sleep } from "node:timers/promises";
import { CoreV1Api } from "@kubernetes/client-node";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AuditedRequest } from "./api/api-server.js";
import { startCluster } from "./cluster.js";
import { Agent } from "./node/agent.js";
import { chart } from "./node/chart.js";
import { annotate, bandwidth, createNode, createPod } from "./node/objects.js";
import { fetchAndBuild } from "./programs/index.js";

const NODE = "node-one";
const ACCOUNT = { namespace: "weir-system", serviceAccount: "weir" };

/** An agent that reaches the API through a proxy, and a pod that only the API knows of. */
const cluster = await startCluster({ programs: await fetchAndBuild() });
const core = await cluster.api(CoreV1Api);
// It may do what the chart lets it.
await cluster.helm(["install", "weir", chart, "--namespace", ACCOUNT.namespace, "--create-namespace"]);
await createNode(core, NODE);
await createNode(core, "node-two");
await createPod(core, { name: "one", node: NODE, annotations: bandwidth("100M", "100M") });
const way = await cluster.proxy();
const kubeconfig = await cluster.kubeconfig(ACCOUNT, way);
const agent = await Agent.start({ node: NODE, kubeconfig, folder: cluster.folder });
test.after(async () => {
  await agent[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

/** Makes the pod's annotation right or wrong, which the agent counts. */
const write = (valid: boolean): Promise<void> =>
  annotate(core, "one", bandwidth(valid ? "100M" : "100Mbps", "100M"));

/** Waits until the agent has seen that. @returns milliseconds */
const seen = (valid: boolean, timeoutMs?: number): Promise<number> =>
  agent.until(
    `the annotation is ${valid ? "right" : "wrong"}`,
    async () => (await agent.metric("weir_invalid_annotations")) === (valid ? 0 : 1),
    timeoutMs,
  );

const isConnected = async (): Promise<boolean> => (await agent.metric("weir_api_connected")) === 1;

/** The agent's own requests since the first `from` of all requests. */
const requests = (verb: string, from = 0): AuditedRequest[] =>
  cluster.apiServer.requests
    .slice(from)
    .filter((each) => each.verb === verb && each.user.endsWith(`:${ACCOUNT.serviceAccount}`));

test("the agent lists its node's pods and hears of what changes", async () => {
  await agent.ready();
  const times: number[] = [];
  for (const valid of [false, true, false, true]) {
    await write(valid);
    times.push(await seen(valid));
  }
  console.log(`a change was seen after ${times.join(", ")} ms; agent ${agent.residentMib} MiB`);
  assert.is(requests("list").length, 1);
  assert.ok(await isConnected());
});

test("a wrong quantity becomes a warning event on the pod, which kubectl shows", async () => {
  const events = async () =>
    (await core.listNamespacedEvent({ namespace: "default" })).items.filter(
      ({ involvedObject, reason }) => involvedObject.name === "one" && reason === "InvalidBandwidth",
    );
  await agent.until("there is an event", async () => (await events()).length > 0);
  const [event] = await events();
  assert.is(event!.type, "Warning");
  assert.is(event!.involvedObject.kind, "Pod");
  assert.match(event!.message ?? "", /egress-bandwidth.*100Mbps/);
  assert.match(await cluster.kubectl(["describe", "pod", "one"]), /Warning +InvalidBandwidth .*100Mbps/);
});

test("watches that the server ends go on from a bookmark, without a new list", async () => {
  await cluster.apiServer.stop();
  await cluster.apiServer.start();
  await write(false);
  await seen(false);
  const from = cluster.apiServer.requests.length;
  // Of another node's pods the agent hears nothing but by bookmarks, which come about once a minute.
  await createPod(core, { name: "elsewhere", node: "node-two" });
  const { metadata } = await core.readNamespacedPod({ name: "elsewhere", namespace: "default" });
  const version = (uri: string) =>
    Number(new URL(uri, "https://server").searchParams.get("resourceVersion") ?? 0);
  await sleep(75_000);
  way.cut();
  await write(true);
  await seen(true);
  // The server tells of a watch when it has ended.
  way.cut();
  await agent.until("a watch that began at a bookmark has ended", () =>
    requests("watch", from).some(({ uri }) => version(uri) >= Number(metadata!.resourceVersion)),
  );
  assert.equal(requests("list", from), []);
});

test("what was changed while nobody could say so is caught up with after 410", async () => {
  const from = cluster.apiServer.requests.length;
  await way.refuse();
  await write(false);
  await cluster.forget();
  await way.accept();
  console.log(`after 410 the agent had caught up in ${await seen(false)} ms`);
  assert.is(requests("list", from).length, 1, JSON.stringify(requests("list", from)));
});

test("slow and broken connections delay a change and lose none", async () => {
  // Enough that a list takes seconds.
  const others = Array.from({ length: 30 }, (_, index) => `many-${index}`);
  for (const name of others)
    await createPod(core, { name, node: NODE, annotations: { "example.org/filler": "x".repeat(2000) } });
  const from = cluster.apiServer.requests.length;
  way.faults = { delayMs: 150, bytesPerSecond: 50_000 };
  const times: number[] = [];
  for (const valid of [true, false, true]) {
    way.cut();
    await write(valid);
    times.push(await seen(valid));
  }
  way.faults = {};
  console.log(`after a cut, at 50 kB/s and 150 ms, a change was seen after ${times.join(", ")} ms`);
  assert.equal(requests("list", from), [], "a watch that broke goes on where it was");
  for (const name of others)
    await core.deleteNamespacedPod({ name, namespace: "default", gracePeriodSeconds: 0 });
});

test("a connection that is only half open is given up", async () => {
  way.freeze();
  await write(false);
  await sleep(3000);
  assert.is(await agent.metric("weir_invalid_annotations"), 0);
  way.thaw();
  console.log(`a half-open connection was given up after ${await seen(false, 400_000)} ms`);
});

test("without permission the agent says so and stays, and with it again it goes on", async () => {
  const binding = ["clusterrolebinding", "weir"];
  const saved = await cluster.kubectl(["get", ...binding, "-o", "json"]);
  await cluster.kubectl(["delete", ...binding]);
  const from = cluster.apiServer.requests.length;
  way.cut();
  await write(true);
  await agent.until("it was refused", () =>
    [...requests("watch", from), ...requests("list", from)].some(({ status }) => status === 403),
  );
  await agent.until("it says so", async () => !(await isConnected()));
  assert.match(agent.log, /403|forbidden/i);
  await cluster.kubectl(["apply", "-f", "-"], saved);
  console.log(`with permission again a change was seen after ${await seen(true)} ms`);
});

test("without an API server it stays healthy, and hears of what changes once there is one again", async () => {
  await cluster.apiServer.stop("SIGKILL");
  await agent.until("it notices", async () => !(await isConnected()));
  await sleep(5000);
  assert.ok(await agent.isHealthy());
  await cluster.apiServer.start();
  await write(false);
  console.log(`an API server that came back was listened to after ${await seen(false)} ms`);
});

test("it asks for no more than its role grants, and for its own node's pods alone", () => {
  const all = cluster.apiServer.requests.filter(({ user }) => user.endsWith(`:${ACCOUNT.serviceAccount}`));
  const granted = ["get pods", "list pods", "watch pods", "create events", "patch events"];
  for (const { verb, resource } of all)
    assert.ok(granted.includes(`${verb} ${resource}`), `it asked to ${verb} ${resource}`);
  for (const { uri } of [...requests("list"), ...requests("watch")])
    assert.match(decodeURIComponent(uri), /fieldSelector=spec\.nodeName=node-one/);
});

test("it ends with status 0 when it is told to", async () => {
  assert.is(await agent.stop(), 0);
});

test.run();

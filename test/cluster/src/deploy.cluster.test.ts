import { AppsV1Api, CoreV1Api, RbacAuthorizationV1Api } from "@kubernetes/client-node";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startCluster } from "./cluster.js";
import { chart, manifest } from "./node/chart.js";
import { fetchAndBuild } from "./programs/index.js";

const cluster = await startCluster({ programs: await fetchAndBuild() });
const [core, apps, rbac] = await Promise.all([
  cluster.api(CoreV1Api),
  cluster.api(AppsV1Api),
  cluster.api(RbacAuthorizationV1Api),
]);
test.after(() => cluster[Symbol.asyncDispose]());

/** Whether a service account may do something; kubectl answers "no" with status 1. */
const may = (account: string, ...what: string[]): Promise<boolean> =>
  cluster.kubectl(["auth", "can-i", ...what, "--as", `system:serviceaccount:${account}`]).then(
    () => true,
    () => false,
  );

async function mayWhatItMust(account: string): Promise<void> {
  for (const verb of ["get", "list", "watch"])
    assert.ok(await may(account, verb, "pods", "--all-namespaces"), verb);
  assert.ok(await may(account, "create", "events", "--all-namespaces"));
  for (const what of [
    ["delete", "pods"],
    ["patch", "pods"],
    ["list", "secrets"],
    ["list", "nodes"],
  ])
    assert.not.ok(await may(account, ...what), what.join(" "));
}

test("helm installs the chart, changes its configuration, and takes all of it away again", async () => {
  const namespace = "weir-system";
  await cluster.helm(["lint", "--strict", chart]);
  await cluster.helm(["install", "weir", chart, "--namespace", namespace, "--create-namespace"]);
  await apps.readNamespacedDaemonSet({ name: "weir", namespace });
  await mayWhatItMust(`${namespace}:weir`);
  const config = ["--set", "config.maximum.egress=1G"];
  await cluster.helm(["upgrade", "weir", chart, "--namespace", namespace, ...config]);
  const { data } = await core.readNamespacedConfigMap({ name: "weir", namespace });
  assert.match(Object.values(data ?? {}).join(), /egress: 1G/);
  await cluster.helm(["uninstall", "weir", "--namespace", namespace]);
  assert.equal((await apps.listDaemonSetForAllNamespaces()).items, []);
  const { items } = await rbac.listClusterRole();
  assert.not.ok(items.some(({ metadata }) => metadata?.name === "weir"));
});

test("kubectl applies the one manifest, twice, and deletes it", async () => {
  // It is for Kubernetes 1.30, whose one new field (appArmorProfile) this server leaves out.
  const apply = ["apply", "--validate=false", "-f", manifest];
  await cluster.kubectl(apply);
  const again = (await cluster.kubectl(apply)).trim().split("\n");
  assert.ok(again.length >= 5, again.join());
  await apps.readNamespacedDaemonSet({ name: "weir", namespace: "kube-system" });
  await mayWhatItMust("kube-system:weir");
  await cluster.kubectl(["delete", "-f", manifest]);
  assert.equal((await apps.listDaemonSetForAllNamespaces()).items, []);
});

test.run();

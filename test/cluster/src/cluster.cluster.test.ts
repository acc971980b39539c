import { existsSync } from "node:fs";
import { CoreV1Api, KubeConfig, Watch } from "@kubernetes/client-node";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startCluster } from "./cluster.js";
import { bandwidth, createNode, createPod } from "./node/objects.js";
import { fetchAndBuild } from "./programs/index.js";

const programs = await fetchAndBuild();

const reader = `
apiVersion: v1
kind: ServiceAccount
metadata: { name: reader, namespace: default }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader }
rules: [{ apiGroups: [""], resources: [pods], verbs: [get, list, watch] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: reader }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader }
subjects: [{ kind: ServiceAccount, name: reader, namespace: default }]
`;

/** The status code with which a request is refused; 200 where it is not. */
const code = (request: Promise<unknown>) =>
  request.then(
    () => 200,
    (error: { code?: number }) => error.code ?? error,
  );

test("an API server asks who it is, lets roles and nodes do what they may, forgets when told to, and leaves nothing", async () => {
  let folder = "";
  let pids: number[] = [];
  {
    const began = Date.now();
    await using cluster = await startCluster({ programs });
    folder = cluster.folder;
    const versions = JSON.parse(await cluster.kubectl(["version", "-o", "json"]));
    console.log(
      `ready after ${Date.now() - began} ms: kube-apiserver ${versions.serverVersion.gitVersion}, ` +
        `${cluster.apiServer.residentMib} MiB; etcd ${await cluster.etcd.version()}, ${cluster.etcd.residentMib} MiB; ` +
        `kubectl ${versions.clientVersion.gitVersion}; helm ${(await cluster.helm(["version", "--short"])).trim()}`,
    );
    await cluster.kubectl(["apply", "-f", "-"], reader);
    const core = await cluster.api(CoreV1Api);
    for (const node of ["one", "two"]) {
      await createNode(core, node);
      await createPod(core, { name: `on-${node}`, node, annotations: bandwidth("100M") });
    }

    const account = await cluster.api(CoreV1Api, { namespace: "default", serviceAccount: "reader" });
    assert.is((await account.listPodForAllNamespaces()).items.length, 2);
    assert.is(await code(account.deleteNamespacedPod({ name: "on-one", namespace: "default" })), 403);
    assert.is(await code(account.listNode()), 403);
    const kubelet = await cluster.api(CoreV1Api, { node: "one" });
    const { items } = await kubelet.listPodForAllNamespaces({ fieldSelector: "spec.nodeName=one" });
    assert.equal(
      items.map(({ metadata }) => metadata?.name),
      ["on-one"],
    );
    assert.is(await code(kubelet.readNode({ name: "one" })), 200);
    assert.is(await code(kubelet.deleteNamespacedPod({ name: "on-two", namespace: "default" })), 403);

    const { metadata } = await core.listPodForAllNamespaces();
    await createPod(core, { name: "later", node: "one" });
    await cluster.forget();
    assert.is((await core.listPodForAllNamespaces()).items.length, 3, "etcd keeps what it knew");
    const config = new KubeConfig();
    config.loadFromFile(await cluster.kubeconfig("admin"));
    const error = await new Promise<{ code?: number }>((resolve, reject) => {
      const query = { resourceVersion: metadata!.resourceVersion! };
      new Watch(config)
        .watch("/api/v1/pods", query, (type, object) => type === "ERROR" && resolve(object), reject)
        .catch(reject);
    });
    assert.is(error.code, 410);
    pids = [cluster.apiServer.pid, cluster.etcd.pid];
    assert.ok(pids.every((pid) => existsSync(`/proc/${pid}`)));
  }
  assert.not.ok(existsSync(folder));
  assert.not.ok(pids.some((pid) => existsSync(`/proc/${pid}`)));
});

test.run();

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { chart, type Manifest, objects, render, template } from "./render.js";
import { root } from "./root.js";
import { kubernetesTools } from "./tools.js";

const everything = [
  "serviceMonitor.enabled=true,metrics.listen=nodeIP,prometheusRule.enabled=true",
  "grafanaDashboard.enabled=true,cni.networks={pods,storage},cni.conflists={05-x.conflist}",
  "config.defaults.egress=100M,config.uplinks[0].name=ens192,config.uplinks[0].egress=9500M",
  "apiServer.host=192.0.2.1,apiServer.port=6443,supportLinux510=true,seLinuxOptions.type=spc_t",
].flatMap((values) => ["--set", values]);

const find = (all: Manifest[], kind: string): Manifest => all.find((one) => one.kind === kind);
const podOf = (all: Manifest[]): Manifest => find(all, "DaemonSet").spec.template.spec;
const agentOf = (all: Manifest[]): Manifest => podOf(all).containers[0];

test("helm finds nothing wrong with the chart", () => {
  const { status, stdout } = spawnSync(kubernetesTools().helm, ["lint", "--strict", chart, ...everything], {
    encoding: "utf8",
  });
  assert.is(status, 0, stdout);
});

test("an object has its kind, its namespace and its labels once, whatever is asked for", () => {
  for (const values of [[], everything, ["--set", "uninstall.enabled=true,uninstall.force=true"]]) {
    const all = render(...values);
    const names = all.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    assert.is(new Set(names).size, names.length);
    for (const { kind, metadata } of all) {
      assert.is(metadata.namespace, kind.startsWith("Cluster") ? undefined : "kube-system", kind);
      assert.is(metadata.labels["app.kubernetes.io/name"], "weir");
    }
  }
});

test("the agent has two capabilities, no privileges and a read-only root", () => {
  const all = render();
  const { securityContext } = agentOf(all);
  assert.equal(securityContext.capabilities, { drop: ["ALL"], add: ["SYS_ADMIN", "NET_ADMIN"] });
  assert.is(securityContext.privileged, undefined);
  assert.is(securityContext.readOnlyRootFilesystem, true);
  assert.equal(securityContext.seccompProfile, { type: "RuntimeDefault" });
  const pod = podOf(all);
  assert.is(pod.hostNetwork, true);
  assert.is(pod.hostPID, false);
  const installer = pod.initContainers[0].securityContext;
  assert.equal(installer.capabilities, { drop: ["ALL"] });
  assert.is(installer.appArmorProfile, undefined);
});

test("only the agent has a token, and it may watch pods and write events", () => {
  const all = render();
  assert.is(podOf(all).automountServiceAccountToken, false);
  assert.is(find(all, "ServiceAccount").automountServiceAccountToken, false);
  const mounts = ({ volumeMounts }: Manifest) => volumeMounts.map(({ name }: Manifest) => name);
  assert.ok(mounts(agentOf(all)).includes("token"));
  assert.not(mounts(podOf(all).initContainers[0]).includes("token"));
  assert.equal(find(all, "ClusterRole").rules, [
    { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  ]);
});

test("every folder that is mounted has a volume, and the other way round", () => {
  for (const values of [
    [],
    everything,
    ["--set", "cni.install=false"],
    ["--set", "uninstall.enabled=true"],
  ]) {
    const { initContainers = [], containers, volumes } = podOf(render(...values));
    const mounted = [...initContainers, ...containers].flatMap(({ volumeMounts }: Manifest) =>
      volumeMounts.map(({ name }: Manifest) => name),
    );
    assert.equal([...new Set(mounted)].sort(), volumes.map(({ name }: Manifest) => name).sort());
  }
});

test("folders that the plugin and the agent share are at the same place inside and outside", () => {
  const { volumes, containers } = podOf(render());
  for (const { name, mountPath } of containers[0].volumeMounts) {
    const { hostPath } = volumes.find((one: Manifest) => one.name === name);
    if (hostPath) assert.is(hostPath.path, mountPath);
  }
});

test("metrics are on the loopback, and probes go there, unless another address is asked for", () => {
  const settings = (all: Manifest[]) => {
    const { env, livenessProbe, ports } = agentOf(all);
    const address = env.find(({ name }: Manifest) => name === "WEIR_METRICS_ADDRESS").value;
    return { address, host: livenessProbe.httpGet.host, open: ports !== undefined };
  };
  assert.equal(settings(render()), { address: "127.0.0.1:9464", host: "127.0.0.1", open: false });
  const others = { nodeIP: "$(HOST_IP):9000", all: "0.0.0.0:9000" };
  for (const [listen, address] of Object.entries(others)) {
    const all = render("--set", `metrics.listen=${listen},metrics.port=9000`);
    assert.equal(settings(all), { address, host: undefined, open: true });
  }
});

test("the installer changes the conflists that are named, and can change none where none is", () => {
  const installer = (all: Manifest[]) => podOf(all).initContainers[0];
  const writes = ({ volumeMounts }: Manifest) =>
    !volumeMounts.find(({ name }: Manifest) => name === "cni-conf").readOnly;
  assert.not(writes(installer(render())));
  const named = installer(render(...everything));
  assert.ok(writes(named));
  assert.is(
    named.args.slice(4).join(" "),
    "--network pods --network storage --conflist /host/cni/conf/05-x.conflist",
  );
});

test("the configuration is what the agent reads", () => {
  const { data } = find(render(...everything), "ConfigMap");
  assert.equal(parse(data["agent.yaml"]), {
    defaults: { egress: "100M" },
    uplinks: [{ name: "ens192", egress: "9500M" }],
  });
  assert.equal(parse(find(render(), "ConfigMap").data["agent.yaml"]), {});
});

test("AppArmor is told in the way that the cluster's version knows", () => {
  const unconfined = (version: string) => {
    const all = render("--kube-version", version);
    const { annotations } = find(all, "DaemonSet").spec.template.metadata;
    return {
      annotation: annotations["container.apparmor.security.beta.kubernetes.io/agent"],
      field: agentOf(all).securityContext.appArmorProfile?.type,
    };
  };
  assert.equal(unconfined("1.20.2"), { annotation: "unconfined", field: undefined });
  assert.equal(unconfined("1.34.5"), { annotation: undefined, field: "Unconfined" });
});

test("to be taken out, the uninstaller runs where the agent would, and gives no token to anybody", () => {
  const pod = podOf(render("--set", "uninstall.enabled=true,uninstall.force=true"));
  assert.equal(pod.initContainers[0].command, ["/usr/bin/weir", "uninstall"]);
  assert.is(pod.initContainers[0].args.at(-1), "--force");
  assert.equal(pod.containers[0].command, ["/usr/bin/weir", "serve"]);
  assert.equal(pod.containers[0].securityContext.capabilities, { drop: ["ALL"] });
  assert.not(pod.volumes.some(({ name }: Manifest) => name === "token"));
});

const refusals: [values: string, message: RegExp][] = [
  ["config.defaults.egress=100K", /config\/defaults\/egress.*does not match pattern/s],
  ["config.defaults.egress=100Mbps", /config\/defaults\/egress/],
  ["config.defaults.egres=100M", /additional properties 'egres' not allowed/],
  ["metrics.listen=everywhere", /metrics\/listen.*'loopback', 'nodeIP', 'all'/s],
  ["metrics.port=0", /metrics\/port/],
  ["cni.binDir=opt/cni/bin", /cni\/binDir/],
  ["cni.conflists={/etc/cni/net.d/10.conflist}", /cni\/conflists\/0/],
  ["imagee.tag=1", /'imagee' not allowed/],
  ["serviceMonitor.enabled=true", /set metrics\.listen to nodeIP or all/],
];
for (const [values, message] of refusals) {
  test(`${values} is refused with a reason`, () => {
    const { status, stderr } = template("--set", values);
    assert.is(status, 1);
    assert.match(stderr, message);
  });
}

test("the one-file manifest is what the chart gives, and kubectl reads it", () => {
  const env = { ...process.env, WEIR_PREPARED: "1" };
  const check = [join(root, "scripts/manifest.mjs"), "--check"];
  const { status, stderr } = spawnSync(process.execPath, check, { encoding: "utf8", env });
  assert.is(status, 0, stderr);
  const folder = mkdtempSync(join(tmpdir(), "weir-manifest-"));
  try {
    const text = readFileSync(join(root, "deploy/weir.yaml"), "utf8");
    writeFileSync(join(folder, "weir.yaml"), text);
    writeFileSync(join(folder, "kustomization.yaml"), "resources: [weir.yaml]\n");
    const built = spawnSync(kubernetesTools().kubectl, ["kustomize", folder], { encoding: "utf8" });
    assert.is(built.status, 0, built.stderr);
    const kinds = (all: Manifest[]) => all.map(({ kind }) => kind).sort();
    assert.equal(kinds(objects(built.stdout)), kinds(render()));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();

import { logLevels } from "@weir/agent";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { settleFlags } from "./agent.js";
import { plan } from "./plan.js";
import { logLevels as levelsOnCommandLine } from "./run.js";

test("flags outrank the environment, which outranks what is built in", () => {
  assert.equal(settleFlags({ serve: true }, { NODE_NAME: "node-1" }), {
    serve: true,
    nodeName: "node-1",
    config: "/etc/weir/agent.yaml",
  });
  const env = {
    NODE_NAME: "a",
    WEIR_AGENT_CONFIG: "/a.yaml",
    WEIR_METRICS_ADDRESS: "127.0.0.1:1",
    KUBECONFIG: "/k",
    WEIR_LOG_LEVEL: "debug",
  };
  assert.equal(settleFlags({ serve: false }, env), {
    serve: false,
    nodeName: "a",
    config: "/a.yaml",
    metricsAddress: "127.0.0.1:1",
    kubeconfig: "/k",
    logLevel: "debug",
  });
  const given = {
    serve: true,
    nodeName: "b",
    config: "/b.yaml",
    metricsAddress: "off",
    logLevel: "warn",
  } as const;
  assert.equal(settleFlags({ ...given, kubeconfig: "/b" }, env), { ...given, kubeconfig: "/b" });
});

test("a node's name must be given, and be one", () => {
  for (const nodeName of [undefined, "", "a,metadata.name=b", "A", "a b"]) {
    assert.type(settleFlags({ serve: true }, { NODE_NAME: nodeName }), "string");
  }
  assert.match(
    String(settleFlags({ serve: true }, { NODE_NAME: "a", WEIR_LOG_LEVEL: "loud" })),
    /WEIR_LOG_LEVEL/,
  );
});

test("the command line knows the agent's log levels", () => {
  assert.equal(levelsOnCommandLine, logLevels);
});

test("the agent plans an interface as ADD does, the entry's settings and the pod included", () => {
  const configuration = JSON.stringify({
    type: "weir",
    capabilities: { bandwidth: true },
    markMs: 3,
    aggregate: true,
    guard: false,
    cniVersion: "1.0.0",
    name: "pods",
    runtimeConfig: { bandwidth: { egressRate: 5_000_000 } },
    prevResult: { cniVersion: "1.0.0", ips: [{ address: "10.1.0.5/16" }] },
  });
  const pod = { namespace: "web", name: "shop-0", uid: "7d3c" };
  assert.equal(plan(configuration, { containerId: "ab12", ifname: "eth0", netns: "/run/netns/a", pod }), {
    attachment: {
      id: "ab12/eth0",
      netns: "/run/netns/a",
      device: "eth0",
      network: "pods",
      addresses: ["10.1.0.5/16"],
      aggregate: "ab12",
      pod,
    },
    limits: { egress: { bitsPerSecond: 5_000_000n, markMs: 3 } },
    guard: false,
  });
});

test("rates that stand in the entry are the network's own, and without any there is no plan", () => {
  const base = { type: "weir", cniVersion: "1.0.0", name: "pods", prevResult: {} };
  const on = { containerId: "ab12", ifname: "eth0", netns: "/run/netns/a" };
  assert.is(plan(JSON.stringify({ ...base, egressRate: 1000 }), on)?.attachment.fixed, true);
  assert.is(plan(JSON.stringify(base), on), undefined);
});

test.run();

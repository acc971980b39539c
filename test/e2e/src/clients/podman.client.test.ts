import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Lab, UPLINK } from "../lab/lab.js";
import { conflists, installPlugins } from "./plugins.js";
import { fetchPodman, Podman } from "./podman.js";
import { rate, shapedCount, shaping } from "./shaping.js";

test("podman's CNI backend starts containers with the limits of the conflist, and removes them", async () => {
  const programs = await fetchPodman();
  // podman mounts the folder of namespaces over itself, as `ip netns` does, unless somebody has done so before: then it
  // would stand above the namespaces that are there already.
  assert.is(spawnSync("ip", ["netns", "add", "first"]).status, 0);
  await using lab = Lab.create({ mode: "l2", folder: "/run/weir-clients/lab" });
  const limits = { egressRate: 20_000_000, ingressRate: 5_000_000 };
  const networks = conflists({ uplink: UPLINK, cniVersion: "0.4.0", limits });
  const podman = new Podman({
    netns: lab.nodes[0].netns,
    folder: "/run/weir-clients/podman",
    programs,
    plugins: installPlugins("/run/weir-clients/bin"),
    networks: Object.values(networks),
  });
  for (const { name } of Object.values(networks)) {
    const id = await podman.start(name, name);
    assert.equal(shaping(id), {
      limits: { egress: rate(20_000_000), ingress: rate(5_000_000) },
      problems: [],
    });
    await podman.remove(name);
    assert.is(shapedCount(), 0);
  }
});

test.run();

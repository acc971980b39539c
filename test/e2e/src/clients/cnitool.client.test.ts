import { Shaper } from "@weir/shaper";
import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Lab, UPLINK } from "../lab/lab.js";
import { buildCnitool, Cnitool } from "./cnitool.js";
import { conflists, installPlugins } from "./plugins.js";
import { rate, shapedCount } from "./shaping.js";

test("cnitool adds, checks and deletes a namespace", async () => {
  const program = await buildCnitool();
  await using lab = Lab.create({ mode: "l2", folder: "/run/weir-clients/lab" });
  const plugins = installPlugins("/run/weir-clients/bin");
  const netns = "/run/netns/by-cnitool";
  const capabilities = { bandwidth: { egressRate: 20_000_000, ingressRate: 5_000_000 } };
  for (const [name, conflist] of Object.entries(conflists({ uplink: UPLINK, cniVersion: "1.0.0" }))) {
    const cnitool = new Cnitool(
      program,
      { netns: lab.nodes[0].netns, plugins, conflist },
      `/run/weir-clients/cnitool-${name}`,
    );
    NetworkNamespace.create(netns).close();
    try {
      const added = await cnitool.run("add", netns, capabilities);
      assert.is(added.status, 0, added.stderr);
      const result = JSON.parse(added.stdout) as { cniVersion: string; ips: unknown[] };
      assert.is(result.cniVersion, "1.0.0");
      assert.is(result.ips.length, 1);
      {
        using shaper = Shaper.open();
        const [attachment] = shaper.list();
        const { limits, problems } = shaper.inspect(attachment!.id);
        assert.equal(limits, { egress: rate(20_000_000), ingress: rate(5_000_000) });
        assert.equal(problems, []);
      }
      // Debian's reference plugins before 1.2 do not know how to check an ipvlan or bridge device of their own.
      const checked = await cnitool.run("check", netns, capabilities);
      assert.is(checked.status, 0, checked.stdout + checked.stderr);
      const deleted = await cnitool.run("del", netns, capabilities);
      assert.is(deleted.status, 0, deleted.stderr);
      assert.is(shapedCount(), 0);
    } finally {
      NetworkNamespace.remove(netns);
    }
  }
});

test.run();

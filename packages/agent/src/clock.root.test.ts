import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NodeLab } from "./testing/node-lab.js";
import { until } from "./testing/until.js";

const tests = suite<{ lab: NodeLab }>("the agent and the wall clock");
const egress = "kubernetes.io/egress-bandwidth";
const weir = { type: "weir", capabilities: { bandwidth: true } };

// Nobody sets the clock of a machine that is not the kernel VM.
if (process.env.WEIR_VM === "1") {
  tests.before(async (state) => {
    state.lab = await NodeLab.make();
  });
  tests.after(({ lab }) => lab.remove());

  tests("goes on while the wall clock steps by hours", async ({ lab }) => {
    lab.makePod("a", weir);
    lab.add("a", { egress: 100_000_000n });
    lab.api.put("a", { [egress]: "100M" });
    lab.configure("hold: false");
    await lab.start();
    await lab.ready();
    let mbit = 10;
    for (const step of ["+1 hour", "-2 hours", "+1 hour"]) {
      const { status, stderr } = spawnSync("date", ["--set", step], { encoding: "utf8" });
      assert.is(status, 0, stderr);
      lab.api.put("a", { [egress]: `${++mbit}M` });
      await until(() => lab.limits("a") === `${mbit}000000 -`, `a change after ${step}`);
      lab.inside("a", (rt, index) => rt.qdiscs.remove({ index, parent: "root" }));
      await until(() => lab.limits("a") === `${mbit}000000 -`, `a repair after ${step}`);
      // A watch that is broken is opened again.
      lab.api.break();
      lab.api.put("a", { [egress]: `${++mbit}M` });
      await until(() => lab.limits("a") === `${mbit}000000 -`, `another watch after ${step}`);
      assert.is((await lab.get("/healthz")).status, 200);
      assert.is(await lab.metric("weir_limit_bits_per_second"), mbit * 1_000_000);
    }
  });
}

tests.run();

import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { canShape } from "./testing/needs.js";
import { NodeLab } from "./testing/node-lab.js";
import { until } from "./testing/until.js";

const tests = suite<{ lab: NodeLab }>("the agent");
const egress = "kubernetes.io/egress-bandwidth";
const ingress = "kubernetes.io/ingress-bandwidth";
const weir = { type: "weir", capabilities: { bandwidth: true } };
const sockets = () => readdirSync("/proc/self/fd").length;

if (canShape()) {
  tests.before.each(async (state) => {
    state.lab = await NodeLab.make();
  });
  tests.after.each(({ lab }) => lab.remove());

  tests(
    "applies changed annotations to a running pod, and lifts the limit with the last one",
    async ({ lab }) => {
      lab.makePod("a", weir);
      lab.add("a", { egress: 100_000_000n });
      lab.api.put("a", { [egress]: "100M" });
      await lab.start();
      await until(() => lab.lines.some(({ msg }) => msg.includes("metrics and health")));
      lab.api.put("a", { [egress]: "50M" });
      await until(() => lab.limits("a") === "50000000 -");
      lab.api.put("a", { [egress]: "50M", [ingress]: "20M" });
      await until(() => lab.limits("a") === "50000000 20000000");
      lab.api.put("a", { [ingress]: "20M" });
      await until(() => lab.limits("a") === "- 20000000");
      lab.api.put("a");
      await until(() => lab.limits("a") === "none");
      lab.inside("a", (rt, index) => assert.is.not(rt.qdiscs.find(index)?.kind, "fq"));
      lab.api.put("a", { [egress]: "1M" });
      await until(() => lab.limits("a") === "1000000 -");
      const changes = lab.lines
        .filter(({ msg }) => /^limits/.test(msg))
        .map(({ msg, pod }) => `${msg} ${pod}`);
      assert.equal(changes, [
        "limits changed default/a",
        "limits changed default/a",
        "limits changed default/a",
        "limits lifted default/a",
        "limits set default/a",
      ]);
    },
  );

  tests(
    "shapes pods that the plugin missed, on the networks that have weir in their chain",
    async ({ lab }) => {
      lab.makePod("a", { ...weir, markMs: 3 }, ["eth0", "net1"]);
      lab.makePod("b", { type: "portmap" });
      lab.api.put("a", { [egress]: "10M" });
      lab.api.put("b", { [egress]: "10M" });
      await lab.start();
      await until(() => lab.limits("a") === "10000000 -" && lab.limits("a", "net1") === "10000000 -");
      await until(() => lab.lines.length > 0);
      assert.is(lab.limits("b"), "none");
      // One that is made while the agent runs, without any rate for the plugin.
      lab.configure("defaults: { ingress: 5M }");
      await until(() => lab.limits("a") === "10000000 5000000");
      lab.makePod("c", weir);
      lab.api.put("c");
      await until(() => lab.limits("c") === "- 5000000");
      lab.configure("defaults: { ingress: 5M }\nmaximum: { egress: 2M, ingress: 4M }");
      await until(() => lab.limits("a") === "2000000 4000000" && lab.limits("c") === "2000000 4000000");
      lab.configure("maximum: { egress: 1Q }");
      await until(() => lab.lines.some(({ msg }) => msg.includes("maximum.egress")));
      assert.is(await lab.metric("weir_config_valid"), 0);
      await lab.stop();
      await lab.start();
      lab.api.put("a", { [egress]: "11M" });
      lab.api.put("d");
      await until(() => lab.lines.some(({ msg }) => msg.includes("the last good one is in force")));
      assert.is(lab.limits("a"), "2000000 4000000", "a bad file keeps the old settings after a restart too");
      const reads = () => lab.lines.filter(({ msg }) => msg === "configuration: read").length;
      const before = reads();
      lab.configure("excludedNamespaces: [default]");
      await until(() => reads() > before);
      lab.api.put("a", { [egress]: "12M" });
      assert.is(lab.limits("a"), "2000000 4000000");
      assert.is(await lab.metric("weir_config_valid"), 1);
    },
  );

  tests("brings back what is removed inside a pod", async ({ lab }) => {
    lab.makePod("a", weir, ["eth0", "net1"]);
    for (const device of ["eth0", "net1"])
      lab.add("a", { egress: 10_000_000n, ingress: 10_000_000n }, device);
    lab.api.put("a", { [egress]: "10M", [ingress]: "10M" });
    const before = sockets();
    lab.configure("hold: false\nfullPassSeconds: 3600");
    await lab.start();
    await until(() => lab.limits("a") === "10000000 10000000");
    await new Promise((resolve) => setTimeout(resolve, 300));
    lab.inside("a", (rt, index) => rt.qdiscs.remove({ index, parent: "root" }));
    assert.match(lab.limits("a"), /FQ_MISSING/);
    await until(() => lab.limits("a") === "10000000 10000000");
    lab.inside("a", (rt, index) => rt.qdiscs.remove({ index, parent: "clsact", kind: "clsact" }));
    await until(() => lab.limits("a") === "10000000 10000000");
    lab.inside(
      "a",
      (rt, index) => {
        for (const filter of [...rt.filters.dump({ index, parent: "egress" })]) {
          rt.filters.remove({ index, parent: "egress", priority: filter.priority });
        }
      },
      "net1",
    );
    await until(() => lab.limits("a", "net1") === "10000000 10000000");
    lab.inside("a", (rt) => {
      for (const link of [...rt.links.dump()]) if (link.kind === "ifb") rt.links.remove(link.index);
    });
    await until(
      () => lab.limits("a") === "10000000 10000000" && lab.limits("a", "net1") === "10000000 10000000",
    );
    assert.ok(((await lab.metric("weir_repairs_total", "FQ_MISSING")) ?? 0) >= 1);
    assert.is(await lab.metric("weir_attachment_healthy", 'interface="net1"'), 1);
    // Its API connections and listener aside, the agent has one socket for both interfaces.
    assert.ok(sockets() - before < 20, `${sockets() - before} descriptors`);
  });

  tests("keeps the limit where an annotation is wrong, and says so once", async ({ lab }) => {
    lab.makePod("a", weir);
    lab.add("a", { egress: 7_000_000n });
    lab.api.put("a", { [egress]: "7M" });
    await lab.start();
    lab.api.put("a", { [egress]: "70Mbps" });
    await until(() => lab.api.events.size === 1);
    assert.is(lab.limits("a"), "7000000 -");
    assert.is(await lab.metric("weir_invalid_annotations"), 1);
    lab.api.put("a", { [egress]: "70Mbps", [ingress]: "1M" });
    await until(() => lab.limits("a") === "7000000 1000000");
    assert.is(lab.api.events.size, 1);
    lab.api.put("a", { [egress]: "8M" });
    await until(() => lab.limits("a") === "8000000 -");
    assert.is(await lab.metric("weir_invalid_annotations"), 0);
  });

  tests("leaves everything as it is while the API server is away or lists nothing", async ({ lab }) => {
    lab.makePod("a", weir);
    lab.add("a", { egress: 7_000_000n });
    lab.api.put("a", { [egress]: "7M" });
    await lab.start();
    await until(() => lab.api.watchers === 1);
    lab.api.refuse = 500;
    lab.api.break();
    await until(() => lab.lines.some(({ msg }) => msg.includes("refused with 500")));
    assert.is(await lab.metric("weir_api_connected"), 0);
    lab.inside("a", (rt, index) => rt.qdiscs.remove({ index, parent: "root" }));
    await until(() => lab.limits("a") === "7000000 -");
    assert.is((await lab.get("/healthz")).status, 200);
    // Back, but without any pod.
    lab.api.delete("a");
    lab.api.compact();
    lab.api.refuse = undefined;
    await until(() => lab.api.watchers === 1);
    assert.is(lab.limits("a"), "7000000 -");
    await lab.stop();
    await lab.start();
    await until(() => lab.api.watchers === 1);
    assert.is(lab.limits("a"), "7000000 -");
    await lab.ready();
    assert.is(await lab.metric("weir_limit_bits_per_second", 'pod="a"', "egress"), 7_000_000);
  });

  tests("lets go of a pod's namespace when the pod ends", async ({ lab }) => {
    lab.makePod("a", weir);
    lab.add("a", { egress: 7_000_000n });
    lab.api.put("a", { [egress]: "7M" });
    await lab.start();
    await until(() => lab.api.watchers === 1);
    assert.is(await lab.metric("weir_attachments"), 1);
    const before = sockets();
    lab.endPod("a");
    assert.match(lab.limits("a"), /NETNS_MISSING/);
    await lab.get("/metrics");
    lab.api.delete("a");
    await until(() => sockets() < before, "the socket in the namespace is closed");
  });

  tests("counts on where a limit is lifted and set again", async ({ lab }) => {
    lab.makePod("a", weir);
    lab.api.put("a", { [egress]: "7M" });
    await lab.start();
    await until(() => lab.limits("a") === "7000000 -");
    lab.inside("a", (rt, index) => {
      rt.addresses.add({ index, address: "10.9.0.1/24" });
      rt.links.set(index, { up: false });
      rt.links.set(index, { up: true });
    });
    // Duplicate address detection and the like send a few packets.
    const packets = () => lab.metric("weir_packets_total", 'pod="a"', "egress");
    let first = 0;
    for (let tries = 0; tries < 400 && first === 0; tries++) {
      first = (await packets()) ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(first > 0);
    lab.api.put("a");
    await until(() => lab.limits("a") === "none");
    assert.ok(((await packets()) ?? 0) >= first);
    lab.api.put("a", { [egress]: "8M" });
    await until(() => lab.limits("a") === "8000000 -");
    assert.ok(((await packets()) ?? 0) >= first);
  });
}

tests.run();

import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentProcess } from "./testing/agent-process.js";
import { canShape } from "./testing/needs.js";
import { NodeLab } from "./testing/node-lab.js";

// A full node: 250 pods of two interfaces each, and a list of 1,000 pods. What counts is memory and descriptors; times
// are printed, and are of whatever machine this is.

const PODS = Number(process.env.WEIR_SCALE_PODS ?? 250);
const LISTED = 4 * PODS;
const MIB = 150;
const PORT = 29_464;
const egress = "kubernetes.io/egress-bandwidth";
const weir = { type: "weir", capabilities: { bandwidth: true } };

const status = (pid: number, field: string) =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
const tests = suite<{ lab: NodeLab; agent: AgentProcess | undefined }>("the agent of a full node");

if (canShape()) {
  tests.before(async (state) => {
    state.lab = await NodeLab.make();
  });
  tests.after(async ({ lab, agent }) => {
    await agent?.kill();
    await lab.remove();
  });

  tests("has little memory and one descriptor for each pod", async (state) => {
    const { lab } = state;
    const timed = async (what: string, work: () => Promise<unknown> | unknown) => {
      const since = performance.now();
      await work();
      console.log(`${what}: ${Math.round(performance.now() - since)} ms`);
    };
    await timed(`${PODS} pods are made, and half of them shaped by the plugin`, () => {
      for (let index = 0; index < PODS; index++) {
        lab.makePod(`p${index}`, weir, ["eth0", "net1"]);
        if (index % 2 === 0)
          for (const device of ["eth0", "net1"]) lab.add(`p${index}`, { egress: 10_000_000n }, device);
        lab.api.put(`p${index}`, { [egress]: "10M" });
      }
    });
    for (let index = PODS; index < LISTED; index++)
      lab.api.put(`p${index}`, {}, { status: { phase: "Running" } });
    lab.configure("hold: false");
    const agent = new AgentProcess(lab, PORT);
    state.agent = agent;
    const { pid } = agent;
    const memory = (when: string) => {
      const [now, most] = ["VmRSS", "VmHWM"].map((field) => Math.round(status(pid, field) / 1024));
      console.log(`${when}: ${now} MiB, at most ${most} MiB`);
      return most ?? 0;
    };
    const scrape = async () => (await (await agent.get("/metrics"))?.text()) ?? "";
    const value = (text: string, name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    // Looking often would be a part of what is measured.
    const until = (what: string, done: () => Promise<boolean> | boolean) => agent.until(what, done, 100);
    await timed("the agent is ready", () => agent.ready());
    await until("all attachments", async () => value(await scrape(), "weir_attachments") === 2 * PODS);
    memory("after the start");
    let text = "";
    for (let count = 0; count < 10; count++) {
      await timed("a scrape", async () => {
        text = await scrape();
      });
    }
    const unhealthy = text.split("\n").filter((line) => /^weir_attachment_healthy.* 0$/.test(line));
    assert.equal(unhealthy, []);
    assert.is(value(text, "weir_reconcile_errors_total") || 0, 0);
    await timed("a changed annotation is in force", async () => {
      lab.api.put("p7", { [egress]: "5M" });
      await until("the limit", () => lab.limits("p7", "net1") === "5000000 -");
    });
    await timed("a removed qdisc is back", async () => {
      lab.inside("p9", (rt, index) => rt.qdiscs.remove({ index, parent: "root" }));
      await until("the qdisc", () => lab.limits("p9") === "10000000 -");
    });
    await timed("all annotations, changed at once, are in force", async () => {
      for (let index = 0; index < PODS; index++) lab.api.put(`p${index}`, { [egress]: "20M" });
      await until("the last limit", async () => {
        const lines = (await scrape())
          .split("\n")
          .filter((line) => line.startsWith("weir_limit_bits_per_second"));
        return lines.filter((line) => line.endsWith(" 20000000")).length === 2 * PODS;
      });
    });
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    console.log(`${descriptors} descriptors, ${status(pid, "Threads")} threads`);
    assert.ok(descriptors < PODS + 150, String(descriptors));
    assert.ok(status(pid, "Threads") < 20);
    const most = memory("after all of it");
    assert.ok(most <= MIB, `${most} MiB`);
    assert.is(await agent.kill("SIGTERM"), 0);
    assert.is(lab.limits("p3"), "20000000 -");
  });
}

tests.run();

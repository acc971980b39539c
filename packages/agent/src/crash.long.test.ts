import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentProcess, bundle } from "./testing/agent-process.js";
import { canShape } from "./testing/needs.js";
import { NodeLab } from "./testing/node-lab.js";

// The agent is killed while it works; what is left must be what the next one needs to finish it.

const PODS = 6;
const ROUNDS = 6;
const PORT = 29_465;
const egress = "kubernetes.io/egress-bandwidth";
const ingress = "kubernetes.io/ingress-bandwidth";
const weir = { type: "weir", capabilities: { bandwidth: true } };
const names = Array.from({ length: PODS }, (_, index) => `p${index}`);
const tests = suite<{ lab: NodeLab; agent: AgentProcess | undefined }>("an agent that is killed");

if (canShape()) {
  tests.before.each(async (state) => {
    assert.ok(existsSync(bundle), "node packages/cni-plugin/scripts/bundle.mjs makes the executable");
    state.lab = await NodeLab.make();
    for (const name of names) {
      state.lab.makePod(name, weir);
      state.lab.add(name, { egress: 10_000_000n });
      state.lab.api.put(name, { [egress]: "10M" });
    }
  });
  tests.after.each(async ({ lab, agent }) => {
    await agent?.kill();
    await lab.remove();
  });

  tests("leaves nothing that the next one does not finish", async (state) => {
    const { lab } = state;
    for (let round = 1; round <= ROUNDS; round++) {
      // From both directions to one, to none and back: changes, removals and new attachments are cut short.
      const kind = round % 3;
      const rate = `${10 + round}M`;
      const annotations = kind === 2 ? {} : { [egress]: rate, ...(kind === 1 ? { [ingress]: rate } : {}) };
      // Every other one is killed in its first pass, the others in a change.
      const isRunning = round % 2 === 0;
      if (isRunning) await start(state);
      for (const name of names) lab.api.put(name, annotations);
      if (!isRunning) state.agent = new AgentProcess(lab, PORT);
      await until("it has begun", state.agent!, () => names.some((name) => isAs(lab, name, annotations)));
      await sleep(Math.random() * 50);
      await state.agent!.kill();
      const cut = names.filter((name) => !isAs(lab, name, annotations)).length;
      console.log(`killed with ${cut} of ${PODS} changes to make`);
      await start(state);
      await until("all is finished", state.agent!, () => names.every((name) => isAs(lab, name, annotations)));
      await state.agent!.kill();
    }
    const folder = join(lab.shaper.stateDirectory, "attachments");
    assert.equal(
      readdirSync(folder).filter((name) => !name.endsWith(".json")),
      [],
    );
  });

  tests("shapes on through a storm of restarts", async (state) => {
    const { lab } = state;
    for (let round = 0; round < ROUNDS; round++) {
      state.agent = new AgentProcess(lab, PORT);
      await sleep(Math.random() * 2_000);
      await state.agent.kill();
      for (const name of names) assert.is(lab.limits(name), "10000000 -");
    }
    lab.api.put("p0", { [egress]: "7M" });
    await start(state);
    await until("the change is made", state.agent!, () => lab.limits("p0") === "7000000 -");
  });
}

/** Whether a pod is as annotated, and nothing of it is missing. */
function isAs(lab: NodeLab, name: string, annotations: { [name: string]: string }): boolean {
  const [out, back] = [egress, ingress].map((key) => annotations[key]?.replace("M", "000000") ?? "-");
  return lab.limits(name) === (out === "-" && back === "-" ? "none" : `${out} ${back}`);
}

async function start(state: { lab: NodeLab; agent: AgentProcess | undefined }): Promise<void> {
  const agent = new AgentProcess(state.lab, PORT);
  state.agent = agent;
  await until("it is ready", agent, () => agent.isReady());
}

async function until(what: string, agent: AgentProcess, done: () => boolean | Promise<boolean>) {
  for (let tries = 0; !(await done()); tries++) {
    if (tries === 6_000) throw new Error(`waited in vain until ${what}\n${agent.log.slice(-3000)}`);
    await sleep(10);
  }
}

tests.run();

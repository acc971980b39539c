import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentProcess } from "./testing/agent-process.js";
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
      const running = round % 2 === 0 ? await start(state) : undefined;
      for (const name of names) lab.api.put(name, annotations);
      const first = running ?? launch(state);
      await first.until("it has begun", () => names.some((name) => isAs(lab, name, annotations)));
      await sleep(Math.random() * 50);
      await first.kill();
      const cut = names.filter((name) => !isAs(lab, name, annotations)).length;
      console.log(`killed with ${cut} of ${PODS} changes to make`);
      const second = await start(state);
      await second.until("all is finished", () => names.every((name) => isAs(lab, name, annotations)));
      await second.kill();
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
      const agent = launch(state);
      await sleep(Math.random() * 2_000);
      await agent.kill();
      for (const name of names) assert.is(lab.limits(name), "10000000 -");
    }
    lab.api.put("p0", { [egress]: "7M" });
    const agent = await start(state);
    await agent.until("the change is made", () => lab.limits("p0") === "7000000 -");
  });
}

/** Whether a pod is as annotated, and nothing of it is missing. */
function isAs(lab: NodeLab, name: string, annotations: { [name: string]: string }): boolean {
  const [out, back] = [egress, ingress].map((key) => annotations[key]?.replace("M", "000000") ?? "-");
  return lab.limits(name) === (out === "-" && back === "-" ? "none" : `${out} ${back}`);
}

function launch(state: { lab: NodeLab; agent: AgentProcess | undefined }): AgentProcess {
  state.agent = new AgentProcess(state.lab, PORT, "--no-serve");
  return state.agent;
}

async function start(state: { lab: NodeLab; agent: AgentProcess | undefined }): Promise<AgentProcess> {
  const agent = launch(state);
  await agent.ready();
  return agent;
}

tests.run();

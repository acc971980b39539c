import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Rtnetlink } from "@weir/netlink";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { allowLargeBuffers, IperfServer, iperf } from "./lab/iperf.js";
import { type IpvlanMode, Lab } from "./lab/lab.js";
import { AHEAD_BYTES, neverAhead, traffic } from "./lab/traffic.js";

const LIMIT = 20_000_000;
const SECONDS = 3;
const weir = fileURLToPath(new URL("../../../packages/cni-plugin/bundle/weir", import.meta.url));

/** Runs the command line and gives what `--json` prints. */
function command(...args: string[]): { status: number | null; json: unknown; stderr: string } {
  const { status, stdout, stderr } = spawnSync(weir, [...args, "--json"], { encoding: "utf8" });
  return { status, json: stdout.trim() === "" ? undefined : JSON.parse(stdout), stderr };
}

const load = { seconds: SECONDS, limit: LIMIT };

async function withLab(mode: IpvlanMode, work: (lab: Lab) => Promise<void>): Promise<void> {
  allowLargeBuffers();
  await using lab = Lab.create({ mode, folder: "/run/weir-e2e" });
  await work(lab);
}

const both = { egressRate: LIMIT, ingressRate: LIMIT };

for (const mode of ["l2", "l3"] as const) {
  test(`a pod of an ipvlan ${mode} conflist never sends or receives faster than its annotations say`, () =>
    withLab(mode, async (lab) => {
      const [one, two] = lab.nodes;
      const limited = await lab.addPod("limited", one, both);
      const far = await lab.addPod("far", two);
      const near = await lab.addPod("near", one);
      for (const protocol of ["tcp", "udp"] as const) {
        neverAhead(await traffic(limited, far, protocol, load), LIMIT);
        neverAhead(await traffic(far, limited, protocol, load), LIMIT);
      }
      neverAhead(await traffic(limited, near, "tcp", load), LIMIT);
      neverAhead(await traffic(near, limited, "tcp", load), LIMIT);
    }));
}

test("egress of an ipvlan l3s pod is limited, an ingress limit is refused, and the pod is left without a trace", () =>
  withLab("l3s", async (lab) => {
    const [one, two] = lab.nodes;
    const limited = await lab.addPod("limited", one, { egressRate: LIMIT });
    const far = await lab.addPod("far", two);
    {
      // What an L3S pod receives is counted in the node's namespace, so here only the receiver itself tells.
      using _server = await IperfServer.start(far);
      const { goodputBitsPerSecond } = await iperf({
        from: limited,
        to: far,
        protocol: "tcp",
        seconds: SECONDS,
      });
      assert.ok(
        goodputBitsPerSecond > 0 && goodputBitsPerSecond * SECONDS <= LIMIT * SECONDS + AHEAD_BYTES * 8,
      );
    }
    let message = "";
    await lab.addPod("refused", one, both).catch((error: Error) => {
      message = error.message;
    });
    assert.match(message, /L3S/);
    assert.not.ok(existsSync("/run/weir/attachments/refused"));
  }));

test("a limit is changed live by hand, without a connection noticing", () =>
  withLab("l2", async (lab) => {
    const [one, two] = lab.nodes;
    const limited = await lab.addPod("limited", one, both);
    const far = await lab.addPod("far", two);
    {
      using _server = await IperfServer.start(far);
      const running = iperf({ from: limited, to: far, protocol: "tcp", seconds: 4 });
      const id = `${limited.containerId}/eth0`;
      const args = ["apply", "--netns", limited.netns, "--device", "eth0", "--id", id];
      const changed = command(...args, "--egress", "5M", "--ingress", "5M");
      assert.is(changed.status, 0, changed.stderr);
      await running;
    }
    neverAhead(await traffic(limited, far, "tcp", load), 5_000_000);
  }));

test("steps of the wall clock change nothing of the shaping", () =>
  withLab("l2", async (lab) => {
    const [one, two] = lab.nodes;
    const limited = await lab.addPod("limited", one, both);
    const far = await lab.addPod("far", two);
    for (const step of ["+1 hour", "-2 hours", "+1 hour"]) {
      const sending = traffic(limited, far, "tcp", load);
      await sleep(1000);
      const { status, stderr } = spawnSync("date", ["--set", step], { encoding: "utf8" });
      assert.is(status, 0, stderr);
      neverAhead(await sending, LIMIT);
    }
    neverAhead(await traffic(limited, far, "tcp", load), LIMIT);
  }));

test("status tells what was sent, and doctor that all is well", () =>
  withLab("l2", async (lab) => {
    const [one, two] = lab.nodes;
    const limited = await lab.addPod("limited", one, both);
    const far = await lab.addPod("far", two);
    const samples = await traffic(limited, far, "tcp", load);
    const arrived = samples.at(-1)!.bytes - samples[0]!.bytes;
    const status = command("status");
    assert.is(status.status, 0, status.stderr);
    const [found] = status.json as { egress: { bytes: number | string; delayed: number | string } }[];
    assert.ok(
      Number(found!.egress.bytes) >= arrived * 0.9,
      `${found!.egress.bytes} counted, ${arrived} arrived`,
    );
    assert.ok(Number(found!.egress.delayed) > 0);
    const doctor = command("doctor");
    assert.is(doctor.status, 0, JSON.stringify(doctor.json));
  }));

test("when a pod is deleted, nothing of it is left", () =>
  withLab("l2", async (lab) => {
    const [one] = lab.nodes;
    const pod = await lab.addPod("short-lived", one, both);
    assert.is(readdirSync("/run/weir/attachments").length, 1);
    await one.network.delete(pod);
    assert.equal(readdirSync("/run/weir/attachments"), []);
    {
      using rt = Rtnetlink.open({ netns: pod.netns });
      assert.equal(
        [...rt.links.dump()].map(({ name }) => name),
        ["lo"],
      );
    }
    // Runtimes send DEL twice.
    await lab.removePod(pod);
  }));

test.run();

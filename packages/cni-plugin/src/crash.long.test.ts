import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Shaper } from "@weir/shaper";
import { mountBpffs, unmount } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Command } from "./cni/environment.js";
import { CniError, CniErrorCode } from "./cni/errors.js";
import { answer } from "./cni/plugin.js";
import { Executables } from "./testing/executables.js";
import { Pod } from "./testing/pod.js";

const executables = new Executables();
const crash = fileURLToPath(new URL("./testing/crash.js", import.meta.url));

const test = suite("weir killed at every step");
test.before(() => executables.build());
test.after(() => executables.remove());

const input = JSON.stringify({
  cniVersion: "1.1.0",
  name: "net",
  type: "weir",
  prevResult: { cniVersion: "1.1.0", interfaces: [{ name: "eth0" }], ips: [{ address: "10.1.0.5/16" }] },
  runtimeConfig: { bandwidth: { egressRate: 5_000_000, ingressRate: 7_000_000 } },
  "cni.dev/valid-attachments": [],
});
const containerId = "crash";
const ID = `${containerId}/eth0`;

/** A pod, and folders of their own for pins and records. */
class Scene implements Disposable {
  readonly pod: Pod;
  readonly options: { bpffs: string; stateDirectory: string };

  constructor(name: string) {
    const folder = join(executables.folder, name);
    mkdirSync(folder);
    this.options = { bpffs: join(folder, "bpffs"), stateDirectory: join(folder, "state") };
    mkdirSync(this.options.bpffs);
    mountBpffs(this.options.bpffs);
    this.pod = new Pod(folder, "pod", "ipvlan");
  }

  /** Calls the plugin in this process, which is what a process of its own does but for the start of Node.js. */
  call(command: Command, text = input): void {
    const environment = { command, containerId, netns: this.pod.netns, ifname: "eth0" };
    answer({ environment, input: text, options: this.options });
  }

  /** Runs the plugin in a process that dies before its n-th change. @returns whether it died */
  async dies(command: Command, step: number): Promise<boolean> {
    const plugin = join(dirname(executables.launcher), "weir.cjs");
    const child = spawn(process.execPath, ["--import", crash, plugin], {
      env: {
        PATH: process.env.PATH,
        CNI_COMMAND: command,
        CNI_CONTAINERID: containerId,
        CNI_NETNS: this.pod.netns,
        CNI_IFNAME: "eth0",
        CNI_PATH: "/opt/cni/bin",
        WEIR_BPFFS: this.options.bpffs,
        WEIR_STATE_DIRECTORY: this.options.stateDirectory,
        CRASH_AT: String(step),
      },
      stdio: ["pipe", "ignore", "inherit"],
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    const [status, signal] = (await once(child, "close")) as [number | null, string | null];
    if (signal === "SIGKILL") return true;
    assert.is(status, 0);
    return false;
  }

  [Symbol.dispose](): void {
    this.pod[Symbol.dispose]();
    unmount(this.options.bpffs);
  }
}

/** What the next call may be, and what must hold after it; each step meets one of these, in turn. */
const whatComesNext: ((scene: Scene, pristine: unknown) => void)[] = [
  function anAddFinishesIt(scene) {
    scene.call("ADD");
    scene.call("CHECK");
  },
  function aDeletionUndoesIt(scene, pristine) {
    scene.call("DEL");
    assert.equal(scene.pod.everything, pristine);
  },
  function aCheckSaysWhetherItIsWholeAndAnAddMendsIt(scene) {
    try {
      scene.call("CHECK");
    } catch (error) {
      assert.instance(error, CniError);
      const { code } = error as CniError;
      assert.ok(code === CniErrorCode.DAMAGED || code === CniErrorCode.UNKNOWN_CONTAINER, String(error));
      scene.call("ADD");
      scene.call("CHECK");
    }
  },
  function aCollectionUndoesIt(scene, pristine) {
    scene.call("GC");
    assert.equal(scene.pod.everything, pristine);
  },
  function aCollectionThatKeepsItUndoesOnlyWhatIsUnfinished(scene, pristine) {
    scene.call("GC", input.replace("[]}", `[{"containerID":"${containerId}","ifname":"eth0"}]}`));
    using shaper = Shaper.open(scene.options);
    if (shaper.list().length === 0) assert.equal(scene.pod.everything, pristine);
    else assert.equal(shaper.inspect(ID).problems, []);
  },
];

/** More than any command takes; each test ends at the first number that the command survives. */
const MOST_STEPS = 100;

async function atEveryStep(name: string, command: Command, prepare: (scene: Scene) => void): Promise<void> {
  using scene = new Scene(name);
  const { pod } = scene;
  scene.call("ADD");
  scene.call("DEL");
  const pristine = pod.everything;
  for (let step = 1; ; step++) {
    assert.ok(step < MOST_STEPS, "the command never ended");
    prepare(scene);
    const died = await scene.dies(command, step);
    whatComesNext[step % whatComesNext.length]!(scene, pristine);
    scene.call("DEL");
    scene.call("GC");
    assert.equal(pod.everything, pristine, `${name}, step ${step}`);
    using shaper = Shaper.open(scene.options);
    assert.equal(shaper.list(), [], `${name}, step ${step}`);
    assert.equal(shaper.gc(), { removed: [], problems: [] }, `${name}, step ${step}`);
    if (!died) {
      assert.ok(step > 5, "no step was counted");
      console.log(`${name}: killed before each of ${step - 1} changes`);
      return;
    }
  }
}

test("whatever change a process is killed before, the next ADD, DEL, CHECK or GC ends clean", async () => {
  // Next to each other: nearly all of the time is the start of processes.
  await Promise.all([
    atEveryStep("the first ADD of a node", "ADD", ({ options }) => {
      for (const folder of [join(options.bpffs, "weir"), options.stateDirectory]) {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    atEveryStep("every other ADD", "ADD", () => {}),
    atEveryStep("DEL", "DEL", (scene) => scene.call("ADD")),
  ]);
});

test.run();

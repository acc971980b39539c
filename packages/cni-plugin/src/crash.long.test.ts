import { mkdirSync, readdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
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
const bpffs = join(executables.folder, "bpffs");
const options = { bpffs, stateDirectory: executables.stateDirectory };
const crash = fileURLToPath(new URL("./testing/crash.js", import.meta.url));

const test = suite("weir killed at every step");
test.before(() => {
  mkdirSync(bpffs);
  mountBpffs(bpffs);
});
test.after(() => {
  unmount(bpffs);
  executables.remove();
});

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

/** Calls the plugin in this process, which is what a process of its own does but for the start of Node.js. */
function call(command: Command, pod: Pod, text = input): void {
  answer({ environment: { command, containerId, netns: pod.netns, ifname: "eth0" }, input: text, options });
}

/** Runs the plugin in a process that dies before its n-th change. @returns whether it died */
function dies(command: Command, pod: Pod, step: number): boolean {
  const [node = "", main = ""] = executables.module;
  const { status, signal, stdout, stderr } = executables.run([node, "--import", crash, main], {
    input,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: pod.netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: "/opt/cni/bin",
      WEIR_BPFFS: bpffs,
      CRASH_AT: String(step),
    },
  });
  if (signal === "SIGKILL") return true;
  assert.is(status, 0, stdout + stderr);
  return false;
}

/** What the next call may be, and what must hold after it; each step meets one of these, in turn. */
const whatComesNext: ((pod: Pod, pristine: unknown) => void)[] = [
  function anAddFinishesIt(pod) {
    call("ADD", pod);
    call("CHECK", pod);
  },
  function aDeletionUndoesIt(pod, pristine) {
    call("DEL", pod);
    assert.equal(pod.everything, pristine);
  },
  function aCheckSaysWhetherItIsWholeAndAnAddMendsIt(pod) {
    try {
      call("CHECK", pod);
    } catch (error) {
      assert.instance(error, CniError);
      const { code } = error as CniError;
      assert.ok(code === CniErrorCode.DAMAGED || code === CniErrorCode.UNKNOWN_CONTAINER, String(error));
      call("ADD", pod);
      call("CHECK", pod);
    }
  },
  function aCollectionUndoesIt(pod, pristine) {
    call("GC", pod);
    assert.equal(pod.everything, pristine);
  },
  function aCollectionThatKeepsItUndoesOnlyWhatIsUnfinished(pod, pristine) {
    call("GC", pod, input.replace("[]}", `[{"containerID":"${containerId}","ifname":"eth0"}]}`));
    using shaper = Shaper.open(options);
    if (shaper.list().length === 0) assert.equal(pod.everything, pristine);
    else assert.equal(shaper.inspect(ID).problems, []);
  },
];

/** More than any command takes; each test ends at the first number that the command survives. */
const MOST_STEPS = 100;

function atEveryStep(command: Command, prepare: (pod: Pod) => void): void {
  using pod = new Pod(executables.folder, "crash", "ipvlan");
  call("ADD", pod);
  call("DEL", pod);
  const pristine = pod.everything;
  for (let step = 1; ; step++) {
    assert.ok(step < MOST_STEPS, "the command never ended");
    prepare(pod);
    const died = dies(command, pod, step);
    whatComesNext[step % whatComesNext.length]!(pod, pristine);
    call("DEL", pod);
    call("GC", pod);
    assert.equal(pod.everything, pristine, `step ${step}`);
    using shaper = Shaper.open(options);
    assert.equal(shaper.list(), [], `step ${step}`);
    assert.equal(shaper.gc(), { removed: [], problems: [] }, `step ${step}`);
    if (!died) {
      assert.ok(step > 5, "no step was counted");
      console.log(`${command}: killed before each of ${step - 1} changes`);
      return;
    }
  }
}

test("the first ADD of a node, which loads the program and pins its maps", () =>
  atEveryStep("ADD", () => {
    const pins = join(bpffs, "weir");
    for (const name of readdirSync(pins)) unlinkSync(join(pins, name));
    rmSync(pins, { recursive: true });
    rmSync(options.stateDirectory, { recursive: true, force: true });
  }));

test("every other ADD", () => atEveryStep("ADD", () => {}));

test("DEL", () => atEveryStep("DEL", (pod) => call("ADD", pod)));

test.run();

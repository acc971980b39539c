import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { Limits } from "./limits.js";
import { Shaper } from "./shaper.js";
import { Lab } from "./testing/lab.js";
import { needs } from "./testing/needs.js";

// Dozens of processes are started, which takes minutes under emulation, and the order of steps is the same on
// every kernel: one is enough, which is one that npm test runs all of the shaper's tests on.
const test = (process.env.WEIR_KERNEL ?? "6.12") === "6.12" ? needs("sch_fq", "ifb", "ipvlan") : uvu.skip;
const ID = "crash/eth0";
const child = fileURLToPath(new URL("./testing/crash-child.js", import.meta.url));
const limits: Limits = { egress: { bitsPerSecond: 5_000_000n }, ingress: { bitsPerSecond: 5_000_000n } };
type Operation = "apply" | "change" | "remove";
/** More than any operation takes; each test ends at the first number that the operation survives. */
const MOST_STEPS = 60;

/** Runs an operation in a process that dies before its n-th step. @returns whether it died */
function dies(lab: Lab, operation: Operation, step: number): boolean {
  const { bpffs, stateDirectory } = lab.options;
  const args = [child, bpffs, stateDirectory, lab.netns, operation, String(step)];
  const { status, signal, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (signal === "SIGKILL") return true;
  assert.is(status, 0, stderr);
  return false;
}

/** Kills an operation at each of its steps, and lets another one find what is left. */
function atEachStep(operation: Operation): void {
  using lab = new Lab();
  const pristine = lab.snapshot();
  using shaper = Shaper.open(lab.options);
  const apply = () => shaper.apply({ id: ID, netns: lab.netns, device: "eth0" }, limits);
  apply();
  shaper.remove(ID);
  assert.equal(lab.snapshot(), pristine);
  for (let step = 1; ; step++) {
    assert.ok(step < MOST_STEPS, "the operation never ended");
    if (operation !== "apply") apply();
    const died = dies(lab, operation, step);
    whatComesNext[step % whatComesNext.length]!(lab, shaper, pristine);
    shaper.remove(ID);
    shaper.gc();
    assert.equal(lab.snapshot(), pristine, `step ${step}`);
    assert.equal(shaper.list(), [], `step ${step}`);
    if (!died) {
      assert.ok(step > 5, "no step was counted");
      return;
    }
  }
}

/** Each step meets one of these, in turn. */
const whatComesNext: ((lab: Lab, shaper: Shaper, pristine: unknown) => void)[] = [
  function anApplyFinishesIt(lab, shaper) {
    shaper.apply({ id: ID, netns: lab.netns, device: "eth0" }, limits);
    assert.equal(shaper.inspect(ID).problems, []);
  },
  function aRemovalUndoesIt(lab, shaper, pristine) {
    shaper.remove(ID);
    assert.equal(lab.snapshot(), pristine);
  },
  function aCollectionUndoesItUnlessItWasFinished(lab, shaper, pristine) {
    assert.equal(shaper.gc().problems, []);
    if (shaper.list().length === 0) assert.equal(lab.snapshot(), pristine);
    else assert.equal(shaper.inspect(ID).problems, []);
  },
];

for (const operation of ["apply", "change", "remove"] as const) {
  test(`whatever step of ${operation} a process is killed at, the next operation puts it right`, () => {
    atEachStep(operation);
  });
}

uvu.run();

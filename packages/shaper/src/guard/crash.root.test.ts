import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BpfLink, BpfMap } from "@weir/bpf-loader";
import { NetlinkSocket } from "@weir/netlink";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { Datapath } from "../datapath.js";
import type { Limits } from "../limits.js";
import { RecordStore } from "../records.js";
import type { Shaper, ShaperOptions } from "../shaper.js";
import { hasTcx, ProgramTable } from "../tcx/program-table.js";
import { GuardLab, type LabPod } from "../testing/guard-lab.js";
import { needs } from "../testing/needs.js";
import { DeviceStore } from "./device-store.js";
import { GuardMaps } from "./maps.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const both: Limits = { egress: { bitsPerSecond: 5_000_000n }, ingress: { bitsPerSecond: 5_000_000n } };
/** More than any operation takes; each test ends at the first number that the operation survives. */
const MOST_STEPS = 120;

/** What changes the kernel or the disk. */
const steps = [
  [NetlinkSocket.prototype, ["acknowledge"]],
  [Datapath.prototype, ["setLimit", "take", "free"]],
  [RecordStore.prototype, ["write", "remove"]],
  [
    GuardMaps.prototype,
    ["setLimit", "take", "free", "setAddress", "removeAddress", "setSender", "removeSender"],
  ],
  [GuardMaps.prototype, ["setKnown", "forgetUplink"]],
  [DeviceStore.prototype, ["join", "leave", "isDeserted", "write", "remove"]],
  [BpfLink.prototype, ["pin"]],
  [ProgramTable.prototype, ["set"]],
] as const;

class Killed extends Error {}

/**
 * Runs an operation that dies right before its n-th step: that step and all later ones do nothing but throw, so that
 * nothing can be taken back either, and descriptors are closed on the way out as the kernel would.
 * @returns whether it died
 */
function dies(at: number, work: () => void): boolean {
  let count = 0;
  let dead = false;
  const restore: (() => void)[] = [];
  for (const [prototype, names] of steps) {
    for (const name of names) {
      const original = Reflect.get(prototype, name) as (...args: unknown[]) => unknown;
      restore.push(() => Reflect.set(prototype, name, original));
      Reflect.set(prototype, name, function step(this: unknown, ...args: unknown[]) {
        dead ||= ++count === at;
        if (dead) throw new Killed("killed");
        return original.apply(this, args);
      });
    }
  }
  try {
    work();
  } catch (error) {
    if (!dead) throw error;
  } finally {
    for (const put of restore) put();
  }
  return dead;
}

/** What weir has in the kernel and on disk on the node's side. */
function left(lab: GuardLab): unknown {
  const list = (folder: string) => (existsSync(folder) ? readdirSync(folder).sort() : []);
  const addresses: number[] = [];
  for (const name of ["guard_addresses", "guard_senders", "guard_known"]) {
    const pin = join(lab.options.bpffs, "weir", name);
    if (!existsSync(pin)) continue;
    using map = BpfMap.open(pin);
    addresses.push([...map.raw.keys()].length);
  }
  return [
    lab.snapshot(),
    list(join(lab.options.bpffs, "weir/links")),
    list(join(lab.options.stateDirectory, "guard")),
    list(join(lab.options.stateDirectory, "attachments")),
    addresses,
  ];
}

/** Each step meets one of these, in turn. */
const whatComesNext: ((lab: GuardLab, pod: LabPod, options: ShaperOptions) => void)[] = [
  function anApplyFinishesIt(lab, pod, options) {
    lab.shaper((shaper) => shaper.apply(pod, both), options);
    assert.equal(lab.shaper((shaper) => shaper.inspect(pod.id)).problems, []);
  },
  function aRemovalUndoesIt(lab, pod) {
    lab.shaper((shaper) => shaper.remove(pod.id));
  },
  function aCollectionUndoesItUnlessItWasFinished(lab, pod) {
    const { problems } = lab.shaper((shaper) => shaper.gc());
    assert.equal(problems, []);
    const known = lab.shaper((shaper) => shaper.list());
    if (known.length > 0) assert.equal(lab.shaper((shaper) => shaper.inspect(pod.id)).problems, []);
  },
];

const operations: Record<
  string,
  [first: boolean, options: ShaperOptions, (shaper: Shaper, pod: LabPod) => unknown]
> = {
  apply: [false, { guard: { unknown: "drop" } }, (shaper, pod) => shaper.apply(pod, both)],
  "apply with links": [false, { hold: true }, (shaper, pod) => shaper.apply(pod, both)],
  "an apply with other addresses": [
    true,
    {},
    (shaper, pod) =>
      shaper.apply({ ...pod, addresses: ["10.79.8.8"] }, { egress: { bitsPerSecond: 9_000_000n } }),
  ],
  "a change without a guard": [true, { guard: false }, (shaper, pod) => shaper.apply(pod, both)],
  hold: [true, {}, (shaper, pod) => shaper.hold(pod.id)],
  remove: [true, {}, (shaper, pod) => shaper.remove(pod.id)],
};

for (const [name, [first, options, operation]] of Object.entries(operations)) {
  // Without tcx it does nothing.
  if (name === "hold" && !hasTcx()) continue;
  for (const kind of ["ipvlan l2", "veth"] as const) {
    test(`whatever step of ${name} on ${kind} a process is killed at, the next operation puts it right`, () => {
      using lab = new GuardLab();
      const pod = lab.addPod(kind);
      lab.shaper((shaper) => shaper.apply(pod, both));
      lab.shaper((shaper) => shaper.remove(pod.id));
      const pristine = left(lab);
      for (let step = 1; ; step++) {
        assert.ok(step < MOST_STEPS, "the operation never ended");
        if (first) lab.shaper((shaper) => shaper.apply(pod, both), { guard: true });
        const died = dies(step, () => lab.shaper((shaper) => operation(shaper, pod), options));
        whatComesNext[step % whatComesNext.length]!(lab, pod, options);
        lab.shaper((shaper) => shaper.remove(pod.id));
        lab.shaper((shaper) => shaper.gc());
        assert.equal(left(lab), pristine, `step ${step}`);
        if (!died) {
          assert.ok(step > 5, "no step was counted");
          return;
        }
      }
    });
  }
}

uvu.run();

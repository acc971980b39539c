import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "@weir/bpf-loader";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { Limits } from "../limits.js";
import type { ShaperOptions } from "../options.js";
import type { Shaper } from "../shaper.js";
import { hasTcx } from "../tcx/program-table.js";
import { dies } from "../testing/dies.js";
import { GuardLab, type LabPod } from "../testing/guard-lab.js";
import { needs } from "../testing/needs.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const both: Limits = { egress: { bitsPerSecond: 5_000_000n }, ingress: { bitsPerSecond: 5_000_000n } };
/** More than any operation takes; each test ends at the first number that the operation survives. */
const MOST_STEPS = 120;

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

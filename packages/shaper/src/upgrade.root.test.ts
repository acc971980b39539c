import { rmdirSync } from "node:fs";
import { join } from "node:path";
import { BpfProgram } from "@weir/bpf-loader";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { shapeInstallable } from "./datapath.js";
import { guardInstallable } from "./guard/maps.js";
import type { Limits } from "./limits.js";
import { GuardLab, type LabPod } from "./testing/guard-lab.js";
import { needs } from "./testing/needs.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const both: Limits = { egress: { bitsPerSecond: 20_000_000n }, ingress: { bitsPerSecond: 10_000_000n } };

const problems = (lab: GuardLab, pod: LabPod) => lab.shaper((shaper) => shaper.inspect(pod.id)).problems;

function programId(lab: GuardLab, name: string): number {
  using program = BpfProgram.open(join(lab.options.bpffs, "weir", name));
  return program.info.id;
}

test("a new version takes the place of the old one for all running pods, whichever operation comes first", () => {
  for (const next of ["apply", "remove"] as const) {
    using lab = new GuardLab();
    const pods = [lab.addPod("ipvlan l2"), lab.addPod("ipvlan l2"), lab.addPod("veth")] as [
      LabPod,
      LabPod,
      LabPod,
    ];
    const gone = lab.addPod("ipvlan l2");
    const other = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pods[0], both), { hold: true });
    const some: Limits = { ...both, unshapedSubnets: ["192.0.2.0/24", "fd00::/8"] };
    lab.shaper((shaper) => shaper.apply(pods[1], some));
    for (const pod of [pods[2], gone, other]) lab.shaper((shaper) => shaper.apply(pod, both));
    lab.endPod(gone);
    const before = ["shape", "guard"].map((name) => programId(lab, name));
    // Without its mark, what is pinned is a version from before there were marks.
    for (const { name, version } of [shapeInstallable, guardInstallable]) {
      rmdirSync(join(lab.options.bpffs, "weir", `${name}_v${version}`));
    }
    assert.equal(problems(lab, pods[1])[0]?.code, "PROGRAM_EARLIER");
    if (next === "apply") lab.shaper((shaper) => shaper.apply(other, both));
    else lab.shaper((shaper) => shaper.remove(other.id));
    const after = ["shape", "guard"].map((name) => programId(lab, name));
    assert.ok(
      after.every((id, index) => id !== before[index]),
      `${before} ${after}`,
    );
    for (const pod of pods) assert.equal(problems(lab, pod), [], `after ${next}: ${pod.id}`);
    assert.is(lab.shaper((shaper) => shaper.inspect(pods[1].id)).guard?.none, undefined);
  }
});

uvu.run();

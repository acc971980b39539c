import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BpfLink, BpfMap, BpfProgram } from "@weir/bpf-loader";
import { Rtnetlink } from "@weir/netlink";
import { monotonicNow } from "@weir/syscall";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError } from "../errors.js";
import type { Inspection } from "../inspection.js";
import type { Limits } from "../limits.js";
import { hasTcx } from "../tcx/program-table.js";
import { GuardLab, type LabPod } from "../testing/guard-lab.js";
import { needs } from "../testing/needs.js";
import { findPlace } from "./uplink.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const LIMITS: Limits = { egress: { bitsPerSecond: 20_000_000n } };

function labTest(name: string, work: (lab: GuardLab) => void): void {
  test(name, () => {
    using lab = new GuardLab();
    work(lab);
  });
}

const apply = (lab: GuardLab, pod: LabPod, limits = LIMITS, guard?: Parameters<GuardLab["shaper"]>[1]) =>
  lab.shaper((shaper) => shaper.apply(pod, limits), guard);
const remove = (lab: GuardLab, pod: LabPod) => lab.shaper((shaper) => shaper.remove(pod.id));
const inspect = (lab: GuardLab, pod: LabPod): Inspection => lab.shaper((shaper) => shaper.inspect(pod.id));
const links = (lab: GuardLab): string[] => {
  const folder = join(lab.options.bpffs, "weir/links");
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith("guard")) : [];
};
const devices = (lab: GuardLab) => {
  const folder = join(lab.options.stateDirectory, "guard");
  return existsSync(folder) ? readdirSync(folder) : [];
};

function isGuarded(lab: GuardLab, name: string, direction: "egress" | "ingress" = "egress"): boolean {
  if (hasTcx() && direction === "egress") return links(lab).length > 0;
  using rt = Rtnetlink.open({ netns: lab.node });
  const { index } = rt.links.get(name);
  return [...rt.filters.dump({ index, parent: direction })].length > 0;
}

labTest("the first pod of an uplink brings the guard, the last one takes it away", (lab) => {
  const before = lab.snapshot();
  const one = lab.addPod("ipvlan l2");
  const other = lab.addPod("ipvlan l2");
  apply(lab, one);
  assert.ok(isGuarded(lab, "uplink"));
  apply(lab, other);
  const { guard, problems } = inspect(lab, one);
  assert.equal(problems, []);
  assert.equal([guard?.device, guard?.kind, guard?.hook], ["uplink", "uplink", hasTcx() ? "tcx" : "clsact"]);
  assert.ok(guard?.addresses.includes(one.address) && guard.addresses.includes(one.address6));
  remove(lab, one);
  assert.equal(inspect(lab, other).problems, []);
  assert.ok(isGuarded(lab, "uplink"));
  remove(lab, other);
  assert.equal(lab.snapshot(), before);
  assert.equal([links(lab), devices(lab)], [[], []]);
});

labTest("the other end of a pod's veth is guarded, with all that comes from it", (lab) => {
  const pod = lab.addPod("veth");
  const before = lab.snapshot();
  apply(lab, pod);
  const { guard, problems } = inspect(lab, pod);
  assert.equal(problems, []);
  assert.equal([guard?.device, guard?.kind], ["veth1", "peer"]);
  assert.ok(isGuarded(lab, "veth1", "ingress"));
  remove(lab, pod);
  assert.equal(lab.snapshot(), before);
  assert.equal([links(lab), devices(lab)], [[], []]);
});

labTest("without a limit for what it sends, or where it is switched off, a pod has no guard", (lab) => {
  const pod = lab.addPod("ipvlan l2");
  const before = lab.snapshot();
  apply(lab, pod, { ingress: { bitsPerSecond: 1_000_000n } });
  assert.is(inspect(lab, pod).guard, undefined);
  assert.equal(lab.snapshot(), before);
  apply(lab, pod);
  assert.ok(isGuarded(lab, "uplink"));
  apply(lab, pod, LIMITS, { guard: false });
  assert.match(inspect(lab, pod).guard?.none ?? "", /switched off/);
  apply(lab, pod);
  assert.equal(lab.snapshot(), before, "it stays off until it is asked for");
  apply(lab, pod, LIMITS, { guard: true });
  assert.ok(isGuarded(lab, "uplink"));
  apply(lab, pod, { ingress: { bitsPerSecond: 1_000_000n } });
  assert.equal([lab.snapshot(), devices(lab)], [before, []]);
});

labTest(
  "a device without anything of the host's behind it says so, and is an error where a guard is asked for",
  (lab) => {
    const pod = lab.addPod("ipvlan l2");
    using rt = Rtnetlink.open({ netns: pod.netns });
    rt.links.add({ name: "own", kind: "dummy" });
    rt.links.set("own", { up: true });
    const attachment = { id: "own", netns: pod.netns, device: "own" };
    lab.shaper((shaper) => shaper.apply(attachment, LIMITS));
    assert.match(lab.shaper((shaper) => shaper.inspect("own")).guard?.none ?? "", /dummy/);
    let error: ShaperError | undefined;
    try {
      lab.shaper((shaper) => shaper.apply(attachment, LIMITS), { guard: true });
    } catch (caught) {
      error = caught as ShaperError;
    }
    assert.is(error?.code, "NOT_SUPPORTED");
    rt.links.add({ name: "inner", kind: "veth", data: { peer: { name: "innerpeer" } } });
    const place = findPlace(rt, rt.links.get("inner"), lab.node);
    assert.is(place.kind, "none");
  },
);

labTest("addresses that have changed are picked up by the next apply, those of the caller too", (lab) => {
  const pod = lab.addPod("ipvlan l2");
  apply(lab, pod);
  using rt = Rtnetlink.open({ netns: pod.netns });
  const { index } = rt.links.get("eth0");
  rt.addresses.add({ index, address: "10.80.2.2/24" });
  rt.addresses.remove({ index, address: `${pod.address}/16` });
  apply(lab, { ...pod, addresses: ["10.79.3.3/16"] } as LabPod);
  const { guard, problems } = inspect(lab, pod);
  assert.equal(problems, []);
  assert.ok(["10.80.2.2", "10.79.3.3", pod.address6].every((address) => guard!.addresses.includes(address)));
  assert.not.ok(guard!.addresses.includes(pod.address));
  using map = BpfMap.open(join(lab.options.bpffs, "weir/guard_addresses"));
  assert.is([...map.raw.keys()].length, guard!.addresses.length, "nothing of the old address is left");
});

labTest("damage is named, and put right by the next apply", (lab) => {
  const pod = lab.addPod("ipvlan l2");
  apply(lab, pod);
  if (hasTcx()) {
    const pin = join(lab.options.bpffs, "weir/links", links(lab)[0]!);
    using link = BpfLink.open(pin);
    link.detach();
  } else {
    using rt = Rtnetlink.open({ netns: lab.node });
    rt.qdiscs.remove({ index: rt.links.get("uplink").index, parent: "clsact" });
  }
  const codes = () => inspect(lab, pod).problems.map(({ code }) => code);
  assert.equal(codes(), ["GUARD_MISSING"]);
  apply(lab, pod);
  assert.equal(codes(), []);
  {
    using map = BpfMap.open(join(lab.options.bpffs, "weir/guard_addresses"));
    for (const key of [...map.raw.keys()]) map.raw.delete(key);
  }
  assert.equal(codes(), ["GUARD_ADDRESS"]);
  apply(lab, pod);
  assert.equal(codes(), []);
});

labTest("a limit for some subnets is guarded like any, and its lists change live", (lab) => {
  const pod = lab.addPod("ipvlan l2");
  const veth = lab.addPod("veth");
  const before = lab.snapshot();
  const list = (...subnets: string[]): Limits => ({ ...LIMITS, unshapedSubnets: subnets });
  for (const limits of [list("192.0.2.0/24"), list("fd00::/8", "198.51.100.1/32"), LIMITS, list("::/0")]) {
    for (const one of [pod, veth]) {
      apply(lab, one, limits, { guard: true });
      const { guard, problems } = inspect(lab, one);
      assert.equal([problems, guard?.none], [[], undefined]);
    }
  }
  for (const one of [pod, veth]) remove(lab, one);
  assert.equal([lab.snapshot(), links(lab), devices(lab)], [before, [], []]);
});

labTest("while a limit changes nothing is dropped, and soon after it is again", (lab) => {
  const pod = lab.addPod("ipvlan l2");
  apply(lab, pod);
  using map = BpfMap.open(join(lab.options.bpffs, "weir/guard_limits"));
  const since = () => {
    const entries = [...map.raw.entries()].map(([, value]) => new DataView(value.buffer, value.byteOffset));
    // The credit of an attachment is more than that of what is unknown.
    const ours = entries.filter((entry) => entry.getBigUint64(0, true) !== 0n);
    return ours.map((entry) => [entry.getBigUint64(8, true), entry.getBigUint64(16, true)] as const)[0]!;
  };
  assert.is(since()[1], 0n, "a new limit holds at once");
  apply(lab, pod);
  assert.is(since()[1], 0n, "nor does the same one let up");
  for (const change of [
    { ...LIMITS, shapedSubnets: ["192.0.2.0/24"] },
    { egress: { bitsPerSecond: 30_000_000n }, shapedSubnets: ["192.0.2.0/24"] },
    { egress: { bitsPerSecond: 30_000_000n } },
  ]) {
    const start = monotonicNow();
    const [burst] = since();
    apply(lab, pod, change);
    assert.ok(since()[1] > start + burst && since()[1] <= monotonicNow() + burst);
  }
});

labTest("a guard that reads limits whose pins were removed is named, and mended by the next apply", (lab) => {
  for (const name of ["subnets", "limits"]) {
    const pod = lab.addPod("ipvlan l2");
    const other = lab.addPod("veth");
    const limits: Limits = { ...LIMITS, unshapedSubnets: ["192.0.2.0/24"] };
    for (const one of [pod, other]) apply(lab, one, limits);
    rmSync(join(lab.options.bpffs, "weir", name));
    assert.ok(inspect(lab, pod).problems.some(({ code }) => code === "GUARD_LIMITS"));
    apply(lab, pod, limits);
    for (const one of [pod, other]) assert.equal(inspect(lab, one).problems, [], `${name}, ${one.id}`);
    for (const one of [pod, other]) remove(lab, one);
  }
  assert.equal([links(lab), devices(lab)], [[], []]);
});

labTest("pins that were wiped are made again by the next apply", (lab) => {
  const pod = lab.addPod("ipvlan l2");
  apply(lab, pod, LIMITS, { guard: { unknown: "drop" } });
  rmSync(join(lab.options.bpffs, "weir"), { recursive: true });
  assert.ok(inspect(lab, pod).problems.some(({ code }) => code === "GUARD_MISSING"));
  apply(lab, pod, LIMITS, { guard: { unknown: "drop" } });
  assert.equal(inspect(lab, pod).problems, []);
  remove(lab, pod);
  assert.equal([links(lab), devices(lab)], [[], []]);
});

labTest("what others have attached to the uplink stays, and runs", (lab) => {
  using program = BpfProgram.load({
    name: "other",
    type: "sched_cls",
    license: "GPL",
    instructions: new Uint8Array([0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0]),
  });
  const pod = lab.addPod("ipvlan l2");
  using rt = Rtnetlink.open({ netns: lab.node });
  const { index } = rt.links.get("uplink");
  rt.qdiscs.add({ index, kind: "clsact" });
  const place = { index, parent: "egress", priority: 1 } as const;
  rt.filters.add({ ...place, kind: "bpf", handle: 1, options: { fd: program.fd, name: "other" } });
  rt.filters.add({ ...place, kind: "u32", priority: 2, protocol: "ip", options: {} });
  const before = lab.snapshot();
  apply(lab, pod);
  const { problems, guard } = inspect(lab, pod);
  assert.equal(problems, []);
  // Of the same priority the one that came last runs first: net/sched/cls_bpf.c.
  assert.is(guard?.behind, undefined);
  const others = [...rt.filters.dump({ index, parent: "egress" })].filter(({ handle }) => handle !== 0x77e1);
  assert.is(others.filter(({ kind }) => kind === "bpf").length, 1);
  remove(lab, pod);
  assert.equal(lab.snapshot(), before);
});

labTest("collection takes the guard off what nobody needs guarded", (lab) => {
  const pod = lab.addPod("ipvlan l2");
  const before = lab.snapshot();
  apply(lab, pod);
  rmSync(join(lab.options.stateDirectory, "attachments"), { recursive: true });
  const { problems } = lab.shaper((shaper) => shaper.gc());
  assert.equal(problems, []);
  assert.equal([lab.snapshot(), links(lab), devices(lab)], [before, [], []]);
  apply(lab, pod);
  lab.endPod(pod);
  assert.ok(lab.shaper((shaper) => shaper.gc()).removed.includes(pod.id));
  assert.equal([lab.snapshot(), links(lab), devices(lab)], [before, [], []]);
});

uvu.run();

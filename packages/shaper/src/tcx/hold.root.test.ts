import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BpfLink, BpfProgram } from "@weir/bpf-loader";
import { Rtnetlink } from "@weir/netlink";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { Limits } from "../limits.js";
import { attachmentOf } from "../records.js";
import { GuardLab, type LabPod } from "../testing/guard-lab.js";
import { needs } from "../testing/needs.js";
import { hasTcx } from "./program-table.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const both: Limits = { egress: { bitsPerSecond: 20_000_000n }, ingress: { bitsPerSecond: 10_000_000n } };

const links = (lab: GuardLab): string[] => {
  const folder = join(lab.options.bpffs, "weir/links");
  return existsSync(folder) ? readdirSync(folder).filter((name) => !name.startsWith("guard")) : [];
};
const inspect = (lab: GuardLab, pod: LabPod) => lab.shaper((shaper) => shaper.inspect(pod.id));
const codes = (lab: GuardLab, pod: LabPod) => inspect(lab, pod).problems.map(({ code }) => code);

/** How many filters there are at the egress of a pod's device. */
function egressFilters(pod: LabPod): number {
  using rt = Rtnetlink.open({ netns: pod.netns });
  return [...rt.filters.dump({ index: rt.links.get("eth0").index, parent: "egress" })].length;
}

if (!hasTcx()) {
  test("without tcx a pod's packets are stamped by filters, whatever is asked for", () => {
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pod, both), { hold: true });
    assert.not.ok(lab.shaper((shaper) => shaper.hold(pod.id)));
    assert.equal([codes(lab, pod), links(lab), egressFilters(pod)], [[], [], 1]);
  });
} else {
  test("links that the host holds take the filters' place, at once or later, and give it back", () => {
    using lab = new GuardLab();
    const [first, later] = [lab.addPod("ipvlan l2"), lab.addPod("ipvlan l2")];
    lab.shaper((shaper) => shaper.apply(first, both), { hold: true });
    assert.equal([codes(lab, first), links(lab).length, egressFilters(first)], [[], 2, 0]);
    lab.shaper((shaper) => shaper.apply(later, both));
    assert.equal([links(lab).length, egressFilters(later)], [2, 1]);
    assert.ok(lab.shaper((shaper) => shaper.hold(later.id)));
    assert.equal([codes(lab, later), links(lab).length, egressFilters(later)], [[], 4, 0]);
    lab.shaper((shaper) => shaper.apply(later, { ...both, egress: { bitsPerSecond: 5_000_000n } }));
    assert.equal([codes(lab, later), links(lab).length], [[], 4], "a change of the limit leaves the links");
    lab.shaper((shaper) => shaper.apply(later, both), { hold: false });
    assert.equal([codes(lab, later), links(lab).length, egressFilters(later)], [[], 2, 1]);
    for (const pod of [first, later]) lab.shaper((shaper) => shaper.remove(pod.id));
    assert.equal(links(lab), []);
  });

  test("an attachment that is held on another device of its name is the same in all else", () => {
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    const attachment = {
      ...{ id: pod.id, netns: pod.netns, device: pod.device, network: "pods", addresses: ["10.79.0.99"] },
      ...{ aggregate: "both", pod: { namespace: "web", name: "shop-0", uid: "7d3c" }, fixed: true },
    };
    lab.shaper((shaper) => shaper.apply(attachment, both));
    using rt = Rtnetlink.open({ netns: pod.netns });
    rt.links.remove(rt.links.get("eth0").index);
    rt.links.add({ name: "eth0", kind: "dummy", up: true });
    assert.ok(lab.shaper((shaper) => shaper.hold(pod.id)));
    const [record] = lab.shaper((shaper) => shaper.list());
    assert.equal(attachmentOf(record!), attachment);
  });

  test("what the pod removes of its own device does not touch a link", () => {
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pod, { egress: both.egress! }), { hold: true });
    using rt = Rtnetlink.open({ netns: pod.netns });
    const { index } = rt.links.get("eth0");
    rt.qdiscs.add({ index, kind: "clsact" });
    rt.qdiscs.remove({ index, parent: "clsact" });
    assert.equal(codes(lab, pod), []);
  });

  test("a link that is gone is named, and put right by the next apply", () => {
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pod, both), { hold: true });
    using link = BpfLink.open(join(lab.options.bpffs, "weir/links", links(lab)[0]!));
    link.detach();
    assert.equal(codes(lab, pod), ["LINK_MISSING"]);
    lab.shaper((shaper) => shaper.apply(pod, both));
    assert.equal(codes(lab, pod), []);
  });

  test("a program that was put before the link is named", () => {
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pod, { egress: both.egress! }), { hold: true });
    using program = BpfProgram.load({
      name: "other",
      type: "sched_cls",
      license: "GPL",
      instructions: new Uint8Array([0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0]),
    });
    using rt = Rtnetlink.open({ netns: pod.netns });
    const { index: ifindex } = rt.links.get("eth0");
    using _link = program.attachTcx({ ifindex, netns: pod.netns, direction: "egress", before: "all" });
    assert.equal(codes(lab, pod), ["LINK_BEFORE"]);
  });

  test("the links of a pod that is gone go with its attachment", () => {
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pod, both), { hold: true });
    lab.endPod(pod);
    assert.equal(lab.shaper((shaper) => shaper.gc()).problems, []);
    assert.equal(links(lab), []);
  });

  test("a held pod's packets are counted by the shaper", async () => {
    using lab = new GuardLab();
    const pod = lab.addPod("ipvlan l2");
    lab.shaper((shaper) => shaper.apply(pod, both), { hold: true });
    const { spawnSync } = await import("node:child_process");
    const ping = spawnSync("nsenter", [`--net=${pod.netns}`, "ping", "-c", "2", "-W", "5", "10.79.0.1"]);
    assert.is(ping.status, 0, String(ping.stderr));
    const { egress, ingress } = inspect(lab, pod);
    assert.ok(egress!.packets >= 2n && ingress!.packets >= 2n);
  });
}

uvu.run();

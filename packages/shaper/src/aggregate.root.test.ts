import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { Datapath } from "./datapath.js";
import type { Limits } from "./limits.js";
import { entryOf } from "./names.js";
import { Shaper } from "./shaper.js";
import { Lab } from "./testing/lab.js";
import { needs } from "./testing/needs.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const limit = (bitsPerSecond: bigint): Limits => ({ egress: { bitsPerSecond }, ingress: { bitsPerSecond } });

/** A pod with two interfaces, eth0 and net1, that are to share a limit. */
function podTest(name: string, work: (lab: Lab, shaper: Shaper) => void): void {
  test(name, () => {
    using lab = new Lab();
    {
      using rt = Rtnetlink.open({ netns: lab.netns });
      rt.links.add({ name: "net1", kind: "ipvlan", link: rt.links.get("wire").index, data: { mode: "l2" } });
      rt.links.set("net1", { up: true });
    }
    using shaper = Shaper.open(lab.options);
    work(lab, shaper);
  });
}

const first = (lab: Lab) => ({ id: "pod/eth0", netns: lab.netns, device: "eth0", aggregate: "pod" });
const second = (lab: Lab) => ({ id: "pod/net1", netns: lab.netns, device: "net1", aggregate: "pod" });
const slots = (shaper: Shaper) => shaper.list().map(({ slot }) => slot);
const markers = (lab: Lab) => join(lab.options.stateDirectory, "aggregates");

function healthy(shaper: Shaper, ...ids: string[]): void {
  for (const id of ids) assert.equal(shaper.inspect(id).problems, [], id);
}

podTest(
  "attachments of an aggregate have one limit, the one applied last, and the last one frees it",
  (lab, shaper) => {
    const before = lab.snapshot();
    shaper.apply(first(lab), limit(5_000_000n));
    shaper.apply(second(lab), limit(7_000_000n));
    const [slot, other] = slots(shaper);
    assert.is(slot, other);
    healthy(shaper, "pod/eth0", "pod/net1");
    const inspection = shaper.inspect("pod/eth0");
    assert.is(inspection.egress?.bitsPerSecond, 7_000_000n);
    assert.is(inspection.attachment.aggregate, "pod");
    assert.equal(inspection.sharedWith, ["pod/net1"]);
    shaper.remove("pod/eth0");
    healthy(shaper, "pod/net1");
    assert.is(shaper.inspect("pod/net1").egress?.bitsPerSecond, 7_000_000n);
    shaper.remove("pod/net1");
    assert.equal(lab.snapshot(), before);
    assert.not.ok(existsSync(markers(lab)) && readdirSync(markers(lab)).length > 0);
    using datapath = Datapath.open(shaper.pinFolder)!;
    assert.equal(datapath.takenEntries(), []);
  },
);

podTest("another aggregate, or none, has a limit of its own", (lab, shaper) => {
  shaper.apply(first(lab), limit(5_000_000n));
  shaper.apply({ ...second(lab), aggregate: "other" }, limit(7_000_000n));
  healthy(shaper, "pod/eth0", "pod/net1");
  assert.is.not(slots(shaper)[0], slots(shaper)[1]);
  assert.is(shaper.inspect("pod/eth0").egress?.bitsPerSecond, 5_000_000n);
});

podTest("an attachment joins and leaves an aggregate without its qdiscs being touched", (lab, shaper) => {
  const { aggregate: _, ...alone } = second(lab);
  shaper.apply(first(lab), limit(5_000_000n));
  shaper.apply(alone, limit(7_000_000n));
  const before = lab.snapshot();
  shaper.apply(second(lab), limit(7_000_000n));
  assert.is(slots(shaper)[0], slots(shaper)[1]);
  healthy(shaper, "pod/eth0", "pod/net1");
  assert.equal(lab.snapshot(), before);
  shaper.apply(alone, limit(3_000_000n));
  healthy(shaper, "pod/eth0", "pod/net1");
  assert.is(shaper.inspect("pod/eth0").egress?.bitsPerSecond, 7_000_000n);
  assert.is(shaper.inspect("pod/net1").egress?.bitsPerSecond, 3_000_000n);
  shaper.remove("pod/eth0");
  shaper.remove("pod/net1");
  using datapath = Datapath.open(shaper.pinFolder)!;
  assert.equal(datapath.takenEntries(), []);
});

podTest("a direction that only one of them limits stays limited while that one is there", (lab, shaper) => {
  shaper.apply(first(lab), limit(5_000_000n));
  shaper.apply(second(lab), { egress: { bitsPerSecond: 4_000_000n } });
  healthy(shaper, "pod/eth0", "pod/net1");
  const { egress, ingress } = shaper.inspect("pod/eth0");
  assert.is(egress?.bitsPerSecond, 4_000_000n);
  assert.is(ingress?.bitsPerSecond, 5_000_000n);
});

podTest("lists of subnets are the aggregate's too", (lab, shaper) => {
  shaper.apply(first(lab), { ...limit(5_000_000n), unshapedSubnets: ["10.0.0.0/8"] });
  shaper.apply(second(lab), { ...limit(5_000_000n), unshapedSubnets: ["192.0.2.0/24"] });
  healthy(shaper, "pod/eth0", "pod/net1");
  assert.equal(shaper.inspect("pod/eth0").limits.unshapedSubnets, ["192.0.2.0/24"]);
  shaper.apply(first(lab), limit(5_000_000n));
  healthy(shaper, "pod/eth0", "pod/net1");
  assert.is(shaper.inspect("pod/net1").limits.unshapedSubnets, undefined);
});

podTest("what fails half way leaves the others of the aggregate their limit", (lab, shaper) => {
  shaper.apply(first(lab), limit(5_000_000n));
  using rt = Rtnetlink.open({ netns: lab.netns });
  rt.qdiscs.add({ index: rt.links.get("net1").index, kind: "clsact" });
  rt.filters.add({
    index: rt.links.get("net1").index,
    parent: "egress",
    kind: "u32",
    priority: 1,
    protocol: "ip",
    options: {},
  });
  assert.throws(() => shaper.apply(second(lab), limit(9_000_000n)), /u32 filter/);
  healthy(shaper, "pod/eth0");
  assert.is(shaper.inspect("pod/eth0").egress?.bitsPerSecond, 5_000_000n);
  assert.equal(shaper.inspect("pod/eth0").sharedWith, []);
});

podTest(
  "collection keeps what an aggregate has, and sweeps markers and entries that nobody has",
  (lab, shaper) => {
    shaper.apply(first(lab), limit(5_000_000n));
    shaper.apply(second(lab), limit(5_000_000n));
    const [slot] = slots(shaper);
    rmSync(join(lab.options.stateDirectory, "attachments", "pod%2Feth0.json"));
    assert.equal(shaper.gc().problems, []);
    healthy(shaper, "pod/net1");
    assert.equal(readdirSync(join(markers(lab), "pod")), ["pod%2Fnet1"]);
    rmSync(join(lab.options.stateDirectory, "attachments", "pod%2Fnet1.json"));
    shaper.gc();
    using datapath = Datapath.open(shaper.pinFolder)!;
    assert.is(datapath.limit(entryOf(slot!, "egress")).owner, 0n);
    assert.equal(readdirSync(markers(lab)), []);
  },
);

uvu.run();

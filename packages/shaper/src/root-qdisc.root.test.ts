import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError } from "./errors.js";
import { findRoot, restoreRoot } from "./root-qdisc.js";

// Even a kernel without fq has these.
const test = process.getuid?.() === 0 ? uvu : uvu.skip;

/** A device with four queues, and a qdisc of somebody's, here one that every kernel has, put in place of its own. */
function onQueues(work: (rt: Rtnetlink, index: number) => void): void {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  rt.links.add({ name: "eth0", kind: "veth", numTxQueues: 4, data: { peer: { name: "peer" } } });
  rt.links.set("eth0", { up: true });
  work(rt, rt.links.get("eth0").index);
}

const all = (rt: Rtnetlink, index: number) =>
  [...rt.qdiscs.dump({ index })]
    .map(({ kind, handle, parent, rawOptions }) => ({
      kind,
      handle,
      parent,
      options: rawOptions && Buffer.from(rawOptions).toString("hex"),
    }))
    .sort((a, b) => a.parent - b.parent);

const ROOT = 0x8001_0000;

test("mq comes back with what somebody had put at its queues", () => {
  onQueues((rt, index) => {
    rt.qdiscs.replace({ index, parent: "root", handle: ROOT, kind: "mq" });
    const child = { index, kind: "pfifo" } as const;
    rt.qdiscs.replace({ ...child, parent: ROOT + 2, handle: 0x20_0000, options: { limit: 77 } });
    rt.qdiscs.replace({ ...child, parent: ROOT + 4, handle: 0x40_0000, options: { limit: 99 } });
    const before = all(rt, index);
    assert.is(before.length, 5);
    const found = findRoot(rt, rt.links.get(index));
    assert.equal(
      found?.queues?.map(({ queue, kind }) => [queue, kind]),
      [
        [2, "pfifo"],
        [4, "pfifo"],
      ],
    );
    rt.qdiscs.replace({ ...child, parent: "root", handle: 0x77e1_0000 });
    assert.is(all(rt, index).length, 1);
    restoreRoot(rt, index, JSON.parse(JSON.stringify(found)) as typeof found);
    assert.equal(all(rt, index), before);
  });
});

test("mq with nothing but defaults at its queues comes back as well", () => {
  onQueues((rt, index) => {
    rt.qdiscs.replace({ index, parent: "root", handle: ROOT, kind: "mq" });
    const before = all(rt, index);
    const found = findRoot(rt, rt.links.get(index));
    assert.equal(found, { kind: "mq", handle: ROOT });
    rt.qdiscs.replace({ index, parent: "root", kind: "pfifo", handle: 0x77e1_0000 });
    restoreRoot(rt, index, found);
    assert.equal(all(rt, index), before);
  });
});

test("what cannot be given back is refused with its place", () => {
  onQueues((rt, index) => {
    rt.qdiscs.replace({ index, parent: "root", handle: ROOT, kind: "mq" });
    rt.qdiscs.replace({ index, parent: ROOT + 3, handle: 0x30_0000, kind: "pfifo_fast" });
    try {
      findRoot(rt, rt.links.get(index));
      assert.unreachable("a pfifo_fast qdisc at a queue was accepted");
    } catch (error) {
      const { code, message } = error as ShaperError;
      assert.is(code, "CONFLICT");
      assert.match(message, /eth0 has a pfifo_fast qdisc of its own at its queue 3 \(handle 30:\)/);
    }
  });
});

uvu.run();

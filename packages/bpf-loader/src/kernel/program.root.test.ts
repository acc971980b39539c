import { join } from "node:path";
import { NetworkNamespace, NotSupportedError } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assemble, callHelper, exit, move } from "../asm.js";
import { BpfLink, BpfProgram, decodeSkbContext, encodeSkbContext, features } from "../index.js";
import { needs, temporaryBpffs, temporaryNamespace, testWith, testWithout } from "../testing/kernel.js";

const test = suite("BpfProgram and BpfLink");
const packet = new Uint8Array(64);
const tiny = (result = 0) =>
  BpfProgram.load({
    name: "tiny",
    type: "sched_cls",
    instructions: assemble(move(0, result), exit()),
    license: "GPL",
  });

test("a program made of instructions is loaded and described", () => {
  using program = tiny();
  const { id, tag, jitedSize, loadedAt, verifiedInstructions, ...rest } = program.info;
  assert.ok([0, 2].includes(verifiedInstructions)); // counted since 5.16
  assert.ok(id > 0);
  // The first 8 bytes of the SHA-1 (SHA-256 since 6.18) of the instructions, the same for every load.
  assert.match(tag, /^[0-9a-f]{16}$/);
  using again = tiny();
  assert.is(again.info.tag, tag);
  assert.ok(jitedSize >= 0 && loadedAt > 0n);
  assert.equal(rest, {
    type: "sched_cls",
    name: "tiny",
    translatedSize: 16,
    createdByUid: 0,
    gplCompatible: true,
    mapIds: [],
    btfId: 0,
    runTimeNs: 0n,
    runCount: 0n,
    recursionMisses: 0n,
    attachBtfId: 0,
    attachBtfObjectId: 0,
  });
  assert.equal(program.translatedInstructions(), assemble(move(0, 0), exit()));
});

test("a test run gives the result, the packet and the context", () => {
  using program = tiny(-1);
  const context = encodeSkbContext({ mark: 5, priority: 6, tstamp: 77n, wireLength: 1514 });
  const run = program.testRun({ data: Uint8Array.from({ length: 20 }, (_, i) => i), context, repeat: 10 });
  assert.is(run.returnValue, 0xffff_ffff);
  assert.equal(
    run.data,
    Uint8Array.from({ length: 20 }, (_, i) => i),
  );
  const after = decodeSkbContext(run.context);
  assert.equal([after.mark, after.priority, after.tstamp, after.wireLength], [5, 6, 77n, 1514]);
  assert.ok(run.durationNs >= 0);
});

test("a packet that is too short, and a context that is not taken, say so", () => {
  using program = tiny();
  assert.throws(() => program.testRun({ data: new Uint8Array(13) }), /at least 14 bytes/);
  const context = encodeSkbContext({ wireLength: 64 });
  context[72] = 1; // tc_classid
  assert.throws(() => program.testRun({ data: packet, context }), /EINVAL.*fields that they may not set/);
});

test("a pinned program is opened again", () => {
  using bpffs = temporaryBpffs();
  const path = join(bpffs.path, "program");
  const { id } = (() => {
    using program = tiny(3);
    program.pin(path);
    return program.info;
  })();
  using opened = BpfProgram.open(path);
  assert.is(opened.info.id, id);
  assert.is(opened.name, "tiny");
  assert.is(opened.testRun({ data: packet }).returnValue, 3);
});

testWith(
  test,
  needs.tcx,
  "a tcx link is made in the namespace of its device, described, pinned and detached",
  () => {
    using bpffs = temporaryBpffs();
    using netns = temporaryNamespace();
    using program = tiny();
    const path = join(bpffs.path, "link");
    {
      using link = program.attachTcx({ ifindex: 1, direction: "egress", netns: netns.path });
      const { id, ...rest } = link.info;
      assert.ok(id > 0);
      assert.equal(rest, {
        type: "tcx",
        programId: program.info.id,
        ifindex: 1,
        attachType: "tcx_egress",
      });
      link.pin(path);
    }
    using opened = BpfLink.open(path);
    using other = tiny(1);
    opened.update(other);
    assert.is(opened.info.programId, other.info.id);
    opened.detach();
    assert.is((opened.info as { ifindex?: number }).ifindex, 0);
  },
);

testWith(test, needs.tcx, "a tcx link is made in an open namespace, and ends when it is closed", () => {
  using netns = temporaryNamespace();
  using namespace = NetworkNamespace.open(netns.path);
  using program = tiny();
  const link = program.attachTcx({ ifindex: 1, direction: "ingress", netns: namespace });
  assert.is((link.info as { attachType?: string }).attachType, "tcx_ingress");
  link.close();
  assert.throws(() => link.info, /EBADF/);
});

testWith(test, needs.tcx, "a device that does not exist is named", () => {
  using program = tiny();
  assert.throws(
    () => program.attachTcx({ ifindex: 999_999, direction: "ingress" }),
    /attach program "tiny" to the ingress of device 999999: .*ENODEV/,
  );
});

testWithout(test, needs.tcx, "a kernel without tcx is told apart from a wrong device", () => {
  using program = tiny();
  assert.throws(
    () => program.attachTcx({ ifindex: 1, direction: "ingress", fallback: false }),
    (error: NotSupportedError) => error instanceof NotSupportedError && error.since === "6.6",
  );
});

test("helpers are found out by program type", () => {
  // bpf_map_lookup_elem is for all, bpf_skb_load_bytes for some, and no kernel has helper 100000.
  assert.is(features.helper("sched_cls", 1), true);
  assert.is(features.helper("sched_cls", 26), true);
  assert.is(features.helper("xdp", 26), false);
  assert.is(features.helper("sched_cls", 100_000), false);
});

test("types of programs and maps are found out", () => {
  assert.is(features.programType("sched_cls"), true);
  assert.is(features.mapType("array"), true);
  assert.is(features.mapType("ringbuf"), true);
  assert.is(features.instructions(assemble(callHelper(1))), false);
});

test.run();

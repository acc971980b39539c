import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError } from "./errors.js";
import { withModule } from "./kernel-module.js";

/** What every kernel answers to a kind that it does not have is what one without fq answers to fq. */
const unknown: [what: string, ask: (rt: Rtnetlink) => void][] = [
  ["qdisc", (rt) => rt.qdiscs.add({ index: 1, parent: "root", kind: "nosuchkind" })],
  ["device", (rt) => rt.links.add({ name: "x", kind: "nosuchkind" })],
  [
    "filter",
    (rt) => {
      rt.qdiscs.add({ index: 1, kind: "clsact" });
      rt.filters.add({ index: 1, parent: "egress", kind: "nosuchkind" });
    },
  ],
];

function inNamespace(work: (rt: Rtnetlink) => void): void {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  work(rt);
}

for (const [what, ask] of unknown) {
  test(`a kernel without a ${what} is told from one that refuses it, and the module is named`, () => {
    inNamespace((rt) => {
      assert.throws(
        () => withModule("sch_x", `x ${what}`, () => ask(rt)),
        (error: ShaperError) =>
          error.code === "NOT_SUPPORTED" &&
          error.message === `this kernel has no x ${what} (sch_x)` &&
          error.remedy?.startsWith("modprobe sch_x") === true,
      );
    });
  });
}

test("another refusal stays what it is", () => {
  inNamespace((rt) => {
    assert.throws(
      () => withModule("sch_x", "x", () => rt.qdiscs.remove({ index: 77, parent: "root" })),
      (error: { name: string; code: string }) => error.name !== "ShaperError" && error.code === "ENODEV",
    );
  });
});

test.run();

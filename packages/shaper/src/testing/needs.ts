import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";

const probes = {
  sch_fq: (rt: Rtnetlink) => rt.qdiscs.replace({ index: 1, parent: "root", kind: "fq" }),
  ifb: (rt: Rtnetlink) => rt.links.add({ name: "probe-ifb", kind: "ifb" }),
  ipvlan: (rt: Rtnetlink) => {
    rt.links.add({ name: "probe-master", kind: "veth", data: { peer: { name: "probe-peer" } } });
    rt.links.add({
      name: "probe",
      kind: "ipvlan",
      link: rt.links.get("probe-master").index,
      data: { mode: "l2" },
    });
  },
} as const;

/** What a test needs of the kernel. */
export type Feature = keyof typeof probes;

/**
 * A test function that skips, visibly, where the kernel lacks a feature. In the kernel VM nothing may be lacking, so
 * there the test runs and fails.
 */
export function needs(...features: Feature[]): typeof test | typeof test.skip {
  if (process.env.WEIR_VM === "1") return test;
  if (process.getuid?.() !== 0) return skipping("root");
  for (const feature of features) {
    using namespace = NetworkNamespace.createAnonymous();
    using rt = Rtnetlink.open({ netns: namespace });
    try {
      probes[feature](rt);
    } catch {
      return skipping(feature);
    }
  }
  return test;
}

function skipping(what: string): typeof test.skip {
  console.log(`skipped here, for want of ${what}; the kernel VM runs these tests`);
  return test.skip;
}

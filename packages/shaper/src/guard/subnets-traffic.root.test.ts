import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { bypass, mbit } from "../testing/bypass.js";
import { GuardLab } from "../testing/guard-lab.js";
import { needs } from "../testing/needs.js";

const test = needs("sch_fq", "ifb", "ipvlan");
/** So low that a sender on a busy, emulated machine goes past it. */
const LIMIT = { bitsPerSecond: 2_000_000n };

for (const kind of ["ipvlan l2", "macvlan"] as const) {
  test(`a pod on ${kind} with limits for some subnets that sends past its qdiscs gets no more than them, and elsewhere what it wants`, async () => {
    using lab = new GuardLab();
    const pod = lab.addPod(kind);
    const outside = ["198.51.100.0/24", "2001:db8::/32"];
    const dropped = () => lab.shaper((shaper) => shaper.inspect(pod.id)).guard!.counters!.dropped;
    for (const [name, lists] of [
      ["shaped", { shapedSubnets: ["10.79.0.0/24", "fd79::/120"] }],
      ["unshaped", { unshapedSubnets: outside }],
    ] as const) {
      lab.shaper((shaper) => shaper.apply(pod, { egress: LIMIT, ...lists }), { guard: true });
      assert.equal(lab.shaper((shaper) => shaper.inspect(pod.id)).problems, []);
      for (const [source, elsewhere] of [
        [pod.address, "198.51.100.7"],
        [pod.address6, "2001:db8::7"],
      ] as const) {
        const limited = await bypass(lab, pod, LIMIT, source);
        const text = `${kind}, ${name} subnets, ${source}: ${mbit(limited.bitsPerSecond)}`;
        const { bytes, allowed } = limited;
        assert.ok(bytes > 100_000 && bytes <= allowed, `${text}: ${bytes} of ${allowed} bytes`);
        const before = dropped();
        assert.ok(before > 0n, "the guard dropped what was too much");
        const free = await bypass(lab, pod, LIMIT, source, "eth0", elsewhere);
        console.log(`${text}, ${mbit(free.bitsPerSecond)} elsewhere`);
        assert.ok(free.bytes > free.allowed, `${free.bytes} bytes passed, more than ${free.allowed}`);
        assert.is(dropped(), before, "nothing of it was dropped");
      }
    }
  });
}

uvu.run();

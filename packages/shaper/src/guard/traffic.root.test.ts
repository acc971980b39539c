import { spawn } from "node:child_process";
import { once } from "node:events";
import { Rtnetlink } from "@weir/netlink";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { bypass, mbit } from "../testing/bypass.js";
import { allowLargeBuffers, GuardLab, type PodKind } from "../testing/guard-lab.js";
import { needs } from "../testing/needs.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const LIMIT = { bitsPerSecond: 20_000_000n };
/** So low that a sender on a busy, emulated machine goes past it: that has been as slow as 9 Mbit/s. */
const LOW_LIMIT = { bitsPerSecond: 2_000_000n };

for (const kind of ["ipvlan l2", "ipvlan l3", "macvlan"] as const) {
  test(`a pod on ${kind} that sends past its own qdiscs gets no more than its limit, by IPv4 and IPv6`, async () => {
    using lab = new GuardLab();
    const pod = lab.addPod(kind);
    lab.shaper((shaper) => shaper.apply(pod, { egress: LOW_LIMIT }), { guard: false });
    const unguarded = await bypass(lab, pod, LOW_LIMIT, pod.address);
    assert.ok(unguarded.bytes > unguarded.allowed, `the way past works: ${mbit(unguarded.bitsPerSecond)}`);
    lab.shaper((shaper) => shaper.apply(pod, { egress: LOW_LIMIT }), { guard: true });
    for (const source of [pod.address, pod.address6]) {
      const { bytes, allowed, bitsPerSecond } = await bypass(lab, pod, LOW_LIMIT, source);
      console.log(
        `${kind}, ${source}: ${mbit(unguarded.bitsPerSecond)} unguarded, ${mbit(bitsPerSecond)} guarded`,
      );
      assert.ok(bytes > 100_000 && bytes <= allowed, `${bytes} of ${allowed} bytes`);
    }
    const { guard, problems } = lab.shaper((shaper) => shaper.inspect(pod.id));
    assert.equal(problems, []);
    assert.ok(guard!.counters!.dropped > 0n);
  });
}

test("an address that the pod made up does not help it", async () => {
  using lab = new GuardLab();
  const pod = lab.addPod("ipvlan l2");
  const victim = lab.addPod("ipvlan l2");
  for (const one of [pod, victim]) lab.shaper((shaper) => shaper.apply(one, { egress: LOW_LIMIT }));
  for (const source of ["10.79.9.9", victim.address]) {
    const { bytes, allowed, bitsPerSecond } = await bypass(lab, pod, LOW_LIMIT, source);
    console.log(`spoofed ${source}: ${mbit(bitsPerSecond)}`);
    assert.ok(bytes > 100_000 && bytes <= allowed, `${bytes} of ${allowed} bytes`);
  }
  const { counters } = lab.shaper((shaper) => shaper.inspect(victim.id)).guard!;
  assert.equal([counters!.dropped, counters!.packets < 100n], [0n, true], "the other pod is not charged");
});

test("a further ipvlan device that the pod made does not help it", async () => {
  using lab = new GuardLab();
  const pod = lab.addPod("ipvlan l2");
  lab.shaper((shaper) => shaper.apply(pod, { egress: LOW_LIMIT }));
  using rt = Rtnetlink.open({ netns: pod.netns });
  // The kernel puts it beside the device that it is made on: drivers/net/ipvlan/ipvlan_main.c.
  rt.links.add({ name: "eth1", kind: "ipvlan", link: rt.links.get("eth0").index, data: { mode: "l2" } });
  rt.links.set("eth1", { up: true });
  rt.addresses.add({ index: rt.links.get("eth1").index, address: "10.79.9.8/16" });
  const { bytes, allowed, bitsPerSecond } = await bypass(lab, pod, LOW_LIMIT, "10.79.9.8", "eth1");
  console.log(`a sibling: ${mbit(bitsPerSecond)}`);
  assert.ok(bytes > 100_000 && bytes <= allowed, `${bytes} of ${allowed} bytes`);
});

for (const kind of ["ipvlan l2", "ipvlan l3", "macvlan"] as PodKind[]) {
  test(`an honest pod on ${kind} under full load never meets the guard`, async () => {
    allowLargeBuffers();
    using lab = new GuardLab();
    const pod = lab.addPod(kind);
    lab.shaper((shaper) => shaper.apply(pod, { egress: LIMIT }));
    const server = spawn("nsenter", [`--net=${lab.farNetns}`, "iperf3", "-s", "--forceflush"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      await once(server.stdout!, "data");
      for (const args of [
        ["-P", "8"],
        ["--udp", "-b", "60M", "-w", "4M"],
        ["-P", "16", "-V", "-6"],
      ]) {
        const to = args.includes("-6") ? "fd79::1" : "10.79.0.1";
        const client = spawn("nsenter", [`--net=${pod.netns}`, "iperf3", "-c", to, "-t", "4", ...args], {
          stdio: ["ignore", "ignore", "inherit"],
        });
        const [status] = await once(client, "exit");
        assert.is(status, 0);
      }
    } finally {
      server.kill();
    }
    const { guard, egress } = lab.shaper((shaper) => shaper.inspect(pod.id));
    console.log(
      `${kind}: ${guard!.counters!.packets} packets, ${guard!.counters!.bytes} bytes at the guard; ${egress!.packets}, ${egress!.bytes} at the shaper`,
    );
    assert.is(guard!.counters!.dropped, 0n);
    assert.ok(guard!.counters!.bytes > 3_000_000n, "it saw the traffic");
  });
}

uvu.run();

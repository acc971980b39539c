import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError } from "./errors.js";
import type { Limit, Limits } from "./limits.js";
import { Shaper } from "./shaper.js";
import { needs } from "./testing/needs.js";
import { PACKET_BYTES, podDevices, WireLab } from "./testing/wire-lab.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const LIMIT: Limit = { bitsPerSecond: 4_000_000n };
const COUNT = 240;

/** What leaves at once after a pause (4 ms), and what passes in front of others. */
const AHEAD_PACKETS = 4;

/**
 * At no look may more have arrived than the limit allows since the first was sent, however slow or uneven the machine
 * is; and the limit did bite: unlimited, all would arrive.
 */
function neverAhead(looks: { seconds: number; packets: number }[], flows = 1): void {
  for (const { seconds, packets } of looks) {
    const allowed = (Number(LIMIT.bitsPerSecond) / 8 / PACKET_BYTES) * seconds + AHEAD_PACKETS * flows;
    assert.ok(
      packets <= allowed,
      `${packets} packets after ${seconds.toFixed(3)} s, ${allowed.toFixed(0)} allowed`,
    );
  }
  const { packets } = looks.at(-1)!;
  assert.ok(packets > 10, `${packets} packets arrived`);
}

for (const kind of podDevices) {
  const ingress = kind !== "ipvlan l3s";
  test(`a limit holds on ${kind}, ${ingress ? "both ways" : "which can only be limited in what it sends"}`, async () => {
    using lab = new WireLab(kind);
    using shaper = Shaper.open({ ...lab.options, guard: false });
    const attachment = { id: "pod/eth0", netns: lab.pod.netns, device: "eth0" };
    shaper.apply(attachment, { egress: LIMIT, ...(ingress ? { ingress: LIMIT } : {}) });
    for (const direction of ingress ? (["egress", "ingress"] as const) : (["egress"] as const)) {
      const [from, to] = direction === "egress" ? [lab.pod, lab.far] : [lab.far, lab.pod];
      const dropped = () => shaper.inspect(attachment.id)[direction]!.dropped;
      neverAhead(await lab.flood({ from, to, count: COUNT, dropped }));
    }
    assert.equal(shaper.inspect(attachment.id).problems, []);
    if (ingress) return;
    try {
      shaper.apply(attachment, { egress: LIMIT, ingress: LIMIT });
      assert.unreachable("an ingress limit was accepted");
    } catch (error) {
      assert.is((error as ShaperError).code, "NOT_SUPPORTED");
    }
  });
}

test("interfaces of an aggregate send no more together than one of them may", async () => {
  using lab = new WireLab("ipvlan l2", 2);
  using shaper = Shaper.open({ ...lab.options, guard: false });
  for (const device of ["eth0", "eth1"]) {
    shaper.apply({ id: `pod/${device}`, netns: lab.pod.netns, device, aggregate: "pod" }, { egress: LIMIT });
  }
  const before = shaper.inspect("pod/eth0").egress!;
  const start = process.hrtime.bigint();
  // What both of them were given counts as one: the counters are the aggregate's.
  const sent = () => shaper.inspect("pod/eth0").egress!;
  const each = { from: lab.pod, to: lab.far, count: COUNT / 2, dropped: () => sent().dropped };
  await lab.flood(each);
  await lab.flood({ ...each, number: 1 });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const packets = Number(sent().packets - before.packets);
  neverAhead([{ seconds, packets }], 2);
});

const changes: [name: string, change: (time: number) => Limits][] = [
  ["the rate", (time) => ({ egress: { bitsPerSecond: time % 2 ? 1_000_000n : 8_000_000n } })],
  ["the burst", (time) => ({ egress: { ...LIMIT, burstBits: time % 2 ? 0n : 400_000n } })],
  ["the horizon", (time) => ({ egress: { ...LIMIT, horizonMs: time % 2 ? 5 : 200 } })],
  ["the marking threshold", (time) => ({ egress: { ...LIMIT, markMs: time % 2 } })],
  [
    "subnets",
    (time) => ({ egress: LIMIT, [time % 2 ? "unshapedSubnets" : "shapedSubnets"]: ["10.81.0.100/32"] }),
  ],
  ["whether there is a limit", (time) => (time % 2 ? { ingress: LIMIT } : { egress: LIMIT, ingress: LIMIT })],
];
for (const [name, change] of changes) {
  test(`no packet is lost when this changes under load: ${name}`, async () => {
    using lab = new WireLab("veth bridge");
    using shaper = Shaper.open({ ...lab.options, guard: false });
    const attachment = { id: "pod/eth0", netns: lab.pod.netns, device: "eth0" };
    shaper.apply(attachment, { egress: LIMIT, ingress: LIMIT });
    let known = 0n;
    const dropped = () => {
      known = shaper.inspect(attachment.id).egress?.dropped ?? known;
      return known;
    };
    await lab.flood({
      from: lab.pod,
      to: lab.far,
      count: COUNT,
      dropped,
      meanwhile: (time) => {
        shaper.apply(attachment, change(time));
        assert.equal(shaper.inspect(attachment.id).problems, []);
      },
    });
  });
}

uvu.run();

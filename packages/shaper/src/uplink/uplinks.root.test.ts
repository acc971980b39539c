import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError, ShaperErrorCode } from "../errors.js";
import type { Limit } from "../limits.js";
import { entryOf } from "../names.js";
import type { Shaper } from "../shaper.js";
import { GuardLab } from "../testing/guard-lab.js";
import { needs } from "../testing/needs.js";
import { UplinkMaps } from "./maps.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const M = 1_000_000n;
const share = (limit: Partial<Limit> = {}): Limit => ({ bitsPerSecond: 100n * M, ...limit });

function uplinkTest(name: string, work: (shaper: Shaper, lab: GuardLab) => void): void {
  const run = () => {
    using lab = new GuardLab();
    lab.shaper((shaper) => work(shaper, lab), { guard: false });
  };
  test(name, run);
}

function refused(work: () => void, code: ShaperErrorCode, text: RegExp): void {
  try {
    work();
  } catch (error) {
    assert.is((error as ShaperError).code, code, (error as Error).stack);
    assert.match((error as Error).message, text);
    return;
  }
  assert.unreachable(`nothing was thrown where ${code} was expected`);
}

uplinkTest("an uplink is made, shared, changed live and removed", (shaper, lab) => {
  const pod = { ...lab.addPod("ipvlan l2"), uplink: "ens192" };
  refused(() => shaper.apply(pod, { egress: share() }), "UPLINK_MISSING", /no uplink "ens192"/);
  shaper.setUplink("ens192", { bitsPerSecond: 50n * M });
  shaper.apply(pod, { egress: share({ guaranteeBitsPerSecond: 20n * M, weight: 7 }) });
  assert.equal(shaper.inspect(pod.id).problems, []);
  assert.is(shaper.inspect(pod.id).attachment.uplink, "ens192");
  assert.equal(shaper.inspect(pod.id).limits.egress, share({ guaranteeBitsPerSecond: 20n * M, weight: 7 }));
  const listed = {
    name: "ens192",
    bitsPerSecond: 50n * M,
    attachments: [pod.id],
    guaranteedBitsPerSecond: { egress: 20n * M, ingress: 0n },
  };
  assert.equal(shaper.listUplinks(), [listed]);
  refused(() => shaper.removeUplink("ens192"), "UPLINK_IN_USE", /ens192 is shared by pod1\/eth0/);
  shaper.setUplink("ens192", { bitsPerSecond: 30n * M, ingressBitsPerSecond: 60n * M });
  assert.equal(shaper.listUplinks(), [{ ...listed, bitsPerSecond: 30n * M, ingressBitsPerSecond: 60n * M }]);
  assert.equal(shaper.inspect(pod.id).problems, []);
  // Without its uplink the attachment's limit alone counts.
  const { uplink: _, ...alone } = pod;
  shaper.apply(alone, { egress: share() });
  assert.is(shaper.inspect(pod.id).attachment.uplink, undefined);
  assert.equal(shaper.inspect(pod.id).problems, []);
  assert.ok(shaper.removeUplink("ens192"));
  assert.not.ok(shaper.removeUplink("ens192"));
  assert.equal(shaper.listUplinks(), []);
});

uplinkTest(
  "more than an uplink carries is never guaranteed, and the refusal says to whom what is",
  (shaper, lab) => {
    const [one, two] = [1, 2].map(() => ({ ...lab.addPod("ipvlan l2"), uplink: "ens192" }));
    shaper.setUplink("ens192", { bitsPerSecond: 50n * M });
    shaper.apply(one!, { egress: share({ guaranteeBitsPerSecond: 30n * M }) });
    refused(
      () => shaper.apply(two!, { egress: share({ guaranteeBitsPerSecond: 30n * M }) }),
      "OVERCOMMITTED",
      /would be 60000000 bit\/s, but it carries 50000000 \(pod2\/eth0 30000000, pod1\/eth0 30000000\)/,
    );
    assert.equal(shaper.listUplinks()[0]!.attachments, ["pod1/eth0"]);
    shaper.apply(two!, { egress: share({ guaranteeBitsPerSecond: 20n * M }) });
    // One's own guarantee counts once.
    shaper.apply(one!, { egress: share({ guaranteeBitsPerSecond: 25n * M }) });
    refused(() => shaper.setUplink("ens192", { bitsPerSecond: 40n * M }), "OVERCOMMITTED", /45000000 bit\/s/);
    shaper.remove(one!.id);
    shaper.setUplink("ens192", { bitsPerSecond: 40n * M });
  },
);

uplinkTest("what makes no sense is refused with the value", (shaper, lab) => {
  const pod = lab.addPod("ipvlan l2");
  shaper.setUplink("ens192", { bitsPerSecond: 50n * M });
  const apply = (limit: Partial<Limit>, uplink?: string) => () =>
    shaper.apply({ ...pod, ...(uplink === undefined ? {} : { uplink }) }, { egress: share(limit) });
  refused(apply({ weight: 5 }), "INVALID_LIMIT", /names no uplink/);
  refused(apply({ guaranteeBitsPerSecond: 5n }), "INVALID_LIMIT", /names no uplink/);
  refused(apply({ weight: 0 }, "ens192"), "INVALID_LIMIT", /weight of 0/);
  refused(apply({ weight: 1.5 }, "ens192"), "INVALID_LIMIT", /weight of 1.5/);
  refused(apply({ guaranteeBitsPerSecond: 200n * M }, "ens192"), "INVALID_LIMIT", /guarantee of 200000000/);
  refused(apply({}, "../attachments/x"), "INVALID_UPLINK", /no name of an uplink/);
  refused(() => shaper.setUplink("a/b", { bitsPerSecond: M }), "INVALID_UPLINK", /"a\/b"/);
  refused(() => shaper.setUplink("x", { bitsPerSecond: 1n }), "INVALID_UPLINK", /1 bit\/s/);
  const ingress = { ingress: share({ weight: 5 }) };
  refused(() => shaper.apply({ ...pod, uplink: "ens192" }, ingress), "INVALID_LIMIT", /receive/);
  assert.equal(shaper.list(), []);
});

uplinkTest(
  "what a crash or a hand left different is named, and the next apply puts it right",
  (shaper, lab) => {
    const pod = { ...lab.addPod("ipvlan l2"), uplink: "ens192" };
    const limits = { egress: share({ weight: 3 }) };
    shaper.setUplink("ens192", { bitsPerSecond: 50n * M });
    shaper.apply(pod, limits);
    const path = join(lab.options.stateDirectory, "uplinks/ens192.json");
    const record = readFileSync(path, "utf8");
    const codes = () => shaper.inspect(pod.id).problems.map(({ code }) => code);
    const { slot } = JSON.parse(record) as { slot: number };
    {
      using maps = new UplinkMaps(shaper.pinFolder);
      maps.setCapacity(entryOf(slot, "egress"), undefined);
    }
    assert.equal(codes(), ["UPLINK_DIFFERS"]);
    shaper.apply(pod, limits);
    assert.equal(codes(), []);
    writeFileSync(path, record.replace("50000000", "60000000"));
    assert.equal(codes(), ["UPLINK_DIFFERS"]);
    shaper.gc();
    assert.equal(codes(), []);
    rmSync(path);
    assert.ok(codes().includes("UPLINK_MISSING"));
    shaper.setUplink("ens192", { bitsPerSecond: 50n * M });
    shaper.apply(pod, limits);
    assert.equal(codes(), []);
    writeFileSync(path, "{");
    assert.equal(shaper.listUplinks(), []);
    shaper.setUplink("ens192", { bitsPerSecond: 50n * M });
    shaper.apply(pod, limits);
    assert.equal(codes(), []);
  },
);

uplinkTest("pins that were wiped come back with their uplinks", (shaper, lab) => {
  const pod = { ...lab.addPod("ipvlan l2"), uplink: "ens192" };
  const limits = { egress: share({ guaranteeBitsPerSecond: 20n * M }) };
  shaper.setUplink("ens192", { bitsPerSecond: 50n * M });
  shaper.apply(pod, limits);
  shaper.close();
  rmSync(shaper.pinFolder, { recursive: true });
  shaper.apply(pod, limits);
  assert.equal(shaper.inspect(pod.id).problems, []);
});

uvu.run();

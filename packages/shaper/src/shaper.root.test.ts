import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Rtnetlink } from "@weir/netlink";
import { FileLock } from "@weir/syscall";
import type { Callback } from "uvu";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import type { ShaperError, ShaperErrorCode } from "./errors.js";
import type { Limits } from "./limits.js";
import { Shaper } from "./shaper.js";
import { Lab } from "./testing/lab.js";
import { needs } from "./testing/needs.js";

const test = needs("sch_fq", "ifb", "ipvlan");
const ID = "0123456789ab/eth0";
const both: Limits = { egress: { bitsPerSecond: 100_000_000n }, ingress: { bitsPerSecond: 50_000_000n } };

/** A test with a pod on an ipvlan device of its own. */
function podTest(
  name: string,
  work: (lab: Lab, shaper: Shaper) => void,
  kind?: ConstructorParameters<typeof Lab>[0],
): void {
  const run: Callback = () => {
    using lab = new Lab(kind);
    using shaper = Shaper.open(lab.options);
    work(lab, shaper);
  };
  test(name, run);
}

const pod = (lab: Lab) => ({ id: ID, netns: lab.netns, device: "eth0" });

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

function tc(lab: Lab): Rtnetlink {
  return Rtnetlink.open({ netns: lab.netns });
}

podTest("a device is limited in both directions, is healthy, and is left as it was found", (lab, shaper) => {
  const before = lab.snapshot();
  shaper.apply(pod(lab), both);
  const inspection = shaper.inspect(ID);
  assert.equal(inspection.problems, []);
  assert.ok(inspection.healthy);
  assert.is(inspection.egress?.bitsPerSecond, 100_000_000n);
  assert.is(inspection.ingress?.bitsPerSecond, 50_000_000n);
  assert.equal(
    shaper.list().map(({ id, state }) => [id, state]),
    [[ID, "active"]],
  );
  assert.ok(shaper.remove(ID));
  assert.not.ok(shaper.remove(ID));
  assert.equal(lab.snapshot(), before);
  assert.equal(shaper.list(), []);
});

podTest("what the process may not do is taken back as any other failure", (lab, shaper) => {
  const attachment = { ...pod(lab), id: "crash/eth0" };
  const child = fileURLToPath(new URL("./testing/crash-child.js", import.meta.url));
  const withoutNetAdmin = ["--bounding-set=-net_admin", "--inh-caps=-net_admin", process.execPath, child];
  const { bpffs, stateDirectory } = lab.options;
  for (const limits of [{}, { egress: both.egress! }]) {
    // With the program pinned, the first thing that is refused is a qdisc or a device.
    shaper.apply(attachment, both);
    shaper.apply(attachment, limits);
    const [before, record] = [lab.snapshot(), shaper.list()];
    const args = [bpffs, stateDirectory, lab.netns, "apply", "0"];
    const { status, stderr } = spawnSync("setpriv", [...withoutNetAdmin, ...args], { encoding: "utf8" });
    assert.is(status, 1);
    assert.match(stderr, /EPERM/);
    assert.not.match(stderr, /taking back/);
    assert.equal([lab.snapshot(), shaper.list()], [before, record]);
    assert.equal(shaper.gc(), { removed: [], problems: [] });
  }
  assert.equal(shaper.inspect("crash/eth0").problems, []);
});

podTest("applying the same limits again changes nothing", (lab, shaper) => {
  shaper.apply(pod(lab), both);
  const [before, record] = [lab.snapshot(), shaper.list()];
  shaper.apply(pod(lab), both);
  assert.equal(lab.snapshot(), before);
  assert.equal(shaper.list(), record);
});

podTest("a limit changes in place: the qdiscs, filters and counters stay", (lab, shaper) => {
  // High enough for packets of any size.
  shaper.apply(pod(lab), { ...both, egress: { bitsPerSecond: 2_000_000_000n } });
  const before = lab.snapshot();
  shaper.apply(pod(lab), { ...both, egress: { bitsPerSecond: 1_000_000_000n } });
  assert.equal(lab.snapshot(), before);
  const { healthy, egress } = shaper.inspect(ID);
  assert.ok(healthy);
  assert.is(egress?.bitsPerSecond, 1_000_000_000n);
});

podTest("each direction can be limited alone, added and taken away", (lab, shaper) => {
  const before = lab.snapshot();
  shaper.apply(pod(lab), { ingress: { bitsPerSecond: 1_000_000n } });
  assert.is(shaper.inspect(ID).egress, undefined);
  using rt = tc(lab);
  const { index } = rt.links.get("eth0");
  assert.is(rt.qdiscs.find(index)?.kind, "noqueue");
  shaper.apply(pod(lab), both);
  assert.is(rt.qdiscs.find(index)?.kind, "fq");
  shaper.apply(pod(lab), { egress: { bitsPerSecond: 1_000_000n } });
  assert.equal(shaper.inspect(ID).problems, []);
  assert.not.ok([...rt.links.dump()].some(({ kind }) => kind === "ifb"));
  shaper.apply(pod(lab), {});
  assert.equal(shaper.list(), []);
  assert.equal(lab.snapshot(), before);
});

podTest("a qdisc that the operator had set is given back with its parameters", (lab, shaper) => {
  {
    using rt = tc(lab);
    const { index } = rt.links.get("eth0");
    const options = { limit: 1234, flowLimit: 56, maxRateBitsPerSecond: 9_000_000n } as const;
    rt.qdiscs.replace({ index, parent: "root", handle: "5:0", kind: "fq", options });
    rt.qdiscs.add({ index, kind: "clsact" });
  }
  const before = lab.snapshot();
  shaper.apply(pod(lab), both);
  assert.equal(shaper.inspect(ID).problems, []);
  shaper.remove(ID);
  assert.equal(lab.snapshot(), before);
});

podTest("a qdisc that could not be given back is left alone, and named", (lab, shaper) => {
  using rt = tc(lab);
  rt.qdiscs.replace({
    index: rt.links.get("eth0").index,
    parent: "root",
    handle: "1:0",
    kind: "prio",
    options: { bands: 3, priomap: [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] },
  });
  const before = lab.snapshot();
  refused(
    () => shaper.apply(pod(lab), both),
    "CONFLICT",
    /eth0 has a prio qdisc of its own at its root \(handle 1:\)/,
  );
  assert.equal(lab.snapshot(), before);
  assert.equal(shaper.list(), []);
});

podTest("an ingress qdisc in clsact's place is left alone, and named", (lab, shaper) => {
  using rt = tc(lab);
  rt.qdiscs.add({ index: rt.links.get("eth0").index, kind: "ingress" });
  const before = lab.snapshot();
  refused(() => shaper.apply(pod(lab), both), "CONFLICT", /ingress qdisc/);
  assert.equal(lab.snapshot(), before);
});

podTest(
  "what fails half way is taken back whole",
  (lab, shaper) => {
    const before = lab.snapshot();
    refused(() => shaper.apply(pod(lab), both), "NOT_SUPPORTED", /L3S mode/);
    assert.equal(lab.snapshot(), before);
    assert.equal(shaper.list(), []);
    shaper.apply(pod(lab), { egress: { bitsPerSecond: 1_000_000n } });
    const limited = lab.snapshot();
    refused(() => shaper.apply(pod(lab), both), "NOT_SUPPORTED", /L3S mode/);
    assert.equal(lab.snapshot(), limited);
    assert.equal(shaper.inspect(ID).problems, []);
    assert.is(shaper.inspect(ID).egress?.bitsPerSecond, 1_000_000n);
  },
  "ipvlan l3s",
);

podTest(
  "a veth device is limited like any other",
  (lab, shaper) => {
    const before = lab.snapshot();
    shaper.apply(pod(lab), both);
    assert.equal(shaper.inspect(ID).problems, []);
    shaper.remove(ID);
    assert.equal(lab.snapshot(), before);
  },
  "veth",
);

podTest("bad places are refused in a sentence, and leave nothing behind", (lab, shaper) => {
  const limits = { egress: { bitsPerSecond: 1_000_000n } };
  const nowhere = join(lab.folder, "nobody");
  refused(() => shaper.apply({ ...pod(lab), netns: nowhere }, limits), "NETNS_MISSING", /nobody/);
  refused(() => shaper.apply({ ...pod(lab), netns: "/etc/hostname" }, limits), "NETNS_MISSING", /hostname/);
  refused(() => shaper.apply({ ...pod(lab), device: "eth7" }, limits), "DEVICE_MISSING", /no device eth7/);
  refused(() => shaper.apply({ ...pod(lab), device: "a/b" }, limits), "INVALID_ATTACHMENT", /device name/);
  refused(() => shaper.apply({ ...pod(lab), id: "" }, limits), "INVALID_ATTACHMENT", /id/);
  refused(() => shaper.apply(pod(lab), { egress: { bitsPerSecond: 1n } }), "INVALID_LIMIT", /egress/);
  using rt = tc(lab);
  rt.links.set("eth0", { up: false });
  refused(() => shaper.apply(pod(lab), limits), "DEVICE_DOWN", /eth0 .* is down/);
  const elsewhere = Shaper.open({ ...lab.options, bpffs: lab.folder });
  rt.links.set("eth0", { up: true });
  refused(() => elsewhere.apply(pod(lab), limits), "NO_BPFFS", /no BPF filesystem/);
  assert.equal(shaper.list(), []);
  refused(() => shaper.inspect(ID), "NOT_FOUND", /0123456789ab/);
});

podTest("a pod that is gone is removed without complaint, and its entries are free again", (lab, shaper) => {
  shaper.apply(pod(lab), both);
  const { slot } = shaper.list()[0]!;
  lab.endPod();
  assert.is(shaper.inspect(ID).problems[0]?.code, "NETNS_MISSING");
  assert.ok(shaper.remove(ID));
  lab.makePod("ipvlan l2");
  shaper.apply(pod(lab), both);
  assert.is(shaper.list()[0]?.slot, slot);
});

podTest("a device that is gone takes its ifb with it on removal", (lab, shaper) => {
  shaper.apply(pod(lab), both);
  using rt = tc(lab);
  rt.links.remove("eth0");
  assert.is(shaper.inspect(ID).problems[0]?.code, "DEVICE_MISSING");
  assert.ok(shaper.remove(ID));
  assert.not.ok([...rt.links.dump()].some(({ kind }) => kind === "ifb"));
});

podTest("a namespace that was made anew at the same path is not taken for the old one", (lab, shaper) => {
  shaper.apply(pod(lab), both);
  using _old = tc(lab);
  lab.endPod();
  lab.makePod("ipvlan l2");
  const before = lab.snapshot();
  assert.is(shaper.inspect(ID).problems[0]?.code, "NETNS_MISSING");
  shaper.apply(pod(lab), both);
  assert.equal(shaper.inspect(ID).problems, []);
  shaper.remove(ID);
  assert.equal(lab.snapshot(), before);
});

podTest("a device that was renamed is still found", (lab, shaper) => {
  shaper.apply(pod(lab), both);
  using rt = tc(lab);
  rt.links.set("eth0", { up: false });
  rt.links.set("eth0", { name: "net1" });
  rt.links.set("net1", { up: true });
  assert.equal(shaper.inspect(ID).problems, []);
  assert.ok(shaper.remove(ID));
  assert.is(rt.qdiscs.find(rt.links.get("net1").index)?.kind, "noqueue");
});

const damages: [name: string, code: string, damage: (rt: Rtnetlink, index: number) => void][] = [
  ["the root qdisc", "FQ_MISSING", (rt, index) => rt.qdiscs.remove({ index, parent: "root" })],
  ["clsact with its filters", "FILTER_MISSING", (rt, index) => rt.qdiscs.remove({ index, parent: "clsact" })],
  ["the egress filter", "FILTER_MISSING", (rt, index) => rt.filters.remove({ index, parent: "egress" })],
  ["the redirection", "REDIRECT_MISSING", (rt, index) => rt.filters.remove({ index, parent: "ingress" })],
  ["the ifb", "IFB_MISSING", (rt, index) => rt.links.remove(`weir${index}`)],
  ["the ifb's state", "IFB_DOWN", (rt, index) => rt.links.set(`weir${index}`, { up: false })],
];
for (const [name, code, damage] of damages) {
  podTest(`damage inside the pod is named and put right by the next apply: ${name}`, (lab, shaper) => {
    shaper.apply(pod(lab), both);
    const healthy = lab.snapshot();
    using rt = tc(lab);
    damage(rt, rt.links.get("eth0").index);
    const { problems } = shaper.inspect(ID);
    assert.ok(
      problems.some((problem) => problem.code === code),
      JSON.stringify(problems),
    );
    shaper.apply(pod(lab), both);
    assert.equal(shaper.inspect(ID).problems, []);
    const order = (snapshot: unknown) => JSON.stringify(snapshot).length;
    assert.is(order(lab.snapshot()), order(healthy));
  });
}

podTest("a filter of another program that runs before weir's is reported, not removed", (lab, shaper) => {
  shaper.apply(pod(lab), { egress: { bitsPerSecond: 1_000_000n } });
  using rt = tc(lab);
  const { index } = rt.links.get("eth0");
  const [ours] = rt.filters.dump({ index, parent: "egress" });
  rt.filters.remove({ index, parent: "egress", priority: ours!.priority, handle: ours!.handle, kind: "bpf" });
  rt.filters.add({ index, parent: "egress", kind: "u32", priority: 1, protocol: "ip", options: {} });
  assert.ok(shaper.inspect(ID).problems.some(({ code }) => code === "FILTER_MISSING"));
  refused(() => shaper.apply(pod(lab), { egress: { bitsPerSecond: 2_000_000n } }), "CONFLICT", /u32 filter/);
});

podTest("pins that were wiped are made again, and running pods keep their limits", (lab, shaper) => {
  shaper.apply(pod(lab), both);
  shaper.close();
  using fresh = Shaper.open({ ...lab.options });
  for (const name of readdirSync(fresh.pinFolder)) unlink(join(fresh.pinFolder, name));
  assert.ok(fresh.inspect(ID).problems.some(({ code }) => code === "PINS_MISSING"));
  fresh.apply(pod(lab), both);
  assert.equal(fresh.inspect(ID).problems, []);
});

podTest("collection removes what belongs to nobody and keeps the rest", (lab, shaper) => {
  shaper.apply(pod(lab), both);
  const stays = { id: "stays/eth0", netns: lab.netns, device: "wire" };
  using rt = tc(lab);
  shaper.apply(stays, { egress: { bitsPerSecond: 1_000_000n } });
  writeFileSync(join(lab.options.stateDirectory, "attachments/damaged.json"), "{");
  writeFileSync(join(lab.options.stateDirectory, "attachments/x.json.tmp"), "{");
  const report = shaper.gc(new Set([stays.id]));
  assert.equal(report.problems, []);
  assert.is(report.removed.length, 3);
  assert.equal(
    shaper.list().map(({ id }) => id),
    [stays.id],
  );
  assert.equal(shaper.inspect(stays.id).problems, []);
  assert.is(rt.qdiscs.find(rt.links.get("eth0").index)?.kind, "noqueue");
  assert.equal(shaper.gc(new Set(), "another network").removed, []);
  rt.links.remove("wire");
  assert.equal(shaper.gc().removed, [stays.id]);
  assert.equal(shaper.gc(), { removed: [], problems: [] });
});

podTest("an operation waits for another's lock only as long as it was told", (lab) => {
  using impatient = Shaper.open({ ...lab.options, lockTimeoutMs: 0 });
  impatient.apply(pod(lab), both);
  using _held = FileLock.acquire(join(lab.options.stateDirectory, "lock"));
  refused(() => impatient.apply(pod(lab), {}), "BUSY", /another process/);
});

function unlink(path: string): void {
  rmSync(path, { recursive: true });
  assert.not.ok(existsSync(path));
}

uvu.run();

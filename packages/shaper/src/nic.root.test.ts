import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Link, Rtnetlink } from "@weir/netlink";
import { mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { ifbName } from "./names.js";
import { Shaper } from "./shaper.js";
import { creditOf, excess, type Look, sendFlows } from "./testing/iperf.js";

/** The addresses of the machine's network cards, two by two joined by a wire: test/vm's option --nic. */
const cards = process.env.WEIR_VM_NICS?.split(",");
if (!cards) console.log("skipped here: npm test runs it in a virtual machine with network cards");
const test = cards ? uvu : uvu.skip;

/** So low that a busy, emulated machine reaches it. */
const LIMIT = { bitsPerSecond: 5_000_000n };
const POD = "10.83.0.1";
const FAR = "10.83.0.2";
const FLOWS = { processes: 4, flowsEach: 4, seconds: 5 };

/** A pod that got a card of the machine's for its own, as by SR-IOV or the host-device plugin, wired to a far host. */
class CardLab implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-nic-"));
  readonly bpffs = join(this.folder, "bpf");
  readonly pod = join(this.folder, "pod");
  readonly far = join(this.folder, "far");
  readonly shaper: Shaper;

  constructor() {
    mkdirSync(this.bpffs);
    mountBpffs(this.bpffs);
    this.shaper = Shaper.open({ bpffs: this.bpffs, stateDirectory: join(this.folder, "run") });
    for (const [index, [netns, address]] of [
      [this.pod, POD],
      [this.far, FAR],
    ].entries() as Iterable<[number, [string, string]]>) {
      NetworkNamespace.create(netns).close();
      using host = Rtnetlink.open();
      host.links.set(cardOf(host, index)!.index, { netns });
      using rt = Rtnetlink.open({ netns });
      const { index: ifindex } = cardOf(rt, index)!;
      rt.links.set(ifindex, { name: "eth0" });
      rt.links.set(ifindex, { up: true });
      rt.addresses.add({ index: ifindex, address: `${address}/24` });
    }
  }

  get attachment() {
    return { id: "pod/eth0", netns: this.pod, device: "eth0" };
  }

  /** Works with a socket in the pod. */
  inPod<T>(work: (rt: Rtnetlink, link: Link) => T): T {
    using rt = Rtnetlink.open({ netns: this.pod });
    return work(rt, rt.links.get("eth0"));
  }

  /** All qdiscs of the pod's card. */
  qdiscs(): { kind: string; handle: number; parent: number; options: string; packets: number }[] {
    return this.inPod((rt, { index }) =>
      [...rt.qdiscs.dump({ index })]
        .map(({ kind, handle, parent, rawOptions, stats }) => ({
          kind,
          handle,
          parent,
          options: Buffer.from(rawOptions ?? []).toString("hex"),
          packets: Number(stats?.packets ?? 0),
        }))
        .sort((a, b) => a.parent - b.parent),
    );
  }

  /** What had come through at the pod's end or the far one, in looks while flows were sent there. */
  async send(direction: "egress" | "ingress"): Promise<Look[]> {
    const [from, to, address] =
      direction === "egress" ? [this.pod, this.far, FAR] : [this.far, this.pod, POD];
    const looks: Look[] = [];
    const look = () => {
      using rt = Rtnetlink.open({ netns: to });
      // What the pod receives has been held back only when it leaves the ifb device.
      const eth0 = rt.links.get("eth0");
      const { stats } = (to === this.pod && rt.links.find(ifbName(eth0.index))) || eth0;
      looks.push({ bytes: Number(stats?.rxBytes ?? 0n), seconds: Number(process.hrtime.bigint()) / 1e9 });
    };
    look();
    await sendFlows({ from, to, address, ...FLOWS }, look);
    return looks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shaper.close();
    for (const netns of [this.pod, this.far]) NetworkNamespace.remove(netns);
    unmount(this.bpffs);
    rmSync(this.folder, { recursive: true });
    // The cards go back to the machine when the kernel gets round to it.
    using host = Rtnetlink.open();
    for (let tries = 0; !(cardOf(host, 0) && cardOf(host, 1)); tries++) {
      assert.ok(tries < 200, "the cards did not come back");
      await sleep(50);
    }
  }
}

function cardOf(rt: Rtnetlink, number: number): Link | undefined {
  return [...rt.links.dump()].find(({ address }) => address === cards![number]);
}

const withoutPackets = (qdiscs: ReturnType<CardLab["qdiscs"]>) =>
  qdiscs.map(({ packets: _, ...qdisc }) => qdisc);

const mbit = (looks: readonly Look[]) => {
  const [first, last] = [looks[0]!, looks.at(-1)!];
  return ((last.bytes - first.bytes) * 8) / (last.seconds - first.seconds) / 1e6;
};

test("a card of several queues keeps to its limit both ways with 16 flows, and gets its mq back", async () => {
  await using lab = new CardLab();
  const before = lab.qdiscs();
  assert.equal([before.at(-1)?.kind, before.at(-1)?.handle], ["mq", 0]);
  assert.ok(before.length > 2, `${before.length - 1} queues`);
  const free = await lab.send("egress");
  const used = lab.qdiscs().filter(({ kind, packets }) => kind !== "mq" && packets > 0).length;
  console.log(
    `unlimited: ${mbit(free).toFixed(2)} Mbit/s through ${used} of ${before.length - 1} queues, each with ${before[0]!.kind}`,
  );
  assert.ok(used > 1, "the flows share one queue");
  assert.ok(excess(free, LIMIT.bitsPerSecond) > 1_000_000, "there is nothing to limit");

  lab.shaper.apply(lab.attachment, { egress: LIMIT, ingress: LIMIT });
  assert.equal(
    lab.qdiscs().flatMap(({ kind, parent }) => (kind === "clsact" ? [] : [[kind, parent]])),
    [["fq", 0xffff_ffff]],
  );
  assert.match(lab.shaper.inspect("pod/eth0").guard?.none ?? "", /hardware/);
  const credit = creditOf(LIMIT);
  for (const direction of ["egress", "ingress"] as const) {
    const looks = await lab.send(direction);
    const over = excess(looks, LIMIT.bitsPerSecond);
    console.log(
      `${direction}: ${mbit(looks).toFixed(2)} Mbit/s of 5, at most ${over.toFixed(0)} bytes ahead of it`,
    );
    assert.ok(over <= credit, `${over} bytes more than the limit, where its credit is ${credit}`);
    assert.ok(looks.at(-1)!.bytes - looks[0]!.bytes > 1_000_000, direction);
  }
  assert.equal(lab.shaper.inspect("pod/eth0").problems, []);
  lab.shaper.remove("pod/eth0");
  assert.equal(withoutPackets(lab.qdiscs()), withoutPackets(before));
});

test("qdiscs that somebody gave a card's queues come back", async () => {
  await using lab = new CardLab();
  lab.inPod((rt, { index }) => {
    rt.qdiscs.replace({ index, parent: "root", handle: 0x8001_0000, kind: "mq" });
    const queue = { index, parent: 0x8001_0002, handle: 0x20_0000 };
    rt.qdiscs.replace({ ...queue, kind: "fq", options: { flowLimit: 77 } });
  });
  const before = withoutPackets(lab.qdiscs());
  lab.shaper.apply(lab.attachment, { egress: LIMIT });
  assert.equal(lab.shaper.inspect("pod/eth0").problems, []);
  lab.shaper.apply(lab.attachment, { egress: { bitsPerSecond: 30_000_000n } });
  lab.shaper.remove("pod/eth0");
  assert.equal(withoutPackets(lab.qdiscs()), before);
});

uvu.run();

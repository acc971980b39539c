import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { gsoMaxSize } from "./gso.js";
import { Shaper } from "./shaper.js";
import { Lab } from "./testing/lab.js";
import { needs } from "./testing/needs.js";

const test = needs("sch_fq", "ipvlan");
const ID = "gso/eth0";
const SLOW = { bitsPerSecond: 20_000_000n };
const FASTER = { bitsPerSecond: 100_000_000n };
const FAST = { bitsPerSecond: 10_000_000_000n };
const CAP = gsoMaxSize(SLOW, 1500);

/** A pod's device, and a shaper for it. */
class GsoLab extends Lab {
  readonly shaper = Shaper.open(this.options);

  apply(egress: { bitsPerSecond: bigint }): void {
    this.shaper.apply({ id: ID, netns: this.netns, device: "eth0" }, { egress });
  }

  /** The device's sizes: for all, and for IPv4 where the kernel (6.3) has one of its own. */
  sizes(): (number | undefined)[] {
    using rt = Rtnetlink.open({ netns: this.netns });
    const { gsoMaxSize: all, attributes } = rt.links.get("eth0");
    return [all, attributes.gsoIpv4MaxSize];
  }

  set(sizes: { gsoMaxSize: number; gsoIpv4MaxSize?: number }): void {
    using rt = Rtnetlink.open({ netns: this.netns });
    rt.links.set("eth0", sizes);
  }

  problems(): string[] {
    return this.shaper.inspect(ID).problems.map(({ code }) => code);
  }

  override [Symbol.dispose](): void {
    this.shaper.close();
    super[Symbol.dispose]();
  }
}

const both = (size: number, like: readonly (number | undefined)[]) =>
  like.map((found) => (found === undefined ? undefined : Math.min(size, found)));

for (const kind of ["ipvlan l2", "veth"] as const) {
  test(`a limit on ${kind} makes its largest packets smaller, changes with it, and gives them back`, () => {
    using lab = new GsoLab(kind);
    const found = lab.sizes();
    lab.apply(SLOW);
    assert.equal(lab.sizes(), both(CAP, found));
    assert.equal(lab.shaper.inspect(ID).gso, { maxSize: CAP, foundMaxSize: found[0] });
    lab.apply(FASTER);
    assert.equal(lab.sizes(), both(gsoMaxSize(FASTER, 1500), found));
    lab.apply(FAST);
    assert.equal(lab.sizes(), found);
    assert.is(lab.shaper.inspect(ID).gso, undefined);
    lab.apply(SLOW);
    assert.equal(lab.problems(), []);
    lab.shaper.apply({ id: ID, netns: lab.netns, device: "eth0" }, { ingress: SLOW });
    assert.equal(lab.sizes(), found, "what a pod receives is not its stack's to build");
    lab.apply(SLOW);
    lab.shaper.remove(ID);
    assert.equal(lab.sizes(), found);
  });
}

test("sizes of the device's own come back, and are never exceeded", () => {
  using lab = new GsoLab();
  const ipv4 = lab.sizes()[1] === undefined ? {} : { gsoIpv4MaxSize: 3_000 };
  lab.set({ gsoMaxSize: 20_000, ...ipv4 });
  const found = lab.sizes();
  assert.equal(found, both(3_000, [20_000, found[1]]).with(0, 20_000));
  lab.apply(SLOW);
  assert.equal(lab.sizes(), both(CAP, found));
  lab.apply(FASTER);
  assert.equal(lab.sizes(), found);
  lab.apply(SLOW);
  lab.shaper.remove(ID);
  assert.equal(lab.sizes(), found);
});

test("somebody else's change is reported, and repaired by the next apply", () => {
  using lab = new GsoLab();
  const found = lab.sizes();
  lab.apply(SLOW);
  lab.set({ gsoMaxSize: 30_000 });
  const [problem] = lab.shaper.inspect(ID).problems;
  assert.is(problem?.code, "GSO_SIZE");
  assert.match(problem!.message, /gso_max_size of eth0 is 30000, not 4764/);
  lab.apply(SLOW);
  assert.equal(lab.problems(), []);
  assert.equal(lab.sizes(), both(CAP, found));
  lab.shaper.remove(ID);
  assert.equal(lab.sizes(), found);
});

test("an attachment that an earlier weir recorded gets its cap, by apply and by a finished change", () => {
  using lab = new GsoLab();
  const found = lab.sizes();
  const file = join(lab.options.stateDirectory, "attachments", `${encodeURIComponent(ID)}.json`);
  for (const state of ["active", "changing"]) {
    lab.apply(SLOW);
    const { gso: _, ...record } = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...record, state }));
    lab.set({ gsoMaxSize: found[0]! });
    if (state === "active") {
      assert.equal(lab.problems(), []);
      lab.apply(SLOW);
    } else {
      lab.shaper.gc();
    }
    assert.equal(lab.sizes(), both(CAP, found), state);
    assert.equal(lab.problems(), []);
    lab.shaper.remove(ID);
    assert.equal(lab.sizes(), found, state);
  }
});

test("a change that fails leaves the size as it was", () => {
  using lab = new GsoLab();
  lab.apply(SLOW);
  const capped = lab.sizes();
  const taken = Rtnetlink.open({ netns: lab.netns });
  // The redirection of an ingress limit needs a name that is taken.
  taken.links.add({ name: `weir${taken.links.get("eth0").index}`, kind: "dummy" });
  taken.close();
  const attachment = { id: ID, netns: lab.netns, device: "eth0" };
  for (const egress of [FAST, FASTER]) {
    assert.throws(() => lab.shaper.apply(attachment, { egress, ingress: SLOW }), /taken by another device/);
    assert.equal(lab.sizes(), capped);
    assert.equal(lab.problems(), []);
  }
});

uvu.run();

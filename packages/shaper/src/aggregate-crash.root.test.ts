import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "@weir/bpf-loader";
import { Rtnetlink } from "@weir/netlink";
import { test as uvu } from "uvu";
import * as assert from "uvu/assert";
import { Datapath } from "./datapath.js";
import { Shaper } from "./shaper.js";
import { aggregateOperations, pair, shareLimit } from "./testing/aggregate-operations.js";
import { dies } from "./testing/dies.js";
import { Lab } from "./testing/lab.js";
import { needs } from "./testing/needs.js";

const test = needs("sch_fq", "ifb", "ipvlan");
/** More than any operation takes; each test ends at the first number that the operation survives. */
const MOST_STEPS = 80;

function healthy(shaper: Shaper, what: string): void {
  for (const { id } of shaper.list()) {
    assert.equal(
      shaper.inspect(id).problems.map(({ message }) => message),
      [],
      `${what}: ${id}`,
    );
  }
}

/** What is left in the maps and on disk. */
function left(lab: Lab, shaper: Shaper): unknown {
  using datapath = Datapath.open(shaper.pinFolder)!;
  using subnets = BpfMap.open(join(shaper.pinFolder, "subnets"));
  const markers = join(lab.options.stateDirectory, "aggregates");
  return {
    links: lab.snapshot(),
    entries: datapath.takenEntries(),
    subnets: [...subnets.raw.keys()].length,
    aggregates: existsSync(markers) ? readdirSync(markers) : [],
    records: shaper.list(),
  };
}

for (const { name, run } of aggregateOperations) {
  test(`whatever step of ${name} a process is killed at, the next operation puts it right for all`, () => {
    using lab = new Lab();
    {
      using rt = Rtnetlink.open({ netns: lab.netns });
      rt.links.add({ name: "net1", kind: "ipvlan", link: rt.links.get("wire").index, data: { mode: "l2" } });
      rt.links.set("net1", { up: true });
    }
    using shaper = Shaper.open(lab.options);
    shareLimit(shaper, lab.netns);
    for (const id of pair) shaper.remove(id);
    const pristine = left(lab, shaper);
    /** Each step meets one of these, in turn. */
    const whatComesNext = [
      function theSameAgain() {
        run(shaper, lab.netns);
        healthy(shaper, "done again");
      },
      function theOldLimitAgain() {
        shareLimit(shaper, lab.netns);
        assert.is(shaper.inspect(pair[1]!).egress?.bitsPerSecond, 5_000_000n);
        healthy(shaper, "the old limit again");
      },
      function aCollection() {
        assert.equal(shaper.gc().problems, []);
        healthy(shaper, "a collection");
      },
      function aRemoval() {
        shaper.remove(pair[0]!);
        healthy(shaper, "a removal");
      },
    ];
    for (let step = 1; ; step++) {
      assert.ok(step < MOST_STEPS, "the operation never ended");
      shareLimit(shaper, lab.netns);
      const died = dies(step, () => {
        using dying = Shaper.open(lab.options);
        run(dying, lab.netns);
      });
      const next = whatComesNext[step % whatComesNext.length]!;
      try {
        next();
        for (const id of pair) shaper.remove(id);
        shaper.gc();
        assert.equal(left(lab, shaper), pristine);
      } catch (error) {
        (error as Error).message = `step ${step}, ${next.name}: ${(error as Error).message}`;
        throw error;
      }
      if (!died) {
        assert.ok(step > 3, "no step was counted");
        return;
      }
    }
  });
}

uvu.run();

import { test } from "uvu";
import * as assert from "uvu/assert";
import { estimate, MAIN_RATE, peerNames, plan, testName } from "./plan.js";

const everything = { peers: peerNames, flows: [1, 8, 16, 64], quick: false };

test("all peers that shape egress meet all loads at the main rate, with and without ECN", () => {
  const stages = plan({ ...everything, rates: [MAIN_RATE] });
  const shaping = ["weir", "fq_codel", "cake", "edt", "tbf", "htb", "bandwidth"];
  const names = stages.map(({ test: each }) => testName(each));
  assert.is(new Set(names).size, names.length);
  for (const wanted of [1, 8, 16, 64].flatMap((n) => [
    `${n} TCP flow`,
    `${n} TCP flow${n > 1 ? "s" : ""}, ECN`,
  ]))
    assert.ok(
      names.some((name) => name.startsWith(wanted)),
      wanted,
    );
  for (const { test: each, peers } of stages)
    if (each.direction === "egress" && each.flows !== 1) assert.equal(peers, shaping, testName(each));
});

test("ingress is measured of those that limit it", () => {
  const stages = plan({ ...everything, rates: [MAIN_RATE] });
  const ingress = stages.filter(({ test: each }) => each.direction === "ingress");
  assert.ok(ingress.length >= 3);
  for (const { peers } of ingress) assert.equal(peers, ["weir", "bandwidth", "police"]);
});

test("a choice of peers leaves no load without any", () => {
  const stages = plan({ ...everything, peers: ["cake"], rates: [MAIN_RATE, 10_000_000] });
  assert.ok(stages.length > 0);
  for (const { peers } of stages) assert.equal(peers, ["cake"]);
});

test("the estimate grows with what is measured", () => {
  const quick = plan({ ...everything, rates: [MAIN_RATE], flows: [1, 16, 64], quick: true });
  const whole = plan({ ...everything, rates: [MAIN_RATE] });
  assert.ok(estimate(quick) < estimate(whole) / 2);
});

test.run();

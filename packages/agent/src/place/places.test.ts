import type { AttachmentRecord, Limits } from "@weir/shaper";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { podOf } from "../pods/pod.js";
import { wantedOf } from "../pods/wanted.js";
import { testPlanner } from "../testing/planner.js";
import type { CachedInterface } from "./cni-cache.js";
import { isAsPlanned, placesOf, targetOf } from "./places.js";

const egress = "kubernetes.io/egress-bandwidth";
const pod = (annotations: object = {}) =>
  podOf({ metadata: { namespace: "web", name: "shop-0", uid: "7d3c", annotations } })!;
const identity = { namespace: "web", name: "shop-0", uid: "7d3c" };
const record = (limits: Limits, more: Partial<AttachmentRecord> = {}): AttachmentRecord => ({
  id: "ab12/eth0",
  netns: "/var/run/netns/a",
  device: "eth0",
  ifindex: 2,
  namespace: "4:1",
  slot: 1,
  limits,
  state: "active",
  found: { clsact: false },
  createdAtMs: 0,
  pod: identity,
  ...more,
});
const cached = (entry?: object, more: Partial<CachedInterface> = {}): CachedInterface => ({
  file: "/f",
  containerId: "ab12",
  ifname: "eth0",
  netns: "/run/netns/a",
  pod: identity,
  network: "pods",
  cniVersion: "1.0.0",
  result: {},
  ...(entry ? { entry: entry as { [name: string]: unknown } } : {}),
  ...more,
});
const weir = { type: "weir", capabilities: { bandwidth: true } };
const none = { defaults: {}, maximum: {} };
const target = (annotations: object, of: { record?: AttachmentRecord; cached?: CachedInterface }) => {
  const it = pod(annotations);
  return targetOf({ id: "ab12/eth0", ifname: "eth0", ...of }, it, wantedOf(it, none), testPlanner);
};

test("a pod's places are its records and libcni's files, each interface once", () => {
  const places = placesOf(
    pod(),
    [record({}), record({}, { id: "old/eth0", pod: { ...identity, uid: "earlier" } })],
    [
      cached(weir),
      cached(weir, { ifname: "net1" }),
      cached(weir, { containerId: "cd34", pod: { namespace: "web", name: "other" } }),
    ],
  );
  assert.equal(
    places.map(({ id, record, cached }) => [id, Boolean(record), Boolean(cached)]),
    [
      ["ab12/eth0", true, true],
      ["ab12/net1", false, true],
    ],
  );
});

test("of two files of one interface the one that names weir counts: Multus has one of its own", () => {
  for (const cache of [
    [cached(), cached(weir)],
    [cached(weir), cached()],
  ]) {
    assert.ok(placesOf(pod(), [], cache)[0]?.cached?.entry);
  }
});

test("a record that does not say whose it is belongs to the pod that libcni names", () => {
  const { pod: _, ...nameless } = record({});
  assert.is(placesOf(pod(), [nameless], [cached(weir)]).length, 1);
  assert.is(placesOf(pod(), [nameless], []).length, 0);
});

test("a changed annotation changes the rate and keeps how the network shapes", () => {
  const it = target({ [egress]: "2M" }, { cached: cached({ ...weir, markMs: 3 }) });
  assert.equal(typeof it === "object" && it.plan.limits, {
    egress: { bitsPerSecond: 2_000_000n, markMs: 3 },
  });
  const from = target(
    { [egress]: "2M" },
    { record: record({ ingress: { bitsPerSecond: 1_000_000n, horizonMs: 50, weight: 3 } }) },
  );
  assert.equal(typeof from === "object" && from.plan.limits, {
    egress: { bitsPerSecond: 2_000_000n, horizonMs: 50 },
  });
});

test("an annotation that is removed lifts the limit, of the network's own rates never", () => {
  const limited = record({ egress: { bitsPerSecond: 1_000_000n } });
  assert.is(target({}, { record: limited }), "unshaped");
  assert.is(target({}, { record: limited, cached: cached(weir) }), "unshaped");
  assert.is(target({}, { record: { ...limited, fixed: true } }), "untouched");
  const own = target(
    { [egress]: "5M" },
    { record: limited, cached: cached({ ...weir, egressRate: 1_000_000 }) },
  );
  assert.equal(typeof own === "object" && own.plan.limits.egress?.bitsPerSecond, 1_000_000n);
});

test("a network without weir in its chain, or that does not ask for rates, is left alone", () => {
  assert.is(target({ [egress]: "5M" }, { cached: cached() }), "untouched");
  assert.is(target({ [egress]: "5M" }, { cached: cached({ type: "weir" }) }), "untouched");
});

test("a wrong annotation keeps the limit that is in force", () => {
  const it = target({ [egress]: "1X" }, { record: record({ egress: { bitsPerSecond: 7_000_000n } }) });
  assert.is(typeof it === "object" && it.plan.limits.egress?.bitsPerSecond, 7_000_000n);
});

test("what is as it should be is not applied again, whichever way /run is written", () => {
  const limited = record({ egress: { bitsPerSecond: 1_000_000n, burstBits: 5n } });
  const it = target({ [egress]: "1M" }, { record: limited, cached: cached(weir) });
  assert.ok(typeof it === "object" && isAsPlanned(limited, it.plan));
  assert.not(typeof it === "object" && isAsPlanned({ ...limited, state: "changing" }, it.plan));
  const other = target({ [egress]: "2M" }, { record: limited, cached: cached(weir) });
  assert.not(typeof other === "object" && isAsPlanned(limited, other.plan));
});

test.run();

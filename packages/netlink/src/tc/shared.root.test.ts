import { execFileSync } from "node:child_process";
import type { NetworkNamespace } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Rtnetlink } from "../rtnetlink/rtnetlink.js";
import { inNamespace, needs } from "../testing/needs.js";
import { gact } from "./action.js";
import { police, policeSettings } from "./actions/police.js";
import { isFilterKind } from "./filter.js";

type Json = Record<string, unknown>;

const tc = (namespace: NetworkNamespace, args: string): Json[] => {
  const text = namespace.run(() =>
    execFileSync("tc", ["-s", "-d", "-j", ...args.split(" ")], { encoding: "utf8", stdio: "pipe" }),
  );
  return JSON.parse(text) as Json[];
};

/** The index of a veth device, up. */
function device(rt: Rtnetlink, name = "v0"): number {
  rt.links.add({ name, kind: "veth", up: true, data: { peer: { name: `${name}-peer` } } });
  return rt.links.get(name).index;
}

const index = (action: { options?: unknown } | undefined) =>
  (action?.options as { parms?: { index?: number } } | undefined)?.parms?.index;
const verdict = (action: { options?: unknown } | undefined) =>
  (action?.options as { parms?: { action?: unknown } } | undefined)?.parms?.action;

needs("act_gact", "act_police")("actions are made, read, changed and removed on their own", () => {
  inNamespace((rt, namespace) => {
    const made = rt.actions.add(gact("shot", { index: 7 }), gact("ok"));
    assert.equal(made.map(index), [7, 1]);
    assert.throws(() => rt.actions.add(gact("ok", { index: 7 })), /EEXIST/);
    assert.is(verdict(rt.actions.get({ kind: "gact", index: 7 })), "shot");
    assert.is(rt.actions.find({ kind: "gact", index: 99 }), undefined);
    assert.equal(rt.actions.replace(gact("pipe", { index: 7 })).map(verdict), ["pipe"]);
    // tc prints the number of actions first.
    const [, listed] = tc(namespace, "actions list action gact") as [Json, { actions: Json[] }];
    assert.equal(
      listed.actions.map((one) => [one.index, (one.control_action as Json).type]),
      [...rt.actions.dump({ kind: "gact" })].map((one) => [
        index(one),
        { ok: "pass", pipe: "pipe" }[String(verdict(one))],
      ]),
    );
    rt.actions.remove({ kind: "gact", index: 1 });
    assert.is(rt.actions.removeIfPresent({ kind: "gact", index: 1 }), false);
    const fast = police({ rateBitsPerSecond: 50_000_000_000n, burstBytes: 4 << 20, index: 3 });
    const [policer] = rt.actions.add(fast);
    assert.is(policeSettings(policer!)?.rateBitsPerSecond, 50_000_000_000n);
    assert.is(policeSettings(policer!)?.index, 3);
  });
});

needs("act_gact")("a kind's actions are all read, however many there are, and all removed", () => {
  inNamespace((rt) => {
    const actions = (from: number) => Array.from({ length: 32 }, (_, at) => gact("ok", { index: from + at }));
    for (let from = 1; from < 320; from += 32) rt.actions.add(...actions(from));
    assert.equal(
      [...rt.actions.dump({ kind: "gact" })].map(index),
      Array.from({ length: 320 }, (_, at) => at + 1),
    );
    assert.is(rt.actions.flush({ kind: "gact" }), undefined);
    assert.equal([...rt.actions.dump({ kind: "gact" })], []);
  });
});

needs(
  "sch_clsact",
  "cls_matchall",
  "cls_flower",
  "act_gact",
)("devices share a block's filters, which share an action", () => {
  inNamespace((rt, namespace) => {
    const block = 22;
    for (const name of ["v0", "w0"])
      rt.qdiscs.add({ index: device(rt, name), kind: "clsact", ingressBlock: block });
    rt.actions.add(gact("pipe", { index: 7 }));
    const actions = [gact("pipe", { index: 7 })];
    const all = rt.filters.add({ block, kind: "matchall", options: { actions } });
    assert.is(all.block, block);
    assert.ok(isFilterKind(all, "matchall") && all.handle > 0);
    const options = { ipv4Source: "10.0.0.0/8", actions };
    rt.filters.add({ block, priority: 5, protocol: "ip", kind: "flower", options });
    const theirs = tc(namespace, `filter show block ${block}`).filter((one) => one.options);
    const ours = [...rt.filters.dump({ block })];
    assert.equal(
      ours.map(({ kind, priority }) => [kind, priority]),
      theirs.map(({ kind, pref }) => [kind, pref]),
    );
    assert.equal(
      ours.map((one) => index((one.options as { actions: { options?: unknown }[] }).actions[0])),
      [7, 7],
    );
    // One of the filters' own, and the one that was made.
    const parms = (rt.actions.get({ kind: "gact", index: 7 }).options as { parms?: Json }).parms;
    assert.is(parms?.bindings, 2);
    assert.throws(() => rt.actions.remove({ kind: "gact", index: 7 }), /EPERM/);
    rt.chains.add({ block, chain: 9 });
    assert.equal(
      [...rt.chains.dump({ block })].map(({ chain, block: of }) => [chain, of]),
      [
        [0, block],
        [9, block],
      ],
    );
    rt.filters.remove({ block, priority: 5, protocol: "ip", kind: "flower" });
    assert.is([...rt.filters.dump({ block })].length, 1);
    // A block shows at each of its devices.
    const [seen] = rt.filters.dump({ index: rt.links.get("w0").index, parent: "ingress" });
    assert.is(seen?.block, block);
  });
});

needs("sch_tbf")("qdiscs reckon sizes by a table, as tc(8) makes and reads it", () => {
  for (const [text, sizeTable] of [
    ["overhead -4 linklayer atm mpu 64", { overheadBytes: -4, linkLayer: "atm", mpuBytes: 64 }],
    [
      "mtu 9000 tsize 128 linklayer ethernet mpu 84",
      { mtuBytes: 9000, tableSize: 128, linkLayer: "ethernet", mpuBytes: 84 },
    ],
    ["overhead 24 linklayer ethernet", { overheadBytes: 24, linkLayer: "ethernet" }],
  ] as const) {
    const read = (make: (rt: Rtnetlink, namespace: NetworkNamespace, at: number) => void) =>
      inNamespace((rt, namespace) => {
        const at = device(rt);
        make(rt, namespace, at);
        const [{ stab }] = tc(namespace, "qdisc show dev v0 root") as [{ stab: Json }];
        const table = rt.qdiscs.find(at)?.sizeTable;
        assert.equal(
          {
            linklayer: table?.linkLayer,
            overhead: table?.overheadBytes,
            mpu: table?.mpuBytes,
            mtu: table?.mtuBytes,
            tsize: table?.tableSize,
          },
          { overhead: 0, mpu: 0, mtu: 0, tsize: 0, ...stab },
        );
        return stab;
      });
    const byTc = read((_rt, namespace) => {
      const command = `qdisc add dev v0 root stab ${text} tbf rate 1mbit burst 5000 limit 10000`;
      namespace.run(() => execFileSync("tc", command.split(" "), { stdio: "pipe" }));
    });
    const byUs = read((rt, _namespace, at) =>
      rt.qdiscs.add({
        index: at,
        kind: "tbf",
        sizeTable,
        options: { rateBitsPerSecond: 1_000_000, burstBytes: 5000, limitBytes: 10_000 },
      }),
    );
    assert.equal(byUs, byTc, text);
  }
});

needs("sch_htb", "sch_fq_codel")("qdiscs and classes have their rates estimated", () => {
  inNamespace((rt) => {
    const at = device(rt);
    rt.qdiscs.add({ index: at, kind: "htb", handle: "1:", estimator: { intervalMs: 250, averageMs: 1000 } });
    const options = { rateBitsPerSecond: 40_000_000_000n, burstBytes: 4 << 20 };
    const estimator = { intervalMs: 500, averageMs: 8000 } as const;
    rt.classes.add({ index: at, kind: "htb", parent: "1:", handle: "1:5", options, estimator });
    assert.equal(rt.qdiscs.find(at)?.stats?.estimate, { bitsPerSecond: 0n, packetsPerSecond: 0n });
    const [one] = rt.classes.dump({ index: at });
    assert.equal(one?.stats?.estimate, { bitsPerSecond: 0n, packetsPerSecond: 0n });
    assert.is(one?.options?.rateBitsPerSecond, 40_000_000_000n);
    const wrong = { intervalMs: 300, averageMs: 8000 } as never;
    assert.throws(() => rt.qdiscs.add({ index: at, kind: "fq_codel", estimator: wrong }), /none of 250/);
  });
});

test.run();

import { execFileSync } from "node:child_process";
import { type NetworkNamespace, Socket } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NetlinkError } from "../netlink-error.js";
import type { Rtnetlink } from "../rtnetlink/rtnetlink.js";
import { loadPassProgram } from "../testing/bpf-program.js";
import { inNamespace, needs } from "../testing/needs.js";
import { gact, mirred } from "./action.js";
import { isClassKind, type TrafficClass } from "./classes.js";
import { isFilterKind } from "./filter.js";
import { isQdiscKind } from "./qdisc.js";

/** Runs tc(8) in a namespace. */
function runTc(namespace: NetworkNamespace, ...args: string[]): string {
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", "pipe", "pipe", namespace.fd.number];
  return execFileSync("nsenter", ["--net=/proc/self/fd/3", "tc", ...args], { encoding: "utf8", stdio });
}

/** What tc(8) says, run in a namespace. */
function tc(namespace: NetworkNamespace, ...args: string[]): Record<string, unknown>[] {
  return JSON.parse(runTc(namespace, "-s", "-j", ...args));
}

/** Without the counters. */
function settings(qdiscs: Record<string, unknown>[]): unknown[] {
  return qdiscs.map(({ kind, handle, root, options }) => ({ kind, handle, root, options }));
}

function code(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    assert.instance(error, NetlinkError);
    return (error as NetlinkError).code;
  }
}

/** The index of a veth device, up. */
function device(rt: Rtnetlink, numTxQueues = 1): number {
  rt.links.add({ name: "v0", kind: "veth", up: true, numTxQueues, data: { peer: { name: "v1" } } });
  rt.links.set("v1", { up: true });
  return rt.links.get("v0").index;
}

const root = needs("veth");

root("the qdiscs that a device comes with are read back: noqueue, and for several queues too", () => {
  inNamespace((rt) => {
    const index = device(rt, 4);
    const qdisc = rt.qdiscs.find(index);
    assert.is(qdisc?.kind, "noqueue");
    assert.is(qdisc?.handle, 0);
    assert.is(qdisc?.parent, 0xffff_ffff);
    assert.is([...rt.qdiscs.dump({ index: 4711 })].length, 0);
    rt.qdiscs.replace({ index, kind: "mq", parent: "root", handle: "8:" });
    const queues = [...rt.qdiscs.dump({ index })];
    assert.is(queues[0]?.kind, "mq");
    assert.is(queues.length, 5, "mq and a qdisc for each of its queues");
    assert.is(rt.qdiscs.find(index, "8:2")?.parent, 0x80002);
  });
});

needs("sch_clsact")("clsact is made once, found and removed", () => {
  inNamespace((rt, namespace) => {
    const index = device(rt);
    assert.is(rt.qdiscs.find(index, "clsact"), undefined);
    rt.qdiscs.add({ index, kind: "clsact" });
    assert.is(
      code(() => rt.qdiscs.add({ index, kind: "clsact" })),
      "EEXIST",
    );
    rt.qdiscs.replace({ index, kind: "clsact" });
    assert.is(rt.qdiscs.find(index, "clsact")?.kind, "clsact");
    assert.ok(tc(namespace, "qdisc", "show", "dev", "v0").some(({ kind }) => kind === "clsact"));
    assert.is(rt.qdiscs.removeIfPresent({ index, parent: "clsact" }), true);
    assert.is(rt.qdiscs.removeIfPresent({ index, parent: "clsact" }), false);
    rt.qdiscs.add({ index, kind: "ingress" });
    assert.is(rt.qdiscs.find(index, "ingress")?.kind, "ingress");
  });
});

needs("sch_tbf")(
  "vishvananda/netlink #560, #561, #579, #890: tbf has the rate and burst that it was given, also above 4 GB/s, as tc(8) reads them",
  () => {
    inNamespace((rt, namespace) => {
      const index = device(rt);
      for (const [bits, burstBytes] of [
        [100_000_000n, 32_000],
        [50_000_000_000n, 3_125_000],
      ] as const) {
        rt.qdiscs.replace({
          index,
          kind: "tbf",
          parent: "root",
          handle: "1:",
          options: { rateBitsPerSecond: bits, burstBytes, latencyUs: 25_000 },
        });
        const qdisc = rt.qdiscs.find(index);
        assert.ok(qdisc && isQdiscKind(qdisc, "tbf"));
        if (!qdisc || !isQdiscKind(qdisc, "tbf")) continue;
        assert.is(qdisc.options?.rateBitsPerSecond, bits);
        // The kernel keeps the burst as a time, in ticks of 64 ns.
        const tickBytes = Math.ceil((Number(bits / 8n) * 64) / 1e9);
        assert.ok(Math.abs((qdisc.options?.burstBytes ?? 0) - burstBytes) <= tickBytes);
        assert.is(qdisc.options?.limitBytes, Number(bits / 8n / 40n) + burstBytes);
        const [theirs] = tc(namespace, "qdisc", "show", "dev", "v0");
        assert.is(BigInt((theirs!.options as { rate: number }).rate) * 8n, bits);
      }
      rt.qdiscs.remove({ index, parent: "root" });
      assert.is(rt.qdiscs.find(index)?.kind, "noqueue");
      assert.is(rt.qdiscs.removeIfPresent({ index, parent: "root" }), false);
    });
  },
);

needs("sch_htb")(
  "vishvananda/netlink #560, #890: htb has its classes, rates and bursts, as tc(8) reads them",
  () => {
    inNamespace((rt, namespace) => {
      const index = device(rt);
      rt.qdiscs.replace({
        index,
        kind: "htb",
        handle: "1:",
        options: { defaultClass: 0x10, rateToQuantum: 20 },
      });
      const qdisc = rt.qdiscs.find(index);
      assert.ok(qdisc && isQdiscKind(qdisc, "htb") && qdisc.options?.defaultClass === 0x10);
      const rate = { rateBitsPerSecond: 80_000_000n };
      rt.classes.add({ index, kind: "htb", parent: "1:", handle: "1:1", options: rate });
      rt.classes.add({
        index,
        kind: "htb",
        parent: "1:1",
        handle: "1:10",
        options: {
          rateBitsPerSecond: 8_000_000n,
          ceilBitsPerSecond: 40_000_000_000n,
          burstBytes: 20_000,
          priority: 3,
        },
      });
      assert.is(
        code(() => rt.classes.add({ index, kind: "htb", parent: "1:", handle: "1:10", options: rate })),
        "EEXIST",
      );
      const classes = new Map([...rt.classes.dump({ index })].map((one) => [one.handle, one]));
      assert.is(classes.size, 2);
      const leaf = classes.get(0x10010);
      assert.is(leaf?.parent, 0x10001);
      assert.is(leaf?.options?.rateBitsPerSecond, 8_000_000n);
      assert.is(leaf?.options?.ceilBitsPerSecond, 40_000_000_000n);
      assert.is(leaf?.options?.burstBytes, 20_000);
      assert.is(leaf?.options?.priority, 3);
      // What the device says of itself to its neighbours passes through it.
      assert.is(typeof leaf?.stats?.packets, "bigint");
      assert.ok(leaf && isClassKind(leaf, "htb"));
      assert.type((leaf as TrafficClass<"htb">).xstats?.lends, "number");
      // tc has no JSON for classes before iproute2 6.2.
      const theirs = runTc(namespace, "class", "show", "dev", "v0", "classid", "1:10");
      assert.match(theirs, "prio 3 rate 8Mbit ceil 40Gbit burst 20000b");
      assert.is(
        code(() => rt.classes.remove({ index, handle: "1:1" })),
        "EBUSY",
      );
      rt.classes.replace({
        index,
        kind: "htb",
        parent: "1:1",
        handle: "1:10",
        options: { rateBitsPerSecond: 4_000_000n },
      });
      rt.classes.remove({ index, handle: "1:10" });
      rt.classes.remove({ index, handle: "1:1" });
      assert.is([...rt.classes.dump({ index })].length, 0);
    });
  },
);

needs("sch_fq", "ifb")("fq has every parameter that it was given, as tc(8) reads them", () => {
  inNamespace((rt, namespace) => {
    rt.links.add({ name: "f0", kind: "ifb", up: true });
    const { index } = rt.links.get("f0");
    const options = {
      limit: 20_000,
      flowLimit: 200,
      quantumBytes: 3000,
      initialQuantumBytes: 15_000,
      maxRateBitsPerSecond: 1_000_000_000n,
      bucketsLog: 8,
      pacing: true,
      flowRefillDelayUs: 40_000 /* the kernel keeps jiffies */,
      orphanMask: 255,
      lowRateThresholdBitsPerSecond: 800_000n,
      ceThresholdUs: 4000,
      timerSlackNs: 5000,
      horizonUs: 3_000_000,
      horizonDrop: false,
    };
    rt.qdiscs.replace({ index, kind: "fq", parent: "root", handle: "1:", options });
    const qdisc = rt.qdiscs.find(index);
    assert.ok(qdisc && isQdiscKind(qdisc, "fq"));
    if (!qdisc || !isQdiscKind(qdisc, "fq")) return;
    const { priomap: _priomap, weights: _weights, offloadHorizonUs: _offload, ...read } = qdisc.options ?? {};
    assert.equal(read, { ...options });
    assert.is(qdisc.options?.unknown, undefined);
    assert.is(qdisc.xstats?.throttledFlows, 0);
    const theirs = tc(namespace, "qdisc", "show", "dev", "f0")[0]?.options as Record<string, number>;
    assert.is(theirs.limit, options.limit);
    assert.is(theirs.flow_limit, options.flowLimit);
    assert.is(BigInt(theirs.maxrate as number) * 8n, options.maxRateBitsPerSecond);
    assert.is(theirs.horizon, options.horizonUs);
    assert.is(theirs.ce_threshold, options.ceThresholdUs);
    rt.qdiscs.change({
      index,
      kind: "fq",
      options: { maxRateBitsPerSecond: "unlimited", horizonDrop: true },
    });
    const changed = rt.qdiscs.find(index);
    if (changed && isQdiscKind(changed, "fq")) {
      assert.is(changed.options?.maxRateBitsPerSecond, "unlimited");
      assert.is(changed.options?.horizonDrop, true);
      assert.is(changed.options?.limit, 20_000, "what was not named stays");
    }
  });
});

needs(
  "sch_fq",
  "sch_sfq",
  "sch_prio",
  "ifb",
)("a qdisc that was replaced is put back from its raw parameters", () => {
  inNamespace((rt, namespace) => {
    rt.links.add({ name: "f0", kind: "ifb", up: true });
    const { index } = rt.links.get("f0");
    for (const command of [
      "handle 5: sfq limit 100 quantum 3000 perturb 10",
      "handle 6: fq limit 777 maxrate 5mbit horizon 1s",
      "handle 7: prio bands 4 priomap 3 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1",
      "handle 8: pfifo limit 99",
    ]) {
      runTc(namespace, "qdisc", "replace", "dev", "f0", "root", ...command.split(" "));
      const before = settings(tc(namespace, "qdisc", "show", "dev", "f0"));
      const qdisc = rt.qdiscs.find(index);
      assert.ok(qdisc?.rawOptions);
      if (!qdisc?.rawOptions) return;
      rt.qdiscs.replace({ index, kind: "fq", parent: "root", handle: "99:" });
      rt.qdiscs.replace({
        index,
        kind: qdisc.kind,
        parent: "root",
        handle: qdisc.handle,
        rawOptions: qdisc.rawOptions,
      });
      assert.equal(settings(tc(namespace, "qdisc", "show", "dev", "f0")), before, command);
    }
  });
});

root("a kind that the kernel lacks is refused in words", () => {
  inNamespace((rt) => {
    const index = device(rt);
    try {
      rt.qdiscs.add({ index, kind: "nonsense", parent: "root" });
      assert.unreachable();
    } catch (error) {
      assert.is((error as NetlinkError).code, "ENOENT");
      assert.is((error as NetlinkError).kernelMessage, "Specified qdisc kind is unknown");
    }
    assert.is(
      code(() => rt.qdiscs.add({ index: 4711, kind: "clsact" })),
      "ENODEV",
    );
  });
});

needs("cls_bpf", "sch_clsact")(
  "vishvananda/netlink #901, #914, go-tc #25: a filter has the handle and priority that it was given; add is exclusive, replace replaces",
  () => {
    inNamespace((rt, namespace) => {
      const index = device(rt);
      rt.qdiscs.add({ index, kind: "clsact" });
      using first = loadPassProgram("first");
      using second = loadPassProgram("second");
      const place = { index, parent: "egress", kind: "bpf", priority: 1, handle: 1 } as const;
      const made = rt.filters.add({ ...place, options: { fd: first, name: "weir", classid: 0x1234 } });
      assert.is(made.handle, 1);
      assert.is(made.priority, 1);
      assert.is(made.options?.classid, 0x1234);
      assert.is(made.options?.name, "weir");
      assert.is(made.options?.directAction, true);
      assert.is(
        code(() => rt.filters.add({ ...place, options: { fd: second } })),
        "EEXIST",
      );
      const replaced = rt.filters.replace({
        ...place,
        options: { fd: second.number, name: "new", classid: 7 },
      });
      const all = [...rt.filters.dump({ index, parent: "egress" })];
      assert.is(all.length, 1);
      const [filter] = all;
      assert.ok(filter && isFilterKind(filter, "bpf"));
      if (!filter || !isFilterKind(filter, "bpf")) return;
      assert.is(filter.options?.name, "new");
      assert.is(filter.options?.id, replaced.options?.id);
      assert.is.not(filter.options?.id, made.options?.id);
      assert.match(filter.options?.tag ?? "", /^[0-9a-f]{16}$/);
      assert.is(filter.protocol, "all");
      const theirs = tc(namespace, "filter", "show", "dev", "v0", "egress").find(
        ({ options }) => options,
      ) as {
        pref: number;
        options: { bpf_name: string; prog: { id: number; tag: string } };
      };
      assert.is(theirs.options.bpf_name, "new");
      assert.is(theirs.options.prog.id, filter.options?.id);
      assert.is(theirs.options.prog.tag, filter.options?.tag);
      rt.filters.remove({ index, parent: "egress", priority: 1, handle: 1, kind: "bpf" });
      assert.is([...rt.filters.dump({ index, parent: "egress" })].length, 0);
      assert.is(
        rt.filters.removeIfPresent({ index, parent: "egress", priority: 1, handle: 1, kind: "bpf" }),
        false,
      );
    });
  },
);

needs(
  "cls_u32",
  "act_mirred",
  "sch_clsact",
  "ifb",
)("u32 redirects everything to another device, and the packets arrive there", () => {
  inNamespace((rt, namespace) => {
    const index = device(rt);
    rt.links.add({ name: "f0", kind: "ifb", up: true });
    const to = rt.links.get("f0").index;
    rt.qdiscs.add({ index, kind: "clsact" });
    const made = rt.filters.add({
      index,
      parent: "egress",
      kind: "u32",
      priority: 9,
      options: { actions: [mirred({ to })] },
    });
    assert.is(made.priority, 9);
    const before = rt.links.get("f0").stats?.rxPackets ?? 0n;
    rt.addresses.add({ index, address: "192.0.2.1/24" });
    // A datagram to a neighbour that does not answer: what goes out is an ARP request, before connect and send return.
    using socket = Socket.open(2, 2, 0, { netns: namespace });
    socket.connect(Uint8Array.of(2, 0, 0, 9, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0));
    socket.send(Uint8Array.of(1));
    assert.ok((rt.links.get("f0").stats?.rxPackets ?? 0n) > before);
    const filter = [...rt.filters.dump({ index, parent: "egress", kind: "u32" })].find(
      ({ options }) => options?.selector,
    );
    assert.equal(filter?.options?.selector?.keys, [{ mask: 0, value: 0, offset: 0, offsetMask: 0 }]);
    const [action] = filter?.options?.actions ?? [];
    assert.is(action?.kind, "mirred");
    if (action?.options && !(action.options instanceof Uint8Array) && "parms" in action.options)
      assert.equal(
        { mode: "egressRedirect", ifindex: to, action: "stolen" },
        {
          mode: (action.options.parms as { mode?: unknown }).mode,
          ifindex: (action.options.parms as { ifindex?: unknown }).ifindex,
          action: action.options.parms?.action,
        },
      );
  });
});

needs(
  "cls_matchall",
  "act_mirred",
  "act_gact",
  "sch_clsact",
)("matchall carries its actions in order, as tc(8) reads them", () => {
  inNamespace((rt, namespace) => {
    const index = device(rt);
    rt.qdiscs.add({ index, kind: "clsact" });
    rt.filters.add({
      index,
      parent: "ingress",
      kind: "matchall",
      protocol: "ip",
      options: {
        classid: "1:7",
        actions: [mirred({ to: 1, mode: "mirror", direction: "ingress" }), gact("shot")],
      },
    });
    const [filter] = [...rt.filters.dump({ index, parent: "ingress", kind: "matchall" })];
    assert.is(filter?.protocol, "ip");
    assert.is(filter?.options?.classid, 0x10007);
    assert.equal(
      filter?.options?.actions.map(({ kind }) => kind),
      ["mirred", "gact"],
    );
    const theirs = tc(namespace, "filter", "show", "dev", "v0", "ingress").find(({ options }) => options) as {
      options: {
        actions: {
          kind: string;
          mirred_action?: string;
          direction?: string;
          control_action: { type: string };
        }[];
      };
    };
    assert.is(theirs.options.actions[0]?.mirred_action, "mirror");
    assert.is(theirs.options.actions[0]?.direction, "ingress");
    assert.is(theirs.options.actions[1]?.control_action.type, "drop");
  });
});

needs("cls_u32", "sch_clsact")("all filters of a place go at once", () => {
  inNamespace((rt) => {
    const index = device(rt);
    rt.qdiscs.add({ index, kind: "clsact" });
    for (const priority of [1, 2, 3])
      rt.filters.add({ index, parent: "egress", kind: "u32", priority, options: {} });
    assert.ok([...rt.filters.dump({ index, parent: "egress" })].length >= 3);
    rt.filters.remove({ index, parent: "egress", priority: 2 });
    assert.not.ok([...rt.filters.dump({ index, parent: "egress" })].some(({ priority }) => priority === 2));
    rt.filters.remove({ index, parent: "egress" });
    assert.is([...rt.filters.dump({ index, parent: "egress" })].length, 0);
    assert.is([...rt.filters.dump({ index: 4711, parent: "egress" })].length, 0);
  });
});

test.run();

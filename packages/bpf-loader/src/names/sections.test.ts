import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sectionKind } from "./sections.js";
import { attachTypeTable, mapTypeTable, programTypeTable } from "./tables.js";

const test = suite("section names");

// Type, expected attach type and target of names that libbpf takes.
const known: [name: string, type: string, attachType: string | undefined, target: string][] = [
  ["tc", "sched_cls", undefined, ""],
  ["classifier", "sched_cls", undefined, ""],
  ["action", "sched_act", undefined, ""],
  ["tc/ingress", "sched_cls", "tcx_ingress", ""],
  ["tcx/egress", "sched_cls", "tcx_egress", ""],
  ["netkit/peer", "sched_cls", "netkit_peer", ""],
  ["xdp", "xdp", "xdp", ""],
  ["xdp.frags/cpumap", "xdp", "xdp_cpumap", ""],
  ["socket", "socket_filter", undefined, ""],
  ["cgroup/skb", "cgroup_skb", undefined, ""],
  ["cgroup_skb/egress", "cgroup_skb", "cgroup_inet_egress", ""],
  ["cgroup/connect4", "cgroup_sock_addr", "cgroup_inet4_connect", ""],
  ["cgroup/dev", "cgroup_device", "cgroup_device", ""],
  ["kprobe/tcp_sendmsg", "kprobe", undefined, "tcp_sendmsg"],
  ["kprobe", "kprobe", undefined, ""],
  ["uprobe//bin/bash:readline", "kprobe", undefined, "/bin/bash:readline"],
  ["kprobe.multi/tcp_*", "kprobe", "trace_kprobe_multi", "tcp_*"],
  ["tp/sched/sched_switch", "tracepoint", undefined, "sched/sched_switch"],
  ["raw_tp/sched_switch", "raw_tracepoint", undefined, "sched_switch"],
  ["fentry/do_unlinkat", "tracing", "trace_fentry", "do_unlinkat"],
  ["lsm.s/bprm_check", "lsm", "lsm_mac", "bprm_check"],
  ["struct_ops/init", "struct_ops", undefined, "init"],
  ["lsm_cgroup/socket_bind", "lsm", "lsm_cgroup", "socket_bind"],
  ["iter.s/task", "tracing", "trace_iter", "task"],
  ["tp_btf/sched_switch", "tracing", "trace_raw_tp", "sched_switch"],
  ["freplace/handler", "ext", undefined, "handler"],
  ["uretprobe.s//lib/libc.so.6:malloc+4", "kprobe", undefined, "/lib/libc.so.6:malloc+4"],
  ["usdt//usr/bin/python3:python:gc__start", "kprobe", undefined, "/usr/bin/python3:python:gc__start"],
  ["ksyscall/openat", "kprobe", undefined, "openat"],
  ["sk_lookup", "sk_lookup", "sk_lookup", ""],
  ["netfilter", "netfilter", "netfilter", ""],
];
for (const [name, type, attachType, target] of known) {
  test(`"${name}" is for ${type}`, () => {
    const kind = sectionKind(name)!;
    assert.equal([kind.type, kind.expectedAttachType, kind.target], [type, attachType, target]);
  });
}

/** What came to libbpf after the version whose answers are kept in fixtures/section-names.tsv. */
const newer =
  /^(kprobe\.session|u(ret)?probe\.(multi|session)(\.s)?|usdt\.s|tcx?\/(in|e)gress|netkit\/\w+|fsession(\.s)?|sk_skb\/verdict|cgroup\/\w+_unix|struct_ops\.s|netfilter)(\/.*)?$/;

test("every name means what it means to libbpf", () => {
  const listing = readFileSync(new URL("../../fixtures/section-names.tsv", import.meta.url), "utf8");
  const lines = listing.trim().split("\n");
  assert.ok(lines.length > 350);
  for (const line of lines) {
    const [name, type, attachType] = line.split("\t");
    const kind = sectionKind(name!);
    if (type === "-") {
      assert.ok(!kind || newer.test(name!), `libbpf does not know "${name}"`);
      continue;
    }
    // libbpf gives 0 where the attach type does not matter, which is the number of this one.
    const expected = attachType === "cgroup_inet_ingress" ? undefined : attachType;
    const own = kind?.expectedAttachType;
    assert.equal([kind?.type, own === "cgroup_inet_ingress" ? undefined : own], [type, expected], name);
  }
});

for (const name of [
  "",
  ".text",
  "tc/other",
  "classifier/ingress",
  "xdpx",
  "kprobex/f",
  "socket/tail",
  "maps",
  "/",
  "tc/",
]) {
  test(`"${name}" says nothing`, () => assert.is(sectionKind(name), undefined));
}

test("sleepable sections and fragments set the program's flags", () => {
  assert.is(sectionKind("lsm.s/file_open")?.flags, 1 << 4);
  assert.is(sectionKind("xdp.frags")?.flags, 1 << 5);
  assert.is(sectionKind("tc")?.flags, 0);
});

test("numbers of types are the kernel's", () => {
  // enum bpf_map_type, bpf_prog_type and bpf_attach_type of include/uapi/linux/bpf.h
  assert.equal(
    ["array", "percpu_array", "ringbuf", "arena"].map((name) => mapTypeTable.names.indexOf(name as never)),
    [2, 6, 27, 33],
  );
  assert.equal(
    ["sched_cls", "xdp", "sk_lookup", "netfilter"].map((name) =>
      programTypeTable.names.indexOf(name as never),
    ),
    [3, 6, 30, 32],
  );
  assert.equal(
    ["xdp", "perf_event", "tcx_ingress", "netkit_peer"].map((name) =>
      attachTypeTable.names.indexOf(name as never),
    ),
    [37, 41, 46, 55],
  );
  assert.throws(() => mapTypeTable.number("hahs" as never), /"hahs" is no map type/);
});

test.run();

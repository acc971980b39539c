import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { features, type MapType, type ProgramType } from "../index.js";
import { kernelBefore } from "../kernel/call.js";
import { helperNames } from "../names/helpers.js";

const test = suite("features");

interface Bpftool {
  system_config: Record<string, number | string | null>;
  program_types: Record<string, boolean>;
  map_types: Record<string, boolean>;
  helpers: Record<string, string[]>;
  misc: Record<string, boolean>;
}

/** What `bpftool -j feature probe full` says. */
const bpftool = JSON.parse(
  execFileSync("bpftool", ["-j", "feature", "probe", "full"], { encoding: "utf8", maxBuffer: 1 << 24 }),
) as Bpftool;
const report = features.report();

/** "have_xdp_prog_type" without what is the same for all. */
function names(found: Record<string, boolean>, suffix: string): [string, boolean][] {
  return Object.entries(found).map(([key, value]) => [key.slice("have_".length, -suffix.length), value]);
}

test("program types are those that bpftool finds", () => {
  for (const [type, has] of names(bpftool.program_types, "_prog_type")) {
    // bpftool asks for fentry programs, which a machine may forbid while it lets iterators and typed tracepoints load.
    if (type === "tracing" && !has && !features.misc("fentry")) continue;
    assert.is(report.programTypes[type], has, type);
  }
});

test("map types are those that bpftool finds", () => {
  for (const [type, has] of names(bpftool.map_types, "_map_type"))
    assert.is(report.mapTypes[type], has, type);
});

test("helpers of each program type are those that bpftool finds", () => {
  const known = new Set(helperNames());
  for (const [key, found] of Object.entries(bpftool.helpers)) {
    const type = key.slice(0, -"_available_helpers".length) as ProgramType;
    const ours = report.helpers[type];
    if (!ours || !Array.isArray(found)) continue;
    // bpftool 7.1 does not understand how Linux 6.10 and later refuse a helper, and takes it for granted.
    if (found.length > ours.length && !kernelBefore(6, 10)) continue;
    // Those that are newer than the bpftool at hand it cannot have asked for.
    const newest = Math.max(
      ...Object.values(bpftool.helpers)
        .flat()
        .map((name) => helperNames().indexOf(name)),
    );
    const comparable = ours.filter((name) => helperNames().indexOf(name) <= newest);
    assert.equal(comparable.sort(), found.filter((name) => known.has(name)).sort(), type);
  }
});

test("limits and instruction sets are those that bpftool finds", () => {
  const ours = {
    have_large_insn_limit: features.misc("large_insn_limit"),
    have_bounded_loops: features.misc("bounded_loops"),
    have_v2_isa_extension: features.misc("v2_isa"),
    have_v3_isa_extension: features.misc("v3_isa"),
  };
  assert.equal(ours, bpftool.misc);
});

test("the configuration is that which bpftool reads", () => {
  const { unprivilegedBpfDisabled, jitEnable, jitHarden, jitKallsyms, jitLimit, kernelConfig } =
    report.system;
  const theirs = bpftool.system_config;
  assert.equal(
    [unprivilegedBpfDisabled, jitEnable, jitHarden, jitKallsyms, jitLimit],
    [
      "unprivileged_bpf_disabled",
      "bpf_jit_enable",
      "bpf_jit_harden",
      "bpf_jit_kallsyms",
      "bpf_jit_limit",
    ].map((name) => theirs[name]),
  );
  for (const [name, value] of Object.entries(kernelConfig)) {
    if (name in theirs) assert.is(value, theirs[name], name);
  }
});

test("types that older kernels lack are found by version", () => {
  const since: [boolean, number, number][] = [
    [features.programType("sk_lookup"), 5, 9],
    [features.programType("syscall"), 5, 14],
    [features.programType("netfilter"), 6, 4],
    [features.mapType("ringbuf"), 5, 8],
    [features.mapType("bloom_filter"), 5, 16],
    [features.mapType("user_ringbuf"), 6, 1],
    [features.mapType("cgrp_storage"), 6, 2],
    [features.mapType("arena"), 6, 9],
    [features.misc("v4_isa"), 6, 6],
    [features.misc("bpf_cookie"), 5, 15],
    [features.misc("bpf_token"), 6, 9],
    [features.misc("tcx"), 6, 6],
    [features.misc("btf_enum64"), 6, 0],
    [features.misc("uprobe_multi"), 6, 6],
  ];
  for (const [has, major, minor] of since) assert.is(has, !kernelBefore(major, minor), `${major}.${minor}`);
});

test("helpers are asked for by name or number, and only where the answer depends on the type alone", () => {
  assert.is(features.helper("sched_cls", "bpf_skb_load_bytes"), true);
  assert.is(features.helper("xdp", "bpf_skb_load_bytes"), false);
  assert.is(features.helper("xdp", 44), true);
  assert.throws(() => features.helper("xdp", "bpf_no_such"), /is no helper/);
  assert.throws(() => features.helper("struct_ops", 1), /depends on what they attach to/);
  assert.equal(features.helpers("struct_ops"), []);
  assert.is(features.programType("unspec" as ProgramType), false);
  assert.is(features.mapType("unspec" as MapType), false);
  assert.throws(() => features.misc("no_such" as never), /is no feature; known are .*tcx/);
});

test.run();

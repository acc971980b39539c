import { existsSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfCommand, Fd, kernelVersion, mount, mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import type { Test } from "uvu";
import { features } from "../features/probe.js";
import { kernelOptions } from "../features/system.js";
import { objectId } from "../kernel/attributes.js";
import { callBpf, kernelBefore } from "../kernel/call.js";
import { kernelBtf } from "../kernel/kernel-btf.js";
import { KernelTypes } from "../kernel/kernel-types.js";
import { parseFixture } from "./fixtures.js";

/** A feature that a test needs: since when the kernel has it, and how to ask. */
export interface Feature {
  readonly name: string;
  readonly since: readonly [major: number, minor: number];
  readonly has: () => boolean;
  /** A kernel option that it takes, without CONFIG_: a kernel that is known to have been built without need not have it. */
  readonly option?: string;
  /** A function that a kernel with that option has, for kernels whose options nothing tells. */
  readonly symbol?: string;
  /** Whether this machine forbids it to everyone, whatever the version. */
  readonly forbidden?: () => boolean;
}

/** Features that are younger than the oldest kernel that is tested. */
export const needs = {
  atomics: { name: "fetching atomics", since: [5, 12], has: () => features.atomics() },
  forEach: { name: "bpf_for_each_map_elem", since: [5, 13], has: () => features.helper("sched_cls", 164) },
  setTstamp: { name: "bpf_skb_set_tstamp", since: [5, 18], has: () => features.helper("sched_cls", 192) },
  kernelBtfId: { name: "ids of the kernel's own BTF", since: [5, 11], has: hasKernelBtfId },
  objects: {
    name: "objects of programs' own types",
    since: [6, 2],
    has: () => kernelBtf.vmlinux().find("bpf_obj_new_impl", "func") !== undefined,
  },
  currentTaskBtf: {
    name: "bpf_get_current_task_btf in tc programs",
    since: [6, 6],
    has: () => features.helper("sched_cls", 158),
  },
  bloomFilter: {
    name: "maps of type bloom_filter",
    since: [5, 16],
    has: () => features.mapType("bloom_filter") !== false,
  },
  userRingBuffer: {
    name: "maps of type user_ringbuf",
    since: [6, 1],
    has: () => features.mapType("user_ringbuf") !== false,
  },
  arena: { name: "maps of type arena", since: [6, 9], has: () => features.mapType("arena") !== false },
  moduleFunctions: {
    name: "functions of modules for tc programs",
    since: [6, 0],
    has: () => hasKernelFunction("bpf_skb_ct_lookup"),
  },
  kernelFunctions: {
    name: "functions of the kernel for programs of all types",
    since: [6, 2],
    has: () => hasKernelFunction("bpf_rcu_read_lock"),
  },
  kernelVariables: {
    name: "variables in the kernel's BTF",
    since: [5, 11],
    has: () => kernelBtf.vmlinux().find("bpf_prog_active", "var") !== undefined,
  },
  structOpsLinks: {
    name: "struct_ops links",
    since: [6, 4],
    has: () => kernelBtf.vmlinux().find("bpf_struct_ops_link", "struct") !== undefined,
  },
  trampolines: {
    name: "BPF trampolines",
    since: [5, 5],
    has: () => !kernelBefore(5, 5),
    forbidden: trampolinesForbidden,
  },
  moduleTrampolines: {
    name: "BPF trampolines of modules",
    since: [5, 11],
    has: () => !kernelBefore(5, 11),
    forbidden: trampolinesForbidden,
  },
  sleepableIterators: { name: "sleepable iterators", since: [6, 0], has: () => !kernelBefore(6, 0) },
  lsm: {
    name: "BPF programs for security hooks",
    since: [5, 7],
    has: () => !kernelBefore(5, 7),
    forbidden: trampolinesForbidden,
  },
  lsmActive: {
    name: "BPF among its security modules",
    since: [5, 7],
    has: () => activeSecurityModules().includes("bpf"),
    forbidden: () => trampolinesForbidden() || !activeSecurityModules().includes("bpf"),
  },
  lsmCgroup: {
    name: "BPF programs for security hooks of a cgroup",
    since: [6, 0],
    has: () => !kernelBefore(6, 0),
    forbidden: trampolinesForbidden,
  },
  tcx: { name: "tcx links", since: [6, 6], has: () => features.tcx() },
  netkit: { name: "netkit devices", since: [6, 7], has: () => features.misc("netkit"), option: "NETKIT" },
  netfilter: { name: "netfilter links", since: [6, 4], has: () => features.misc("netfilter_link") },
  xdpLiveFrames: { name: "XDP test runs with live frames", since: [5, 18], has: () => !kernelBefore(5, 18) },
  programCookie: { name: "cookies of attachments", since: [5, 15], has: () => features.misc("bpf_cookie") },
  perfLinkInfo: { name: "information about perf links", since: [6, 6], has: () => !kernelBefore(6, 6) },
  tracingCookie: {
    name: "cookies of tracing programs",
    since: [5, 19],
    has: () => !kernelBefore(5, 19),
    forbidden: trampolinesForbidden,
  },
  kprobe: {
    name: "kprobes",
    since: [4, 17],
    has: () => existsSync("/sys/bus/event_source/devices/kprobe"),
    option: "KPROBE_EVENTS",
  },
  kprobeLinkInfo: {
    name: "information about links of kprobes",
    since: [6, 6],
    has: () => !kernelBefore(6, 6) && existsSync("/sys/bus/event_source/devices/kprobe"),
    option: "KPROBE_EVENTS",
  },
  kprobeMulti: {
    name: "kprobe.multi links",
    since: [5, 18],
    has: () => features.misc("kprobe_multi"),
    option: "FPROBE",
    symbol: "register_fprobe",
  },
  uprobeMulti: { name: "uprobe.multi links", since: [6, 6], has: () => features.misc("uprobe_multi") },
  syscallProgram: { name: "syscall programs", since: [5, 14], has: () => features.programType("syscall") },
  skLookupRun: { name: "test runs of sk_lookup programs", since: [5, 12], has: () => !kernelBefore(5, 12) },
  iteratorParameters: { name: "iterators over one task", since: [6, 1], has: () => !kernelBefore(6, 1) },
  sockmapLink: { name: "links to sockmaps", since: [6, 10], has: () => !kernelBefore(6, 10) },
} satisfies Record<string, Feature>;

let trampolines: boolean | undefined;

/** Whether all programs at functions of the kernel are refused with EPERM, where others are not. */
function trampolinesForbidden(): boolean {
  trampolines ??= !loads("fentry/bpf_fentry_test1") && loads("tp_btf/sched_switch");
  return trampolines;
}

function loads(section: string): boolean {
  const object = parseFixture("targets");
  const program = object.programs.find((one) => one.section.startsWith(section.split("/")[0]!))!;
  program.attachTarget = section.split("/")[1]!;
  try {
    object.load({ programs: [program.name] }).close();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "EPERM") return false;
    return true;
  }
}

function hasKernelFunction(name: string): boolean {
  using types = new KernelTypes();
  return types.find(name, "func") !== undefined;
}

// The kernel registers its own first (btf_vmlinux_init, kernel/bpf/btf.c).
function hasKernelBtfId(): boolean {
  const fd = callBpf(BpfCommand.BTF_GET_FD_BY_ID, objectId.build({ id: 1 }));
  if (fd >= 0) Fd.adopt(fd, "the kernel's BTF").close();
  return fd >= 0;
}

/**
 * A test for kernels with a feature. It is left out, with a line that says so, on a kernel from before the feature;
 * where the kernel is new enough and lacks it, it runs and fails.
 */
export function testWith(test: Test, feature: Feature, name: string, body: () => void | Promise<void>): void {
  const [major, minor] = feature.since;
  const why = kernelBefore(major, minor) ? `${major}.${minor}` : excuse(feature);
  if (!feature.forbidden?.() && (feature.has() || why === undefined)) {
    test(name, body);
    return;
  }
  console.log(`skipped: "${name}": Linux ${kernelVersion().release} has no ${feature.name} (${why})`);
  test.skip(name, body);
}

function excuse({ option, symbol, forbidden }: Feature): string | undefined {
  const built = kernelOptions()?.has(option ?? "") ?? (symbol === undefined || hasSymbol(symbol));
  if (option && !built) return `built without CONFIG_${option}`;
  return forbidden?.() ? "forbidden on this machine" : undefined;
}

/** The security modules that were chosen when the kernel booted (lsm=): programs of others load, and nobody asks them. */
function activeSecurityModules(): string[] {
  const target = mkdtempSync(join(tmpdir(), "weir-securityfs-"));
  mount({ source: "securityfs", target, type: "securityfs" });
  try {
    return readFileSync(join(target, "lsm"), "latin1").split(",");
  } finally {
    unmount(target);
    rmdirSync(target);
  }
}

function hasSymbol(name: string): boolean {
  return readFileSync("/proc/kallsyms", "latin1").includes(` ${name}\n`);
}

/** The opposite: a test of what happens on kernels without a feature. */
export function testWithout(
  test: Test,
  feature: Feature,
  name: string,
  body: () => void | Promise<void>,
): void {
  if (!feature.has()) {
    test(name, body);
    return;
  }
  console.log(`skipped: "${name}": Linux ${kernelVersion().release} has ${feature.name}`);
  test.skip(name, body);
}

/** A BPF filesystem of its own, for as long as it is in use. */
export function temporaryBpffs(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "weir-bpf-"));
  mountBpffs(path);
  return {
    path,
    [Symbol.dispose]() {
      unmount(path);
      rmdirSync(path);
    },
  };
}

let namespaces = 0;

/** A network namespace of its own, with a loopback device as device 1. */
export function temporaryNamespace(): Disposable & { readonly path: string } {
  const path = `/run/netns/weir-bpf-${process.pid}-${namespaces++}`;
  NetworkNamespace.create(path).close();
  return {
    path,
    [Symbol.dispose]() {
      NetworkNamespace.remove(path);
    },
  };
}

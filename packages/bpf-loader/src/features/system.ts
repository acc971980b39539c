import { readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";

/** Kernel options that say what BPF can do; those that bpftool shows. */
const options = [
  "BPF",
  "BPF_SYSCALL",
  "HAVE_EBPF_JIT",
  "BPF_JIT",
  "BPF_JIT_ALWAYS_ON",
  "DEBUG_INFO_BTF",
  "DEBUG_INFO_BTF_MODULES",
  "CGROUPS",
  "CGROUP_BPF",
  "CGROUP_NET_CLASSID",
  "SOCK_CGROUP_DATA",
  "BPF_EVENTS",
  "KPROBE_EVENTS",
  "UPROBE_EVENTS",
  "TRACING",
  "FTRACE_SYSCALLS",
  "FUNCTION_ERROR_INJECTION",
  "BPF_KPROBE_OVERRIDE",
  "NET",
  "XDP_SOCKETS",
  "LWTUNNEL_BPF",
  "NET_ACT_BPF",
  "NET_CLS_BPF",
  "NET_CLS_ACT",
  "NET_SCH_INGRESS",
  "XFRM",
  "IP_ROUTE_CLASSID",
  "IPV6_SEG6_BPF",
  "BPF_LIRC_MODE2",
  "BPF_STREAM_PARSER",
  "NETFILTER_XT_MATCH_BPF",
  "BPFILTER",
  "BPFILTER_UMH",
  "TEST_BPF",
  "HZ",
];

/** How a machine is configured for BPF. */
export interface SystemConfig {
  /** kernel.unprivileged_bpf_disabled: 0 anyone may load some programs, 1 only with CAP_BPF and for good, 2 the same but changeable. */
  readonly unprivilegedBpfDisabled: number | undefined;
  /** net.core.bpf_jit_enable: 0 off, 1 on, 2 on with debugging. */
  readonly jitEnable: number | undefined;
  /** net.core.bpf_jit_harden: 0 off, 1 for unprivileged users, 2 for all. */
  readonly jitHarden: number | undefined;
  /** net.core.bpf_jit_kallsyms. */
  readonly jitKallsyms: number | undefined;
  /** net.core.bpf_jit_limit, in bytes. */
  readonly jitLimit: number | undefined;
  /** Kernel options by name, "CONFIG_BPF": "y", "m", a number, or null where it is off. Empty where no configuration is found. */
  readonly kernelConfig: Readonly<Record<string, string | null>>;
}

/** Reads it anew. A value is undefined where the machine does not tell. */
export function systemConfig(): SystemConfig {
  return {
    unprivilegedBpfDisabled: sysctl("kernel/unprivileged_bpf_disabled"),
    jitEnable: sysctl("net/core/bpf_jit_enable"),
    jitHarden: sysctl("net/core/bpf_jit_harden"),
    jitKallsyms: sysctl("net/core/bpf_jit_kallsyms"),
    jitLimit: sysctl("net/core/bpf_jit_limit"),
    kernelConfig: kernelConfig(),
  };
}

function sysctl(path: string): number | undefined {
  const text = read(`/proc/sys/${path}`)?.toString("latin1").trim();
  return text ? Number(text) : undefined;
}

function kernelConfig(): Record<string, string | null> {
  const set = kernelOptions();
  return set ? Object.fromEntries(options.map((name) => [`CONFIG_${name}`, set.get(name) ?? null])) : {};
}

/** All options that the running kernel was built with, without their CONFIG_ prefix; undefined where nothing tells. */
export function kernelOptions(): ReadonlyMap<string, string> | undefined {
  const text = read(`/boot/config-${release()}`) ?? inflate(read("/proc/config.gz"));
  if (!text) return undefined;
  const matches = text.toString("latin1").matchAll(/^CONFIG_(\w+)=(.*)$/gm);
  return new Map([...matches].map(([, name, value]) => [name!, value!]));
}

function inflate(bytes: Buffer | undefined): Buffer | undefined {
  return bytes && gunzipSync(bytes);
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // not there, or not for this user
  }
}

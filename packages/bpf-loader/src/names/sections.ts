import { type AttachType, ProgramFlag, type ProgramType } from "./tables.js";

/** What the name of an ELF section says about the programs in it. */
export interface SectionKind {
  readonly type: ProgramType;
  readonly expectedAttachType?: AttachType;
  /** A sum of {@link ProgramFlag}. */
  readonly flags: number;
  /** What follows the slash: the function, tracepoint or cgroup hook to attach to; "" if nothing does. */
  readonly target: string;
}

/**
 * Section names, as libbpf knows them (section_defs in tools/lib/bpf/libbpf.c):
 * - `name` is matched whole
 * - `name+` may have something behind a slash
 *
 * Columns: pattern, program type, expected attach type, flags.
 */
const definitions: readonly (readonly [string, ProgramType, (AttachType | undefined)?, number?])[] = [
  ["socket", "socket_filter"],
  ["sk_reuseport/migrate", "sk_reuseport", "sk_reuseport_select_or_migrate"],
  ["sk_reuseport", "sk_reuseport", "sk_reuseport_select"],
  ["kprobe+", "kprobe"],
  ["uprobe+", "kprobe"],
  ["uprobe.s+", "kprobe", undefined, ProgramFlag.SLEEPABLE],
  ["kretprobe+", "kprobe"],
  ["uretprobe+", "kprobe"],
  ["uretprobe.s+", "kprobe", undefined, ProgramFlag.SLEEPABLE],
  ["kprobe.multi+", "kprobe", "trace_kprobe_multi"],
  ["kretprobe.multi+", "kprobe", "trace_kprobe_multi"],
  ["kprobe.session+", "kprobe", "trace_kprobe_session"],
  ["uprobe.multi+", "kprobe", "trace_uprobe_multi"],
  ["uretprobe.multi+", "kprobe", "trace_uprobe_multi"],
  ["uprobe.session+", "kprobe", "trace_uprobe_session"],
  ["uprobe.multi.s+", "kprobe", "trace_uprobe_multi", ProgramFlag.SLEEPABLE],
  ["uretprobe.multi.s+", "kprobe", "trace_uprobe_multi", ProgramFlag.SLEEPABLE],
  ["uprobe.session.s+", "kprobe", "trace_uprobe_session", ProgramFlag.SLEEPABLE],
  ["ksyscall+", "kprobe"],
  ["kretsyscall+", "kprobe"],
  ["usdt+", "kprobe"],
  ["usdt.s+", "kprobe", undefined, ProgramFlag.SLEEPABLE],
  ["tc/ingress", "sched_cls", "tcx_ingress"],
  ["tc/egress", "sched_cls", "tcx_egress"],
  ["tcx/ingress", "sched_cls", "tcx_ingress"],
  ["tcx/egress", "sched_cls", "tcx_egress"],
  ["tc", "sched_cls"],
  ["classifier", "sched_cls"],
  ["action", "sched_act"],
  ["netkit/primary", "sched_cls", "netkit_primary"],
  ["netkit/peer", "sched_cls", "netkit_peer"],
  ["tracepoint+", "tracepoint"],
  ["tp+", "tracepoint"],
  ["raw_tracepoint+", "raw_tracepoint"],
  ["raw_tp+", "raw_tracepoint"],
  ["raw_tracepoint.w+", "raw_tracepoint_writable"],
  ["raw_tp.w+", "raw_tracepoint_writable"],
  ["tp_btf+", "tracing", "trace_raw_tp"],
  ["fentry+", "tracing", "trace_fentry"],
  ["fmod_ret+", "tracing", "modify_return"],
  ["fexit+", "tracing", "trace_fexit"],
  ["fentry.s+", "tracing", "trace_fentry", ProgramFlag.SLEEPABLE],
  ["fmod_ret.s+", "tracing", "modify_return", ProgramFlag.SLEEPABLE],
  ["fexit.s+", "tracing", "trace_fexit", ProgramFlag.SLEEPABLE],
  ["fsession+", "tracing", "trace_fsession"],
  ["fsession.s+", "tracing", "trace_fsession", ProgramFlag.SLEEPABLE],
  ["freplace+", "ext"],
  ["lsm+", "lsm", "lsm_mac"],
  ["lsm.s+", "lsm", "lsm_mac", ProgramFlag.SLEEPABLE],
  ["lsm_cgroup+", "lsm", "lsm_cgroup"],
  ["iter+", "tracing", "trace_iter"],
  ["iter.s+", "tracing", "trace_iter", ProgramFlag.SLEEPABLE],
  ["syscall", "syscall", undefined, ProgramFlag.SLEEPABLE],
  ["xdp.frags/devmap", "xdp", "xdp_devmap", ProgramFlag.XDP_HAS_FRAGS],
  ["xdp/devmap", "xdp", "xdp_devmap"],
  ["xdp.frags/cpumap", "xdp", "xdp_cpumap", ProgramFlag.XDP_HAS_FRAGS],
  ["xdp/cpumap", "xdp", "xdp_cpumap"],
  ["xdp.frags", "xdp", "xdp", ProgramFlag.XDP_HAS_FRAGS],
  ["xdp", "xdp", "xdp"],
  ["perf_event", "perf_event"],
  ["lwt_in", "lwt_in"],
  ["lwt_out", "lwt_out"],
  ["lwt_xmit", "lwt_xmit"],
  ["lwt_seg6local", "lwt_seg6local"],
  ["sockops", "sock_ops", "cgroup_sock_ops"],
  ["sk_skb/stream_parser", "sk_skb", "sk_skb_stream_parser"],
  ["sk_skb/stream_verdict", "sk_skb", "sk_skb_stream_verdict"],
  ["sk_skb/verdict", "sk_skb", "sk_skb_verdict"],
  ["sk_skb", "sk_skb"],
  ["sk_msg", "sk_msg", "sk_msg_verdict"],
  ["lirc_mode2", "lirc_mode2", "lirc_mode2"],
  ["flow_dissector", "flow_dissector", "flow_dissector"],
  ["cgroup_skb/ingress", "cgroup_skb", "cgroup_inet_ingress"],
  ["cgroup_skb/egress", "cgroup_skb", "cgroup_inet_egress"],
  ["cgroup/skb", "cgroup_skb"],
  ["cgroup/sock_create", "cgroup_sock", "cgroup_inet_sock_create"],
  ["cgroup/sock_release", "cgroup_sock", "cgroup_inet_sock_release"],
  ["cgroup/sock", "cgroup_sock", "cgroup_inet_sock_create"],
  ["cgroup/post_bind4", "cgroup_sock", "cgroup_inet4_post_bind"],
  ["cgroup/post_bind6", "cgroup_sock", "cgroup_inet6_post_bind"],
  ["cgroup/bind4", "cgroup_sock_addr", "cgroup_inet4_bind"],
  ["cgroup/bind6", "cgroup_sock_addr", "cgroup_inet6_bind"],
  ["cgroup/connect4", "cgroup_sock_addr", "cgroup_inet4_connect"],
  ["cgroup/connect6", "cgroup_sock_addr", "cgroup_inet6_connect"],
  ["cgroup/connect_unix", "cgroup_sock_addr", "cgroup_unix_connect"],
  ["cgroup/sendmsg4", "cgroup_sock_addr", "cgroup_udp4_sendmsg"],
  ["cgroup/sendmsg6", "cgroup_sock_addr", "cgroup_udp6_sendmsg"],
  ["cgroup/sendmsg_unix", "cgroup_sock_addr", "cgroup_unix_sendmsg"],
  ["cgroup/recvmsg4", "cgroup_sock_addr", "cgroup_udp4_recvmsg"],
  ["cgroup/recvmsg6", "cgroup_sock_addr", "cgroup_udp6_recvmsg"],
  ["cgroup/recvmsg_unix", "cgroup_sock_addr", "cgroup_unix_recvmsg"],
  ["cgroup/getpeername4", "cgroup_sock_addr", "cgroup_inet4_getpeername"],
  ["cgroup/getpeername6", "cgroup_sock_addr", "cgroup_inet6_getpeername"],
  ["cgroup/getpeername_unix", "cgroup_sock_addr", "cgroup_unix_getpeername"],
  ["cgroup/getsockname4", "cgroup_sock_addr", "cgroup_inet4_getsockname"],
  ["cgroup/getsockname6", "cgroup_sock_addr", "cgroup_inet6_getsockname"],
  ["cgroup/getsockname_unix", "cgroup_sock_addr", "cgroup_unix_getsockname"],
  ["cgroup/sysctl", "cgroup_sysctl", "cgroup_sysctl"],
  ["cgroup/getsockopt", "cgroup_sockopt", "cgroup_getsockopt"],
  ["cgroup/setsockopt", "cgroup_sockopt", "cgroup_setsockopt"],
  ["cgroup/dev", "cgroup_device", "cgroup_device"],
  ["struct_ops+", "struct_ops"],
  ["struct_ops.s+", "struct_ops", undefined, ProgramFlag.SLEEPABLE],
  ["sk_lookup", "sk_lookup", "sk_lookup"],
  ["netfilter", "netfilter", "netfilter"],
];

let table: Map<string, (typeof definitions)[number]> | undefined;

function byName(name: string): (typeof definitions)[number] | undefined {
  table ??= new Map(definitions.map((definition) => [definition[0], definition]));
  return table.get(name);
}

/** What a section's name says, without a leading "?"; undefined if libbpf does not know it either. */
export function sectionKind(name: string): SectionKind | undefined {
  // "kprobe+" is no name of a section, but what stands for two forms of one.
  const whole = (name.endsWith("+") ? undefined : byName(name)) ?? byName(`${name}+`);
  if (whole) return kind(whole, "");
  const slash = name.indexOf("/");
  const prefix = slash > 0 ? byName(`${name.slice(0, slash)}+`) : undefined;
  return prefix && kind(prefix, name.slice(slash + 1));
}

function kind(
  [, type, expectedAttachType, flags]: (typeof definitions)[number],
  target: string,
): SectionKind {
  return { type, flags: flags ?? 0, target, ...(expectedAttachType && { expectedAttachType }) };
}

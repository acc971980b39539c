import { layout } from "../kernel/layout.js";

// The parts of `union bpf_attr` about links, include/uapi/linux/bpf.h (6.18): BPF_LINK_CREATE once for each member of
// its union. A kernel takes a longer struct than it knows as long as what it does not know is zero.

const head = { progFd: "u32", target: "u32", attachType: "u32", flags: "u32" } as const;

/** For XDP, network namespaces, sockmaps and struct_ops. */
export const linkCreate = layout(head);
/** For tracing and freplace programs. */
export const linkCreateTracing = layout({ ...head, targetBtfId: "u32", pad: "u32", cookie: "u64" });
/** `info` is a `union bpf_iter_link_info`. */
export const linkCreateIterator = layout({ ...head, info: "pointer", infoLength: "u32" });
/** For perf events: kprobes, uprobes and tracepoints among them. */
export const linkCreatePerfEvent = layout({ ...head, cookie: "u64" });
/** For netfilter hooks. */
export const linkCreateNetfilter = layout({
  ...head,
  family: "u32",
  hook: "u32",
  priority: "i32",
  netfilterFlags: "u32",
});
/** For tcx, netkit and, since 6.17, cgroups: a place among other programs. */
export const linkCreateOrdered = layout({ ...head, relative: "u32", expectedRevision: "u64" });
/** For many kernel functions. */
export const linkCreateKprobeMulti = layout({
  ...head,
  multiFlags: "u32",
  count: "u32",
  symbols: "pointer",
  addresses: "pointer",
  cookies: "pointer",
});
/** For many functions of a file. */
export const linkCreateUprobeMulti = layout({
  ...head,
  path: "pointer",
  offsets: "pointer",
  refCounterOffsets: "pointer",
  cookies: "pointer",
  count: "u32",
  multiFlags: "u32",
  pid: "u32",
});

/** BPF_LINK_UPDATE; of maps for struct_ops. */
export const linkUpdate = layout({ linkFd: "u32", newFd: "u32", flags: "u32", oldFd: "u32" });
/** BPF_LINK_DETACH. */
export const linkDetach = layout({ fd: "u32" });
/** BPF_ITER_CREATE. */
export const iteratorCreate = layout({ linkFd: "u32", flags: "u32" });
/** BPF_RAW_TRACEPOINT_OPEN. */
export const rawTracepointOpen = layout({ name: "pointer", progFd: "u32", cookie: "u64" });

/** BPF_PROG_ATTACH and BPF_PROG_DETACH. */
export const programAttach = layout({
  target: "u32",
  progFd: "u32",
  attachType: "u32",
  flags: "u32",
  replaceFd: "u32",
  relative: "u32",
  expectedRevision: "u64",
});

/** BPF_PROG_QUERY. */
export const programQuery = layout({
  target: "u32",
  attachType: "u32",
  queryFlags: "u32",
  attachFlags: "u32",
  programIds: "pointer",
  count: "u32",
  pad: "u32",
  programFlags: "pointer",
  linkIds: "pointer",
  linkFlags: "pointer",
  revision: "u64",
});

/** `struct bpf_link_info`: what all links have; the union begins at 16. */
export const linkInfo = layout({ type: "u32", id: "u32", progId: "u32", pad: "u32", rest: "u8[64]" });

/** Flags of BPF_LINK_CREATE and BPF_PROG_ATTACH (`BPF_F_*`). */
export const AttachFlag = {
  ALLOW_OVERRIDE: 1 << 0,
  ALLOW_MULTI: 1 << 1,
  REPLACE: 1 << 2,
  BEFORE: 1 << 3,
  AFTER: 1 << 4,
  ID: 1 << 5,
  PREORDER: 1 << 6,
  LINK: 1 << 13,
} as const;

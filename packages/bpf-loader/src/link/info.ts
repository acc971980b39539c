import { BpfCommand, errno, type Fd, Struct, tryBpf } from "@weir/syscall";
import { infoByFd } from "../kernel/attributes.js";
import { bpfError } from "../kernel/call.js";
import { type AttachType, attachTypeTable, type LinkType, linkTypeTable } from "../names/tables.js";
import { linkInfo } from "./attributes.js";
import {
  type NetfilterFamily,
  type NetfilterHook,
  netfilterFamily,
  netfilterHook,
} from "./netfilter-names.js";

/** What a link of each type hangs on. Texts are "" and numbers 0 where the kernel is too old to tell. */
export type LinkTarget =
  | { readonly type: "raw_tracepoint"; readonly tracepoint: string; readonly cookie: bigint }
  | {
      readonly type: "tracing";
      readonly attachType: AttachType | undefined;
      /** Id of the program, or of the BTF, that it is attached to. */
      readonly targetObjectId: number;
      /** Id of the function's type in that BTF. */
      readonly targetBtfId: number;
      readonly cookie: bigint;
    }
  | { readonly type: "cgroup"; readonly cgroupId: bigint; readonly attachType: AttachType | undefined }
  | {
      readonly type: "iter";
      /** What is walked: "task", "bpf_map_elem". */
      readonly target: string;
      /** Id of the map whose elements are walked, for bpf_map_elem and the like. */
      readonly mapId: number | undefined;
      readonly cgroupId: bigint | undefined;
      /** A thread and a process; undefined if all tasks are walked. */
      readonly tid: number | undefined;
      readonly pid: number | undefined;
    }
  | { readonly type: "netns"; readonly netnsInode: number; readonly attachType: AttachType | undefined }
  | { readonly type: "xdp" /** 0 once the device is gone. */; readonly ifindex: number }
  | PerfEventTarget
  | {
      readonly type: "kprobe_multi";
      /** In ascending order; 0n where kernel.kptr_restrict hides them. */
      readonly addresses: readonly bigint[];
      readonly cookies: readonly bigint[];
      readonly return: boolean;
      readonly missed: bigint;
    }
  | { readonly type: "struct_ops"; readonly mapId: number }
  | {
      readonly type: "netfilter";
      readonly family: NetfilterFamily | undefined;
      readonly hook: NetfilterHook | undefined;
      readonly priority: number;
      readonly defragment: boolean;
    }
  | {
      readonly type: "tcx" | "netkit";
      /** 0 once the device is gone or the link is detached. */
      readonly ifindex: number;
      readonly attachType: AttachType | undefined;
    }
  | {
      readonly type: "uprobe_multi";
      readonly path: string;
      readonly offsets: readonly bigint[];
      readonly refCounterOffsets: readonly bigint[];
      readonly cookies: readonly bigint[];
      readonly return: boolean;
      /** 0 for all processes. */
      readonly pid: number;
    }
  | { readonly type: "sockmap"; readonly mapId: number; readonly attachType: AttachType | undefined }
  /** A type that is newer than this library. */
  | { readonly type: undefined; readonly typeNumber: number };

/** A perf event, by what it watches. Before Linux 6.6 the kernel does not say (`event` is undefined). */
export type PerfEventTarget = { readonly type: "perf_event" } & (
  | { readonly event: undefined }
  | {
      readonly event: "uprobe" | "uretprobe";
      readonly path: string;
      readonly offset: number;
      readonly cookie: bigint;
      readonly refCounterOffset: bigint;
    }
  | {
      readonly event: "kprobe" | "kretprobe";
      readonly symbol: string;
      readonly offset: number;
      readonly address: bigint;
      readonly missed: bigint;
      readonly cookie: bigint;
    }
  | { readonly event: "tracepoint"; readonly tracepoint: string; readonly cookie: bigint }
  | { readonly event: "event"; readonly perfType: number; readonly config: bigint; readonly cookie: bigint }
);

/** What the kernel says about a link. */
export type LinkInfo = {
  readonly id: number;
  /** Id of the program that is attached; 0 for struct_ops. */
  readonly programId: number;
} & LinkTarget;

/** BPF_OBJ_GET_INFO_BY_FD of a link. Throws SystemError. */
export function decodeLinkInfo(fd: Fd): LinkInfo {
  const info = new RawInfo(fd);
  return { id: info.u32(4), programId: info.u32(8), ...target(info) };
}

function target(info: RawInfo): LinkTarget {
  const type: LinkType | undefined = linkTypeTable.name(info.u32(0));
  switch (type) {
    case "raw_tracepoint":
      return { type, tracepoint: info.text(16, 24), cookie: info.u64(32) };
    case "tracing":
      return {
        type,
        attachType: info.attachType(16),
        targetObjectId: info.u32(20),
        targetBtfId: info.u32(24),
        cookie: info.u64(32),
      };
    case "cgroup":
      return { type, cgroupId: info.u64(16), attachType: info.attachType(24) };
    case "iter": {
      const name = info.text(16, 24);
      const of = (...names: string[]) => names.includes(name);
      const task = of("task", "task_file", "task_vma");
      return {
        type,
        target: name,
        mapId: of("bpf_map_elem", "bpf_sk_storage_map", "sockmap") ? info.u32(28) : undefined,
        cgroupId: of("cgroup") ? info.u64(32) : undefined,
        tid: task && info.u32(32) !== 0 ? info.u32(32) : undefined,
        pid: task && info.u32(36) !== 0 ? info.u32(36) : undefined,
      };
    }
    case "netns":
      return { type, netnsInode: info.u32(16), attachType: info.attachType(20) };
    case "xdp":
      return { type, ifindex: info.u32(16) };
    case "perf_event":
      return perfEvent(info);
    case "kprobe_multi": {
      const count = info.u32(24);
      const [addresses, cookies] = info.arrays(count, [16, 40]) as [bigint[], bigint[]];
      return { type, addresses, cookies, return: (info.u32(28) & 1) !== 0, missed: info.u64(32) };
    }
    case "struct_ops":
      return { type, mapId: info.u32(16) };
    case "netfilter":
      return {
        type,
        family: netfilterFamily(info.u32(16)),
        hook: netfilterHook(info.u32(20)),
        priority: info.u32(24) | 0,
        defragment: (info.u32(28) & 1) !== 0,
      };
    case "tcx":
    case "netkit":
      return { type, ifindex: info.u32(16), attachType: info.attachType(20) };
    case "uprobe_multi": {
      const path = info.text(16, 48);
      const [offsets, refCounterOffsets, cookies] = info.arrays(info.u32(52), [24, 32, 40]) as [
        bigint[],
        bigint[],
        bigint[],
      ];
      const [flags, pid] = [info.u32(56), info.u32(60)];
      return { type, path, offsets, refCounterOffsets, cookies, return: (flags & 1) !== 0, pid };
    }
    case "sockmap":
      return { type, mapId: info.u32(16), attachType: info.attachType(20) };
    default:
      return { type: undefined, typeNumber: info.u32(0) };
  }
}

/** `enum bpf_perf_event_type`. */
function perfEvent(info: RawInfo): PerfEventTarget {
  const type = "perf_event";
  const kind = info.u32(16);
  switch (kind) {
    case 1:
    case 2:
      return {
        type,
        event: kind === 1 ? "uprobe" : "uretprobe",
        path: info.text(24, 32),
        offset: info.u32(36),
        cookie: info.u64(40),
        refCounterOffset: info.u64(48),
      };
    case 3:
    case 4:
      return {
        type,
        event: kind === 3 ? "kprobe" : "kretprobe",
        symbol: info.text(24, 32),
        offset: info.u32(36),
        address: info.u64(40),
        missed: info.u64(48),
        cookie: info.u64(56),
      };
    case 5:
      return { type, event: "tracepoint", tracepoint: info.text(24, 32), cookie: info.u64(40) };
    case 6:
      return { type, event: "event", config: info.u64(24), perfType: info.u32(32), cookie: info.u64(40) };
    default:
      return { type, event: undefined };
  }
}

/** The kernel's struct, by offset. Buffers that it points to are passed in a second call, which gives their contents. */
class RawInfo {
  readonly #fd: Fd;
  #struct: Struct;

  constructor(fd: Fd) {
    this.#fd = fd;
    this.#struct = this.#read(new Struct(linkInfo.size));
  }

  u32(offset: number): number {
    return this.#struct.getU32(offset);
  }

  u64(offset: number): bigint {
    return this.#struct.getU64(offset);
  }

  attachType(offset: number): AttachType | undefined {
    return attachTypeTable.name(this.u32(offset));
  }

  /** A text whose pointer and length stand at these offsets. The kernel gives its length, NUL included, in the first call. */
  text(pointerOffset: number, lengthOffset: number): string {
    // Some kinds give the length only when they are given a buffer as well.
    const length = Math.max(this.u32(lengthOffset), 4096);
    const bytes = new Uint8Array(length);
    try {
      this.#struct = this.#read(
        new Struct(linkInfo.size).pointer(pointerOffset, bytes).u32(lengthOffset, length),
      );
    } catch (error) {
      // A path that the caller may not see, or a perf event whose name is not kept.
      if ((error as { errno?: number }).errno === errno.EINVAL) return "";
      throw error;
    }
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
  }

  /** Arrays of 64-bit numbers whose pointers stand at these offsets; empty where the kernel does not give them. */
  arrays(count: number, pointerOffsets: readonly number[]): bigint[][] {
    if (count === 0) return pointerOffsets.map(() => []);
    const countOffset = pointerOffsets.length === 3 ? 52 : 24;
    // Linux 6.6 has no cookies, which are the last array, and refuses to be asked for them.
    for (let asked = pointerOffsets.length; ; asked--) {
      const buffers = pointerOffsets.map((_, i) => new BigUint64Array(i < asked ? count : 0));
      const struct = new Struct(linkInfo.size).u32(countOffset, count);
      for (let i = 0; i < asked; i++) struct.pointer(pointerOffsets[i]!, new Uint8Array(buffers[i]!.buffer));
      try {
        this.#struct = this.#read(struct);
      } catch (error) {
        if (asked > 1 && (error as { errno?: number }).errno === errno.E2BIG) continue;
        throw error;
      }
      return buffers.map((buffer) => [...buffer]);
    }
  }

  #read(struct: Struct): Struct {
    const attr = infoByFd.build({ bpfFd: this.#fd.number, infoLen: linkInfo.size, info: struct });
    const result = tryBpf(BpfCommand.OBJ_GET_INFO_BY_FD, attr);
    if (result < 0) throw bpfError(BpfCommand.OBJ_GET_INFO_BY_FD, -result, `read about the ${this.#fd.name}`);
    return struct;
  }
}

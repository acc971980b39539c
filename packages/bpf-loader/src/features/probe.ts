import { BpfCommand, errno, Fd, kernelVersion } from "@weir/syscall";
import { assemble, atomic64, callHelper, exit, move, store64 } from "../asm.js";
import { linkCreateTcx, mapCreate, programLoad } from "../kernel/attributes.js";
import { bpfError, callBpf } from "../kernel/call.js";
import { withLog } from "../kernel/log.js";
import {
  type AttachType,
  attachTypeTable,
  MapFlag,
  type MapType,
  mapTypeTable,
  ProgramFlag,
  type ProgramType,
  programTypeTable,
} from "../names/tables.js";

const BPF_CMPXCHG = 0xf1;
const license = new TextEncoder().encode("GPL\0");
const answers = new Map<string, boolean>();

/** What programs of a type must say they attach to before the verifier looks at them. */
const attachTypes: Partial<Record<ProgramType, AttachType>> = {
  cgroup_sock_addr: "cgroup_inet4_connect",
  cgroup_sockopt: "cgroup_getsockopt",
  sk_lookup: "sk_lookup",
  netfilter: "netfilter",
};
/** Types that need a target in the kernel's own BTF: no tiny program stands for them. */
const needTarget = new Set<ProgramType>(["unspec", "tracing", "struct_ops", "ext", "lsm"]);

/**
 * What the running kernel can do, found out by trying. Each answer is kept for the life of the process.
 * Every probe throws SystemError (EPERM, naming the capability) where the process may not ask.
 */
export const features = {
  /** Atomic operations beyond a plain add: fetch, exchange, compare and exchange. Linux 5.12, on most machines. */
  atomics(): boolean {
    const code = assemble(
      move(0, 0),
      store64(10, -8, 0),
      move(2, 1),
      atomic64(10, -8, 2, BPF_CMPXCHG),
      exit(),
    );
    return remember("atomics", () => features.instructions(code));
  },

  /**
   * Whether programs of a type may call a helper.
   * @param type the program type
   * @param helper the helper's number in `enum bpf_func_id`: 192 for bpf_skb_set_tstamp
   */
  helper(type: ProgramType, helper: number): boolean {
    return remember(`helper ${type} ${helper}`, () => {
      const { result, log } = tryProgram(assemble(callHelper(helper), exit()), type, true);
      // With wrong arguments the verifier complains about the arguments; only without the helper about the call.
      return result >= 0 || !/(invalid|unknown) func |program of this type cannot use helper/.test(log);
    });
  },

  /** tcx links: BPF programs at a device's ingress and egress without a qdisc. Linux 6.6. */
  tcx(): boolean {
    return remember("tcx", () => {
      const program = tryProgram(assemble(move(0, 0), exit()), "sched_cls", false);
      using fd = Fd.adopt(program.result, "probe for tcx links");
      const attr = linkCreateTcx.build({
        progFd: fd.number,
        targetIfindex: 0x7fff_ffff,
        attachType: attachTypeTable.number("tcx_ingress"),
      });
      // A kernel that knows the attach type goes on to miss the device.
      return callBpf(BpfCommand.LINK_CREATE, attr) === -errno.ENODEV!;
    });
  },

  /** Whether the kernel has a program type; undefined for types that only load with a target in the kernel. */
  programType(type: ProgramType): boolean | undefined {
    if (needTarget.has(type)) return undefined;
    return remember(`program type ${type}`, () => features.instructions(assemble(move(0, 1), exit()), type));
  },

  /** Whether the kernel has a map type; undefined for types that take more than sizes to create. */
  mapType(type: MapType): boolean | undefined {
    const shape = mapShape(type);
    return shape && remember(`map type ${type}`, () => tryMap(type, shape));
  },

  /** Whether the kernel loads these instructions, in host byte order, as a program of a type. Not remembered. */
  instructions(code: Uint8Array, type: ProgramType = "socket_filter"): boolean {
    return closed(tryProgram(code, type, false).result) >= 0;
  },
};

function remember(question: string, ask: () => boolean): boolean {
  let answer = answers.get(question);
  if (answer === undefined) {
    answer = ask();
    answers.set(question, answer);
  }
  return answer;
}

function closed(result: number): number {
  if (result >= 0) Fd.adopt(result, "probe").close();
  return result;
}

/** Loads a program; the caller closes the descriptor that `result` is, unless a log was wanted. */
function tryProgram(code: Uint8Array, type: ProgramType, wantLog: boolean): { result: number; log: string } {
  const attachType = attachTypes[type];
  const { major, minor, patch } = kernelVersion();
  const attr = programLoad.build({
    progType: programTypeTable.number(type),
    insns: code,
    insnCnt: code.length / 8,
    license,
    kernVersion: (major << 16) | (minor << 8) | Math.min(patch, 255),
    progFlags: type === "syscall" ? ProgramFlag.SLEEPABLE : 0,
    expectedAttachType: attachType ? attachTypeTable.number(attachType) : 0,
  });
  const answer = wantLog
    ? withLog((buffer) => {
        attr.u32(programLoad.offset.logLevel, 1).u32(programLoad.offset.logSize, buffer.length);
        return closed(callBpf(BpfCommand.PROG_LOAD, attr.pointer(programLoad.offset.logBuf, buffer)));
      })
    : { result: callBpf(BpfCommand.PROG_LOAD, attr), log: "" };
  if (answer.result === -errno.EPERM!) {
    throw bpfError(BpfCommand.PROG_LOAD, errno.EPERM!, "probe the kernel's BPF features", [
      "CAP_BPF",
      "CAP_NET_ADMIN",
      "CAP_PERFMON",
    ]);
  }
  return answer;
}

interface MapShape {
  keySize: number;
  valueSize: number;
  maxEntries: number;
  mapFlags: number;
}

/** The smallest map of a type that every kernel with the type accepts. */
function mapShape(type: MapType): MapShape | undefined {
  const plain = { keySize: 4, valueSize: 4, maxEntries: 1, mapFlags: 0 };
  switch (type) {
    case "unspec":
    case "array_of_maps":
    case "hash_of_maps":
    case "struct_ops":
    case "sk_storage":
    case "inode_storage":
    case "task_storage":
    case "cgrp_storage":
      return undefined;
    case "lpm_trie":
      return { ...plain, keySize: 8, mapFlags: MapFlag.NO_PREALLOC };
    case "stack_trace":
      return { ...plain, valueSize: 8 };
    case "cgroup_storage":
    case "percpu_cgroup_storage":
      return { ...plain, keySize: 16, maxEntries: 0 };
    case "queue":
    case "stack":
    case "bloom_filter":
      return { ...plain, keySize: 0 };
    case "ringbuf":
    case "user_ringbuf":
      return { ...plain, keySize: 0, valueSize: 0, maxEntries: 65_536 };
    case "arena":
      return { keySize: 0, valueSize: 0, maxEntries: 1, mapFlags: MapFlag.MMAPABLE };
    default:
      return plain;
  }
}

function tryMap(type: MapType, shape: MapShape): boolean {
  const attr = mapCreate.build({ mapType: mapTypeTable.number(type), ...shape });
  const result = closed(callBpf(BpfCommand.MAP_CREATE, attr));
  if (result === -errno.EPERM!) {
    throw bpfError(BpfCommand.MAP_CREATE, errno.EPERM!, `probe for maps of type ${type}`, [
      "CAP_BPF",
      "CAP_NET_ADMIN",
    ]);
  }
  return result !== -errno.EINVAL!;
}

import { BpfCommand, errno, kernelVersion, type Struct } from "@weir/syscall";
import { assemble, callHelper, exit, move } from "../asm.js";
import { programLoad } from "../kernel/attributes.js";
import { callBpf } from "../kernel/call.js";
import { helperNames } from "../names/helpers.js";
import {
  type AttachType,
  attachTypeTable,
  ProgramFlag,
  type ProgramType,
  programTypeTable,
} from "../names/tables.js";
import { closed, remember, requirePermission } from "./answers.js";

/** ENOTSUPP, which the kernel returns although it is not for user space. */
const ENOTSUPP = 524;
const LOG_SIZE = 4096;
const license = new TextEncoder().encode("GPL\0");

/** What programs of a type must say they attach to before the verifier looks at them. */
const attachTypes: Partial<Record<ProgramType, AttachType>> = {
  cgroup_sock_addr: "cgroup_inet4_connect",
  cgroup_sockopt: "cgroup_getsockopt",
  sk_lookup: "sk_lookup",
  netfilter: "netfilter",
  lsm: "lsm_mac",
  // Where a kernel refuses fentry, programs for iterators and typed tracepoints may load all the same.
  tracing: "trace_raw_tp",
};

/**
 * Types that load only with a target among the kernel's own types: what a kernel that has the type says to a target
 * that is none. Type 1 of the kernel's BTF is an integer.
 */
const refusals: Partial<Record<ProgramType, { number: number; log?: RegExp }>> = {
  tracing: { number: 22, log: /attach_btf_id 1 is not a|BTF id 1 is not/ },
  lsm: { number: 22, log: /attach_btf_id 1 is not a function/ },
  ext: { number: 22, log: /Cannot replace kernel functions/ },
  struct_ops: { number: ENOTSUPP },
};

/** Whether the kernel has a program type. Throws SystemError where the process may not ask. */
export function programType(type: ProgramType): boolean {
  if (type === "unspec") return false;
  return remember(`program type ${type}`, () => {
    const refusal = refusals[type];
    const code = assemble(move(0, type === "cgroup_sockopt" ? 1 : 0), exit());
    if (!refusal) return loads(code, type);
    const { result, log } = tryProgram(code, type, { btfId: 1 });
    return result >= 0 || (-result === refusal.number && (refusal.log?.test(log) ?? true));
  });
}

/** Whether the kernel loads instructions, in host byte order, as a program of a type. */
export function loads(code: Uint8Array, type: ProgramType): boolean {
  return tryProgram(code, type, {}).result >= 0;
}

/** Whether programs of a type may call a helper, by number. */
export function helper(type: ProgramType, number: number): boolean {
  return remember(`helper ${type} ${number}`, () => {
    if (refusals[type]) return programType(type) && undefinedTarget(type);
    const { result, log } = tryProgram(assemble(callHelper(number), exit()), type, { wantLog: true });
    if (result >= 0) return true;
    // With wrong arguments the verifier complains about the arguments; only without the helper about the call. A
    // type that the kernel does not have is refused before the verifier writes anything.
    if (log === "") return false;
    return !/(invalid|unknown) func |program of this type cannot use helper/.test(log);
  });
}

/** The names of all helpers that programs of a type may call. */
export function helpers(type: ProgramType): string[] {
  if (refusals[type] || !programType(type)) return [];
  return helperNames().filter((_, number) => number > 0 && helper(type, number));
}

/** Whether {@link helper} can tell for a type. */
export function helpersAreKnown(type: ProgramType): boolean {
  return type !== "unspec" && refusals[type] === undefined;
}

function undefinedTarget(type: ProgramType): never {
  throw new RangeError(
    `which helpers programs of type ${type} may call depends on what they attach to; load one to find out`,
  );
}

interface Attempt {
  readonly btfId?: number;
  readonly wantLog?: boolean;
  readonly attachType?: AttachType;
}

let logBuffer: Uint8Array | undefined;

/** Loads a program, and closes it again. */
export function tryProgram(
  code: Uint8Array,
  type: ProgramType,
  options: Attempt,
): { result: number; log: string } {
  const wantLog = options.wantLog === true || options.btfId !== undefined;
  const attr = programAttributes(code, type, options);
  if (wantLog) {
    logBuffer ??= new Uint8Array(LOG_SIZE);
    logBuffer[0] = 0;
    attr
      .u32(programLoad.offset.logLevel, 1)
      .u32(programLoad.offset.logSize, LOG_SIZE)
      .pointer(programLoad.offset.logBuf, logBuffer);
  }
  let result = callBpf(BpfCommand.PROG_LOAD, attr);
  // A signal is pending; libbpf tries 5 times as well.
  for (let i = 1; result === -errno.EAGAIN! && i < 5; i++) result = callBpf(BpfCommand.PROG_LOAD, attr);
  requirePermission(result, "probe the kernel's BPF features", ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
  return { result: closed(result), log: wantLog ? text(logBuffer!) : "" };
}

/** BPF_PROG_LOAD's attributes for a program that a probe wants to keep for a moment. */
export function programAttributes(code: Uint8Array, type: ProgramType, options: Attempt = {}): Struct {
  const attachType = options.attachType ?? attachTypes[type];
  const { major, minor, patch } = kernelVersion();
  return programLoad.build({
    progType: programTypeTable.number(type),
    insns: code,
    insnCnt: code.length / 8,
    license,
    kernVersion: (major << 16) | (minor << 8) | Math.min(patch, 255),
    progFlags: type === "syscall" ? ProgramFlag.SLEEPABLE : 0,
    expectedAttachType: attachType ? attachTypeTable.number(attachType) : 0,
    attachBtfId: options.btfId ?? 0,
  });
}

function text(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return Buffer.from(buffer.buffer, buffer.byteOffset, end === -1 ? buffer.length : end).toString("latin1");
}

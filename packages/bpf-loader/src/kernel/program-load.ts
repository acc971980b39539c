import { BpfCommand, errno, Fd, kernelVersion } from "@weir/syscall";
import { type AttachType, attachTypeTable, type ProgramType, programTypeTable } from "../names/tables.js";
import { INSTRUCTION_SIZE } from "../object/function.js";
import { programLoad } from "./attributes.js";
import { bpfError, callBpf } from "./call.js";
import { missingForProgram, saysNothing } from "./explain.js";
import { withLog } from "./log.js";
import { kernelName } from "./pin.js";
import { VerifierError } from "./verifier-error.js";

/** Records of `.BTF.ext` for one program, as BPF_PROG_LOAD takes them. */
export interface InfoRecords {
  readonly data: Uint8Array;
  readonly recordSize: number;
  readonly count: number;
}

/** What to load. */
export interface ProgramLoadOptions {
  /** Shown by the kernel; cut to 15 characters. */
  readonly name?: string;
  readonly type: ProgramType;
  /** Instructions in host byte order, 8 bytes each, with the descriptors of maps filled in. */
  readonly instructions: Uint8Array;
  /** Such as "GPL"; many helpers want a program under a GPL-compatible license. */
  readonly license: string;
  /** By name; for struct_ops the index of the member that it implements. */
  readonly expectedAttachType?: AttachType | number | undefined;
  /** A sum of {@link ProgramFlag}. */
  readonly flags?: number;
  /** For kprobes on kernels before 5.0; the running kernel's if it is 0. */
  readonly version?: number;
  /** Type information in the kernel, and which function and source line each instruction belongs to. */
  readonly btf?:
    | {
        readonly fd: Fd;
        readonly functions?: InfoRecords | undefined;
        readonly lines?: InfoRecords | undefined;
      }
    | undefined;
  /** For tracing, LSM, iterators, struct_ops and freplace: the id of the type that it attaches to, a function as a rule. */
  readonly attachBtfId?: number | undefined;
  /** Where {@link attachBtfId} belongs if not to the kernel itself: another program, or the BTF of a module. */
  readonly attachTarget?: Fd | undefined;
  /** Descriptors that instructions refer to by their place here, such as the BTF of modules whose functions are called. */
  readonly fdArray?: readonly Fd[] | undefined;
  /** The device that it is bound to or offloaded to, by index; see BPF_F_XDP_DEV_BOUND_ONLY. */
  readonly ifindex?: number | undefined;
  /** 1 or 2 ask the verifier for its log even of a program that it accepts; 4 for its statistics alone. */
  readonly logLevel?: number | undefined;
  /** Says in words what the verifier's log says about instructions that were made for this kernel. */
  readonly explain?: ((log: string) => string | Error | undefined) | undefined;
  /** The section that it comes from, "kprobe/do_unlinkat", for {@link BpfProgram.attach}. */
  readonly section?: string;
  /** What the section names behind the slash, or what to attach to instead. */
  readonly target?: string;
}

const encoder = new TextEncoder();

/** The verifier gives up with EAGAIN when a signal is pending; libbpf tries 5 times as well. */
const ATTEMPTS = 5;

/**
 * BPF_PROG_LOAD. The verifier's log is asked for when it is wanted or when the load has failed, never for nothing:
 * writing it takes longer than the verification.
 */
export function loadProgram(options: ProgramLoadOptions): { fd: Fd; log: string } {
  const name = kernelName(options.name ?? "");
  const attr = programLoad.build({
    progType: programTypeTable.number(options.type),
    insns: options.instructions,
    insnCnt: options.instructions.length / INSTRUCTION_SIZE,
    license: encoder.encode(`${options.license}\0`),
    kernVersion: options.version || hostVersion(),
    progFlags: options.flags ?? 0,
    progName: name,
    expectedAttachType: attachTypeNumber(options.expectedAttachType ?? 0),
    progBtfFd: options.btf?.fd.number ?? 0,
    funcInfo: options.btf?.functions?.data ?? null,
    funcInfoRecSize: options.btf?.functions?.recordSize ?? 0,
    funcInfoCnt: options.btf?.functions?.count ?? 0,
    lineInfo: options.btf?.lines?.data ?? null,
    lineInfoRecSize: options.btf?.lines?.recordSize ?? 0,
    lineInfoCnt: options.btf?.lines?.count ?? 0,
    attachBtfId: options.attachBtfId ?? 0,
    attachProgFd: options.attachTarget?.number ?? 0,
    fdArray: options.fdArray?.length ? descriptors(options.fdArray) : null,
    progIfindex: options.ifindex ?? 0,
  });
  const withLevel = (level: number) => {
    attr.u32(programLoad.offset.logLevel, level);
    return withLog(
      (buffer) => {
        attr.u32(programLoad.offset.logSize, buffer.length).pointer(programLoad.offset.logBuf, buffer);
        return attempt(() => callBpf(BpfCommand.PROG_LOAD, attr));
      },
      () => attr.getU32(programLoad.offset.logTrueSize),
    );
  };
  let { result, log } = options.logLevel
    ? withLevel(options.logLevel)
    : { result: attempt(() => callBpf(BpfCommand.PROG_LOAD, attr)), log: "" };
  // Neither has anything to do with the program: no privilege, and signals that came each time it was tried.
  const inLog = result < 0 && result !== -errno.EPERM! && result !== -errno.EAGAIN!;
  if (inLog && !options.logLevel) ({ result, log } = withLevel(1));
  if (result >= 0) return { fd: Fd.adopt(result, `program ${options.name ?? ""}`.trimEnd()), log };
  throw refusal(options, -result, log);
}

function attachTypeNumber(type: AttachType | number): number {
  return typeof type === "number" ? type : attachTypeTable.number(type);
}

function attempt(load: () => number): number {
  for (let i = 1; ; i++) {
    const result = load();
    if (result !== -errno.EAGAIN! || i === ATTEMPTS) return result;
  }
}

function refusal(options: ProgramLoadOptions, number: number, log: string): Error {
  const name = options.name ?? "";
  const error = bpfError(BpfCommand.PROG_LOAD, number, `load program "${name}"`, capabilities(options.type));
  if (number === errno.EPERM!) return error;
  const reason = options.explain?.(log);
  if (reason instanceof Error) return reason;
  if (reason !== undefined) return new VerifierError(name, log, error, reason);
  const missing = missingForProgram(options, log);
  if (missing) return missing;
  return saysNothing(log) ? error : new VerifierError(name, log, error);
}

/** What the kernel wants of whoever loads programs of a type (is_net_admin_prog_type, is_perfmon_prog_type). */
function capabilities(type: ProgramType): string[] {
  switch (type) {
    case "socket_filter":
    case "cgroup_skb":
      return ["CAP_BPF"];
    case "kprobe":
    case "tracepoint":
    case "perf_event":
    case "raw_tracepoint":
    case "raw_tracepoint_writable":
    case "tracing":
    case "lsm":
    case "struct_ops":
    case "ext":
      return ["CAP_BPF", "CAP_PERFMON"];
    default:
      return ["CAP_BPF", "CAP_NET_ADMIN"];
  }
}

function descriptors(fds: readonly Fd[]): Uint8Array {
  return new Uint8Array(Int32Array.from(fds, (fd) => fd.number).buffer);
}

let knownVersion: number | undefined;

// KERNEL_VERSION() keeps the patch level in 8 bits.
function hostVersion(): number {
  if (knownVersion === undefined) {
    const { major, minor, patch } = kernelVersion();
    knownVersion = (major << 16) | (minor << 8) | Math.min(patch, 255);
  }
  return knownVersion;
}

import { BpfCommand, errno, type Fd, NotSupportedError, tryBpf } from "@weir/syscall";
import type { ProgramType } from "../names/tables.js";
import { testRun } from "./attributes.js";
import { bpfError, kernelBefore } from "./call.js";

/** BPF_F_TEST_RUN_ON_CPU, BPF_F_TEST_XDP_LIVE_FRAMES and BPF_F_TEST_SKB_CHECKSUM_COMPLETE of include/uapi/linux/bpf.h. */
export const TestRunFlag = {
  ON_CPU: 1 << 0,
  XDP_LIVE_FRAMES: 1 << 1,
  SKB_CHECKSUM_COMPLETE: 1 << 2,
} as const;

/** A packet or a context to run a program on. */
export interface TestRunOptions {
  /** The packet. Network programs want at least 14 bytes. */
  readonly data?: Uint8Array;
  /**
   * The context, such as {@link encodeSkbContext} makes for programs that handle packets; for raw tracepoints up to 12
   * arguments of 64 bits, for syscall programs whatever the program takes.
   */
  readonly context?: Uint8Array;
  /** How often to run, for measurements; once if absent. */
  readonly repeat?: number;
  /** Bytes by which the program may make the packet longer; 256 if absent. */
  readonly headroom?: number;
  /** For raw tracepoints: the CPU to run on; Linux 5.10. */
  readonly cpu?: number;
  /** For XDP: let each packet go where the program's result says, as if a device had received it; Linux 5.18. */
  readonly liveFrames?: boolean;
  /** For live frames: how many to handle at once; 64 if absent. */
  readonly batchSize?: number;
  /** Other flags; a sum of {@link TestRunFlag}. */
  readonly flags?: number;
}

/** What a test run gave. */
export interface TestRunResult {
  /** The program's result as 32 bits without a sign: TC_ACT_UNSPEC, which is -1, is 4294967295. */
  readonly returnValue: number;
  /** The packet afterwards; for flow dissectors the `struct bpf_flow_keys` that was found. */
  readonly data: Uint8Array;
  /** The context afterwards; empty if none was given, or the program's type gives none back. */
  readonly context: Uint8Array;
  /** Nanoseconds of one run, on average; 0 where the program's type is not measured. */
  readonly durationNs: number;
}

/** A signal that is pending ends a test run (bpf_test_timer_continue). */
const ATTEMPTS = 5;
const ENOTSUPP = 524;

/** BPF_PROG_TEST_RUN. Throws NotSupportedError or SystemError. */
export function runTest(
  program: { readonly fd: Fd; readonly name: string; readonly type: ProgramType | undefined },
  options: TestRunOptions,
): TestRunResult {
  const { data, context, cpu, liveFrames = false } = options;
  const { type } = program;
  // Contexts of these types are written where they were read from, or not at all; an output would be refused.
  const inPlace = type === "syscall";
  const noContextOut =
    inPlace || type === "raw_tracepoint" || type === "raw_tracepoint_writable" || liveFrames;
  const contextIn = context && inPlace ? context.slice() : context;
  const dataOut = data && !liveFrames ? new Uint8Array(data.length + (options.headroom ?? 256)) : undefined;
  const contextOut = context && !noContextOut ? new Uint8Array(context.length) : undefined;
  const attr = testRun.build({
    progFd: program.fd.number,
    dataIn: data ?? null,
    dataSizeIn: data?.length ?? 0,
    dataOut: dataOut ?? null,
    dataSizeOut: dataOut?.length ?? 0,
    ctxIn: contextIn ?? null,
    ctxSizeIn: contextIn?.length ?? 0,
    ctxOut: contextOut ?? null,
    ctxSizeOut: contextOut?.length ?? 0,
    repeat: options.repeat ?? 0,
    flags:
      (options.flags ?? 0) |
      (cpu === undefined ? 0 : TestRunFlag.ON_CPU) |
      (liveFrames ? TestRunFlag.XDP_LIVE_FRAMES : 0),
    cpu: cpu ?? 0,
    batchSize: options.batchSize ?? 0,
  });
  let result = tryBpf(BpfCommand.PROG_TEST_RUN, attr);
  for (let i = 1; i < ATTEMPTS && result === -errno.EINTR!; i++)
    result = tryBpf(BpfCommand.PROG_TEST_RUN, attr);
  if (result < 0) throw refusal(program, options, -result);
  const raw = testRun.read(attr);
  return {
    returnValue: raw.retval,
    data: dataOut?.subarray(0, raw.dataSizeOut) ?? new Uint8Array(0),
    context:
      contextOut?.subarray(0, raw.ctxSizeOut) ??
      (inPlace ? (contextIn ?? new Uint8Array(0)) : new Uint8Array(0)),
    durationNs: raw.duration,
  };
}

/** Types that the kernel runs, but learned to run after it had the type: include/linux/bpf.h, prog_ops.test_run. */
const runnableSince: Partial<Record<ProgramType, readonly [number, number]>> = {
  raw_tracepoint: [5, 10],
  sk_lookup: [5, 12],
  syscall: [5, 14],
  netfilter: [6, 4],
};

function refusal(
  program: { readonly name: string; readonly type: ProgramType | undefined },
  options: TestRunOptions,
  number: number,
): Error {
  const cause = bpfError(
    BpfCommand.PROG_TEST_RUN,
    number,
    `run program "${program.name}"`,
    ["CAP_BPF", "CAP_NET_ADMIN"],
    hint(program.type, number),
  );
  if (options.liveFrames && kernelBefore(5, 18) && number !== errno.EPERM)
    return new NotSupportedError({ feature: "test runs of XDP with live frames", since: "5.18", cause });
  if (number !== ENOTSUPP && number !== errno.EOPNOTSUPP) return cause;
  const since = program.type && runnableSince[program.type];
  return new NotSupportedError({
    feature: `test runs of programs of type ${program.type}`,
    ...(since && kernelBefore(...since) && { since: since.join(".") }),
    cause,
  });
}

function hint(type: ProgramType | undefined, number: number): string | undefined {
  if (number === errno.ENOSPC)
    return "The program made the packet longer than there was room for; give more headroom.";
  if (number !== errno.EINVAL) return undefined;
  switch (type) {
    case "raw_tracepoint":
    case "tracing":
      return "It takes no packet and no repetition, and at most 12 arguments as its context.";
    case "syscall":
      return "It takes a context alone, of at most 65536 bytes.";
    case "sk_lookup":
      return "It takes a struct bpf_sk_lookup as its context and no packet.";
    default:
      return "Network programs take packets of at least 14 bytes, and a context without fields that they may not set.";
  }
}

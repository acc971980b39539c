import { BpfCommand, errno, type Fd, NetworkNamespace, NotSupportedError, tryBpf } from "@weir/syscall";
import { features } from "../features/probe.js";
import { attachTypeTable, type ProgramType, programTypeTable } from "../names/tables.js";
import { linkCreateTcx, programInfo, testRun } from "./attributes.js";
import { bpfError, openBpf } from "./call.js";
import { BpfLink } from "./link.js";
import { objectInfo, openPin, pinObject } from "./pin.js";
import { loadProgram, type ProgramLoadOptions } from "./program-load.js";

/** What the kernel says about a program. */
export interface ProgramInfo {
  readonly id: number;
  /** Undefined for a type that is newer than this library. */
  readonly type: ProgramType | undefined;
  /** At most 15 characters. */
  readonly name: string;
  /** Hash of the instructions, as hexadecimal digits. */
  readonly tag: string;
  /** Bytes of machine code; 0 if the program is interpreted, or nothing may be known. */
  readonly jitedSize: number;
  /** Bytes of instructions after the verifier has rewritten them. */
  readonly translatedSize: number;
  /** Nanoseconds since boot. */
  readonly loadedAt: bigint;
  readonly createdByUid: number;
  readonly gplCompatible: boolean;
  /** Ids of the maps that it uses. */
  readonly mapIds: readonly number[];
  /** Id of its BTF; 0 if it has none. */
  readonly btfId: number;
  /** Nanoseconds and runs, counted only while BPF statistics are on (kernel.bpf_stats_enabled). */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
}

/** A packet or a context to run a program on. */
export interface TestRunOptions {
  /** The packet. Network programs want at least 14 bytes. */
  readonly data?: Uint8Array;
  /** The context, such as {@link encodeSkbContext} makes for programs that handle packets. */
  readonly context?: Uint8Array;
  /** How often to run, for measurements; 1 if absent. */
  readonly repeat?: number;
  /** Bytes by which the program may make the packet longer; 256 if absent. */
  readonly headroom?: number;
}

/** What a test run gave. */
export interface TestRunResult {
  /** The program's result as 32 bits without a sign: TC_ACT_UNSPEC, which is -1, is 4294967295. */
  readonly returnValue: number;
  /** The packet afterwards. */
  readonly data: Uint8Array;
  /** The context afterwards; empty if none was given. */
  readonly context: Uint8Array;
  /** Nanoseconds of one run, on average. */
  readonly durationNs: number;
}

/** Where to attach a program with tcx. */
export interface TcxOptions {
  /** Index of the device. */
  readonly ifindex: number;
  readonly direction: "ingress" | "egress";
  /** The namespace that the index belongs to, by path or open; the current one if absent. */
  readonly netns?: string | NetworkNamespace;
}

/** A program in the kernel. It lives while this is open, or it is attached or pinned. */
export class BpfProgram implements Disposable {
  /** The descriptor, for whatever takes a program by it, such as a classic tc filter. */
  readonly fd: Fd;
  /** Its name in its object, or as the kernel knows it. */
  readonly name: string;
  /** What the verifier wrote; "" unless a log was asked for. */
  readonly log: string;

  private constructor(fd: Fd, name: string, log: string) {
    this.fd = fd;
    this.name = name;
    this.log = log;
  }

  /** Loads instructions. Throws VerifierError, NotSupportedError or SystemError. */
  static load(options: ProgramLoadOptions): BpfProgram {
    const { fd, log } = loadProgram(options);
    return new BpfProgram(fd, options.name ?? "", log);
  }

  /** Opens a pinned program. Throws SystemError, also if what is pinned is no program. */
  static open(path: string): BpfProgram {
    const fd = openPin(path, "prog");
    return new BpfProgram(fd, objectInfo(fd, programInfo).name, "");
  }

  /** What the kernel says about it now. */
  get info(): ProgramInfo {
    const raw = objectInfo(this.fd, programInfo);
    return {
      id: raw.id,
      type: programTypeTable.name(raw.type),
      name: raw.name,
      tag: Buffer.from(raw.tag).toString("hex"),
      jitedSize: raw.jitedProgLen,
      translatedSize: raw.xlatedProgLen,
      loadedAt: raw.loadTime,
      createdByUid: raw.createdByUid,
      gplCompatible: (raw.gplCompatible & 1) !== 0,
      mapIds: this.#mapIds(raw.nrMapIds),
      btfId: raw.btfId,
      runTimeNs: raw.runTimeNs,
      runCount: raw.runCnt,
    };
  }

  /** The instructions as the verifier rewrote them, like `bpftool prog dump xlated`. Takes CAP_BPF and CAP_PERFMON. */
  translatedInstructions(): Uint8Array {
    const { xlatedProgLen } = objectInfo(this.fd, programInfo);
    const code = new Uint8Array(xlatedProgLen);
    objectInfo(this.fd, programInfo, programInfo.build({ xlatedProgLen, xlatedProgInsns: code }));
    return code;
  }

  /**
   * Runs it once or more without attaching it (BPF_PROG_TEST_RUN).
   * @throws SystemError; EINVAL for a packet or a context that its type does not take
   */
  testRun(options: TestRunOptions = {}): TestRunResult {
    const { data, context, repeat = 1 } = options;
    const dataOut = new Uint8Array((data?.length ?? 0) + (options.headroom ?? 256));
    const contextOut = new Uint8Array(context?.length ?? 0);
    const attr = testRun.build({
      progFd: this.fd.number,
      dataIn: data ?? null,
      dataSizeIn: data?.length ?? 0,
      dataOut: data ? dataOut : null,
      dataSizeOut: data ? dataOut.length : 0,
      ctxIn: context ?? null,
      ctxSizeIn: context?.length ?? 0,
      ctxOut: context ? contextOut : null,
      ctxSizeOut: contextOut.length,
      repeat,
    });
    const result = tryBpf(BpfCommand.PROG_TEST_RUN, attr);
    if (result < 0) {
      throw bpfError(
        BpfCommand.PROG_TEST_RUN,
        -result,
        `run program "${this.name}"`,
        ["CAP_BPF", "CAP_NET_ADMIN"],
        testRunHint(-result),
      );
    }
    const raw = testRun.read(attr);
    return {
      returnValue: raw.retval,
      data: dataOut.subarray(0, raw.dataSizeOut),
      context: contextOut.subarray(0, raw.ctxSizeOut),
      durationNs: raw.duration,
    };
  }

  /**
   * Attaches it to a device with tcx, which needs no qdisc. The link ends when it is closed, unless it is pinned.
   * @throws NotSupportedError before Linux 6.6; SystemError (ENODEV) if there is no such device
   */
  attachTcx(options: TcxOptions): BpfLink {
    const { ifindex, direction, netns } = options;
    const attach = () => this.#attachTcx(ifindex, direction);
    if (netns === undefined) return attach();
    // BPF_LINK_CREATE looks the index up in the namespace of the calling thread.
    if (netns instanceof NetworkNamespace) return netns.run(attach);
    using opened = NetworkNamespace.open(netns);
    return opened.run(attach);
  }

  /** Pins it in a BPF filesystem, so that it outlives this process. Throws SystemError. */
  pin(path: string): void {
    pinObject(this.fd, path);
  }

  /** Lets go of it. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #mapIds(count: number): number[] {
    if (count === 0) return [];
    const ids = new Uint32Array(count);
    const bytes = new Uint8Array(ids.buffer);
    objectInfo(this.fd, programInfo, programInfo.build({ nrMapIds: count, mapIds: bytes }));
    return [...ids];
  }

  #attachTcx(ifindex: number, direction: "ingress" | "egress"): BpfLink {
    const attr = linkCreateTcx.build({
      progFd: this.fd.number,
      targetIfindex: ifindex,
      attachType: attachTypeTable.number(direction === "ingress" ? "tcx_ingress" : "tcx_egress"),
    });
    const action = `attach program "${this.name}" to the ${direction} of device ${ifindex}`;
    try {
      const fd = openBpf(BpfCommand.LINK_CREATE, attr, `tcx link of ${this.name}`, action, [
        "CAP_BPF",
        "CAP_NET_ADMIN",
      ]);
      return BpfLink.adopt(fd);
    } catch (error) {
      if ((error as { errno?: number }).errno !== errno.EINVAL || features.tcx()) throw error;
      throw new NotSupportedError({
        feature: "tcx links",
        since: "6.6",
        hint: "Attach the program as a filter of the device's clsact qdisc instead.",
        cause: error,
      });
    }
  }
}

function testRunHint(number: number): string | undefined {
  if (number === errno.EINVAL)
    return "Network programs take packets of at least 14 bytes, and a context without fields that they may not set.";
  if (number === errno.ENOSPC)
    return "The program made the packet longer than there was room for; give more headroom.";
  if (number === errno.ENOTSUP || number === 524)
    return "Programs of its type cannot be test-run on this kernel.";
  return undefined;
}

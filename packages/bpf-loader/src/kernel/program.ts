import { BpfCommand, type Fd } from "@weir/syscall";
import { attachBySection } from "../link/auto.js";
import { attachCgroup, type CgroupOptions } from "../link/cgroup.js";
import { attachIterator, type BpfIterator, type IteratorOptions } from "../link/iterator.js";
import { attachKprobe, type KprobeOptions } from "../link/kprobe.js";
import type { BpfLink } from "../link/link.js";
import {
  attachKprobeMulti,
  attachUprobeMulti,
  type KprobeMultiOptions,
  type UprobeMultiOptions,
} from "../link/multi.js";
import { attachNetfilter, type NetfilterOptions } from "../link/netfilter.js";
import { attachNetkit, type NetkitOptions } from "../link/netkit.js";
import { attachNetns, type NetnsOptions } from "../link/netns.js";
import { attachPerfEvent, type CookieOptions, type PerfEventOptions } from "../link/perf-event.js";
import { attachSocket, type SocketReference } from "../link/socket.js";
import { attachSockmap, type SockmapOptions } from "../link/sockmap.js";
import { attachTc, type TcFilter, type TcOptions } from "../link/tc.js";
import { attachTcx, type TcxOptions } from "../link/tcx.js";
import { attachRawTracepoint, attachTracepoint, type RawTracepointOptions } from "../link/tracepoint.js";
import { attachFreplace, attachTracing, type FreplaceOptions, type TracingOptions } from "../link/tracing.js";
import { attachUprobe, type UprobeOptions } from "../link/uprobe.js";
import { attachXdp, type XdpOptions } from "../link/xdp.js";
import type { AttachType, ProgramType } from "../names/tables.js";
import { objectId, programInfo } from "./attributes.js";
import { openBpf } from "./call.js";
import { objectIds } from "./ids.js";
import { objectInfo, openPin, pinObject } from "./pin.js";
import { type ProgramInfo, readMachineCode, readProgramInfo, readTranslated } from "./program-info.js";
import { loadProgram, type ProgramLoadOptions } from "./program-load.js";
import { runTest, type TestRunOptions, type TestRunResult } from "./test-run.js";

/**
 * A program in the kernel. It lives while this is open, or it is attached or pinned.
 *
 * Methods that attach give a {@link BpfLink}, which detaches the program when it is closed. They throw
 * NotSupportedError, with the Linux version that brought it, where the kernel lacks what they need, RangeError for
 * options that contradict each other, and SystemError otherwise.
 */
export class BpfProgram implements Disposable {
  /** The descriptor, for whatever takes a program by it, such as a classic tc filter. */
  readonly fd: Fd;
  /** Its name in its object, or as the kernel knows it. */
  readonly name: string;
  /** What the verifier wrote; "" unless a log was asked for. */
  readonly log: string;
  /** The section of its object, "kprobe/do_unlinkat"; "" if it was not loaded from one. */
  readonly section: string;
  /** What the section names behind the slash, "do_unlinkat", or what was assigned before the load. */
  readonly attachTarget: string;
  /** What it was loaded for; undefined if its type has none, or it was opened rather than loaded. */
  readonly expectedAttachType: AttachType | undefined;
  #type: ProgramType | undefined;

  private constructor(fd: Fd, name: string, log: string, options?: ProgramLoadOptions) {
    this.fd = fd;
    this.name = name;
    this.log = log;
    this.section = options?.section ?? "";
    this.attachTarget = options?.target ?? "";
    const { expectedAttachType } = options ?? {};
    // A number is the member of a struct_ops struct.
    this.expectedAttachType = typeof expectedAttachType === "number" ? undefined : expectedAttachType;
    this.#type = options?.type;
  }

  /** Loads instructions. Throws VerifierError, NotSupportedError or SystemError. */
  static load(options: ProgramLoadOptions): BpfProgram {
    const { fd, log } = loadProgram(options);
    return new BpfProgram(fd, options.name ?? "", log, options);
  }

  /** Opens a pinned program. Throws SystemError, also if what is pinned is no program. */
  static open(path: string): BpfProgram {
    return BpfProgram.adopt(openPin(path, "prog"));
  }

  /** Opens a program by its id; takes CAP_SYS_ADMIN. Throws SystemError: ENOENT if there is none. */
  static openById(id: number): BpfProgram {
    const name = `program ${id}`;
    const attr = objectId.build({ id });
    return BpfProgram.adopt(
      openBpf(BpfCommand.PROG_GET_FD_BY_ID, attr, name, `open ${name}`, ["CAP_SYS_ADMIN"]),
    );
  }

  /** Takes over the descriptor of a program. */
  static adopt(fd: Fd): BpfProgram {
    return new BpfProgram(fd, objectInfo(fd, programInfo).name, "");
  }

  /** The ids of all programs in the kernel, as `bpftool prog show` lists them; takes CAP_SYS_ADMIN. Throws SystemError. */
  static ids(): Generator<number> {
    return objectIds(BpfCommand.PROG_GET_NEXT_ID, "programs");
  }

  /** Undefined for a type that is newer than this library. */
  get type(): ProgramType | undefined {
    this.#type ??= this.info.type;
    return this.#type;
  }

  /** What the kernel says about it now. */
  get info(): ProgramInfo {
    return readProgramInfo(this.fd);
  }

  /** The instructions as the verifier rewrote them, like `bpftool prog dump xlated`. Takes CAP_BPF and CAP_PERFMON. */
  translatedInstructions(): Uint8Array {
    return readTranslated(this.fd);
  }

  /** The machine code, like `bpftool prog dump jited`; empty if it is interpreted. Takes CAP_BPF and CAP_PERFMON. */
  machineCode(): Uint8Array {
    return readMachineCode(this.fd);
  }

  /**
   * Runs it once or more without attaching it (BPF_PROG_TEST_RUN).
   * @throws NotSupportedError for types that the kernel does not run; SystemError; EINVAL for a packet or a context
   *   that its type does not take
   */
  testRun(options: TestRunOptions = {}): TestRunResult {
    return runTest(this, options);
  }

  /** Attaches it to what its section names: "kprobe/do_unlinkat", "tp/sched/sched_switch", "fentry/...", "iter/task". */
  attach(): BpfLink {
    return attachBySection(this);
  }

  /**
   * Attaches it to a device with tcx, which needs no qdisc. Before Linux 6.6 it becomes a filter of the device's clsact
   * qdisc ({@link BpfProgram.attachTc}), unless an order among programs is asked for.
   */
  attachTcx(options: TcxOptions): BpfLink {
    return attachTcx(this, options);
  }

  /** Attaches it to a device as a filter of a clsact qdisc, which is added where it is missing, and stays. */
  attachTc(options: TcOptions): TcFilter {
    return attachTc(this, options);
  }

  /** Attaches it to a device as XDP: by a link, before Linux 5.9 through netlink. */
  attachXdp(options: XdpOptions): BpfLink {
    return attachXdp(this, options);
  }

  /** Attaches it to a netkit pair; Linux 6.7. */
  attachNetkit(options: NetkitOptions): BpfLink {
    return attachNetkit(this, options);
  }

  /** Attaches a netfilter program to a hook; Linux 6.4. */
  attachNetfilter(options: NetfilterOptions): BpfLink {
    return attachNetfilter(this, options);
  }

  /** Attaches a sk_lookup (Linux 5.9) or flow_dissector program to a network namespace. */
  attachNetns(options: NetnsOptions = {}): BpfLink {
    return attachNetns(this, options);
  }

  /**
   * Attaches it to a cgroup: by a link, before Linux 5.7 without.
   * @param cgroup a folder of the cgroup2 filesystem, by path or open
   */
  attachCgroup(cgroup: string | Fd, options: CgroupOptions = {}): BpfLink {
    return attachCgroup(this, cgroup, options);
  }

  /** Attaches a sk_skb or sk_msg program to a sockmap or sockhash. */
  attachSockmap(map: { readonly fd: Fd; readonly name: string }, options: SockmapOptions = {}): BpfLink {
    return attachSockmap(this, map, options);
  }

  /**
   * Attaches a socket_filter program to a socket, or a sk_reuseport program (Linux 4.19) to the sockets that share its
   * port. It stays until the socket is closed, or {@link detachSocket} takes it off.
   */
  attachSocket(socket: SocketReference): void {
    attachSocket(this, socket);
  }

  /** Attaches it to a tracepoint that it sees as the kernel does, "sched_switch". */
  attachRawTracepoint(name: string, options: RawTracepointOptions = {}): BpfLink {
    return attachRawTracepoint(this, name, options);
  }

  /** Attaches it to a tracepoint of tracefs: ("sched", "sched_switch"). */
  attachTracepoint(category: string, name: string, options: CookieOptions = {}): BpfLink {
    return attachTracepoint(this, category, name, options);
  }

  /** Attaches it to a kernel function, by name or address. */
  attachKprobe(target: string | bigint, options: KprobeOptions = {}): BpfLink {
    return attachKprobe(this, target, options);
  }

  /** Attaches it to many kernel functions; Linux 5.18. It must have been loaded for that (section "kprobe.multi"). */
  attachKprobeMulti(options: KprobeMultiOptions): BpfLink {
    return attachKprobeMulti(this, options);
  }

  /**
   * Attaches it to a function of an executable or a shared library.
   * @param path of the file; a name without a slash, "libc.so.6", is looked for where the system keeps such files
   */
  attachUprobe(path: string, options: UprobeOptions): BpfLink {
    return attachUprobe(this, path, options);
  }

  /** Attaches it to many functions of a file; Linux 6.6. It must have been loaded for that (section "uprobe.multi"). */
  attachUprobeMulti(path: string, options: UprobeMultiOptions): BpfLink {
    return attachUprobeMulti(this, path, options);
  }

  /** Attaches a perf_event program to a perf event, open or described. */
  attachPerfEvent(event: Fd | PerfEventOptions, options: CookieOptions = {}): BpfLink {
    return attachPerfEvent(this, event, options);
  }

  /** Attaches a tracing program (fentry, fexit, fmod_ret, tp_btf) to the function that it was loaded for. */
  attachTracing(options: TracingOptions = {}): BpfLink {
    return attachTracing(this, options);
  }

  /** Puts an ext program in the place of the function that it was loaded for, or of another of the same type. */
  attachFreplace(options?: FreplaceOptions): BpfLink {
    return attachFreplace(this, options);
  }

  /** Attaches an LSM program to the hook that it was loaded for; those of type lsm_cgroup take attachCgroup. */
  attachLsm(options: TracingOptions = {}): BpfLink {
    return attachTracing(this, options);
  }

  /** Makes an iterator of it, whose text can be read; Linux 5.8. */
  attachIterator(options: IteratorOptions = {}): BpfIterator {
    return attachIterator(this, options);
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
}

import { BpfCommand, errno, Fd } from "@weir/syscall";
import { assemble, atomic64, exit, instruction, move, store64 } from "../asm.js";
import { callBpf } from "../kernel/call.js";
import { layout } from "../kernel/layout.js";
import { type AttachType, attachTypeTable, type ProgramType } from "../names/tables.js";
import { closed, remember } from "./answers.js";
import { btfSupport } from "./btf.js";
import { mapType } from "./map-probe.js";
import { loads, programAttributes, programType, tryProgram } from "./program-probe.js";

const BPF_CMPXCHG = 0xf1;
/** BPF_MAXINSNS of include/uapi/linux/bpf_common.h: the limit of programs before Linux 5.2. */
const MAXINSNS = 4096;
/** BPF_LINK_CREATE as far as probes fill it in. */
const linkCreate = layout({
  progFd: "u32",
  target: "u32",
  attachType: "u32",
  flags: "u32",
  word0: "u32",
  word1: "u32",
  pointer0: "u64",
  pointer1: "u64",
  pointer2: "u64",
  rest: "u8[16]",
});
const tokenCreate = layout({ flags: "u32", bpffsFd: "u32" });

interface Probe {
  readonly since: string;
  readonly ask: () => boolean;
}

/** What is neither a type of program or map nor a helper: the Linux version that brought it, and how to ask. */
const probes = {
  /** Programs of up to a million instructions rather than 4096. */
  large_insn_limit: {
    since: "5.2",
    ask: () => {
      const code = new Uint8Array((MAXINSNS + 2) * 8);
      for (let i = 0; i <= MAXINSNS; i++) code.set(move(0, 1), i * 8);
      code.set(exit(), (MAXINSNS + 1) * 8);
      return loads(code, "socket_filter");
    },
  },
  /** Loops whose end the verifier can see. */
  bounded_loops: {
    since: "5.3",
    // r0 = 10; do r0 -= 1; while (r0 != 0)
    ask: () =>
      loads(
        assemble(move(0, 10), instruction(0x17, 0, 0, 0, 1), instruction(0x55, 0, 0, -2, 0), exit()),
        "socket_filter",
      ),
  },
  /** Jumps by "less than": -mcpu=v2. */
  v2_isa: {
    since: "4.14",
    ask: () =>
      loads(assemble(move(0, 0), instruction(0xa5, 0, 0, 1, 1), move(0, 1), exit()), "socket_filter"),
  },
  /** Jumps by 32-bit comparison: -mcpu=v3. */
  v3_isa: {
    since: "5.1",
    ask: () =>
      loads(assemble(move(0, 0), instruction(0xa6, 0, 0, 1, 1), move(0, 1), exit()), "socket_filter"),
  },
  /** Sign-extending moves and long jumps: -mcpu=v4. */
  v4_isa: {
    since: "6.6",
    // r0 = (s8)r0; gotol +0
    ask: () =>
      loads(
        assemble(move(0, 0), instruction(0xbf, 0, 0, 8, 0), instruction(0x06, 0, 0, 0, 0), exit()),
        "socket_filter",
      ),
  },
  /** Atomic operations beyond a plain add: fetch, exchange, compare and exchange. Not all machines have them. */
  atomics: {
    since: "5.12",
    ask: () =>
      loads(
        assemble(move(0, 0), store64(10, -8, 0), move(2, 1), atomic64(10, -8, 2, BPF_CMPXCHG), exit()),
        "socket_filter",
      ),
  },
  btf_float: { since: "5.13", ask: () => btfSupport({ ...noBtf, float: true }).float },
  btf_decl_tag: { since: "5.16", ask: () => btfSupport({ ...noBtf, declTag: true }).declTag },
  btf_type_tag: { since: "5.17", ask: () => btfSupport({ ...noBtf, typeTag: true }).typeTag },
  btf_enum64: { since: "6.0", ask: () => btfSupport({ ...noBtf, enum64: true }).enum64 },
  /** Programs at the entry and the exit of kernel functions; they take BTF of the kernel, and a machine that has trampolines. */
  fentry: {
    since: "5.5",
    // Type 1 of the kernel's BTF is an integer, as the verifier finds out where it gets so far.
    ask: () => {
      const code = assemble(move(0, 0), exit());
      const { log } = tryProgram(code, "tracing", { btfId: 1, attachType: "trace_fentry" });
      return /attach_btf_id 1 is not a function/.test(log);
    },
  },
  /** Links of kprobes, uprobes, tracepoints and perf events. */
  perf_link: { since: "5.15", ask: () => tryLink("tracepoint", "perf_event", {}) === -errno.EBADF! },
  /** A number of one's own that bpf_get_attach_cookie gives to the program; came with perf_link. */
  bpf_cookie: { since: "5.15", ask: (): boolean => misc("perf_link") },
  /** tcx links: programs at a device's ingress and egress without a qdisc. */
  tcx: {
    since: "6.6",
    // A kernel that knows the attach type goes on to miss the device.
    ask: () => tryLink("sched_cls", "tcx_ingress", { target: 0x7fff_ffff }) === -errno.ENODEV!,
  },
  /** netkit devices, and links to them. */
  netkit: {
    since: "6.7",
    ask: () => tryLink("sched_cls", "netkit_primary", { target: 0x7fff_ffff }) === -errno.ENODEV!,
  },
  /** One link for many kernel functions. */
  kprobe_multi: {
    since: "5.18",
    // A kernel that knows it goes on to read addresses from address 1.
    ask: () => {
      const struct = { word1: 1, pointer1: 1n };
      return tryLink("kprobe", "trace_kprobe_multi", struct, "trace_kprobe_multi") === -errno.EFAULT!;
    },
  },
  /** One link for many functions of an executable. */
  uprobe_multi: {
    since: "6.6",
    // Its arguments stand differently in the struct: path, offsets, ref_ctr_offsets, cookies, cnt. A path at address
    // 1 cannot be read.
    ask: () => {
      const rest = new Uint8Array(16);
      rest[0] = 1;
      const struct = { word0: 1, pointer0: 1n, rest };
      return tryLink("kprobe", "trace_uprobe_multi", struct, "trace_uprobe_multi") === -errno.EFAULT!;
    },
  },
  /** Memory that programs and processes share at the same addresses. */
  arena: { since: "6.9", ask: () => mapType("arena") },
  /** Rights to use BPF that a BPF filesystem lends to a user namespace. */
  bpf_token: {
    since: "6.9",
    ask: () =>
      callBpf(BpfCommand.TOKEN_CREATE, tokenCreate.build({ bpffsFd: 0x7fff_ffff })) === -errno.EBADF!,
  },
  /** Programs that netfilter hooks run. */
  netfilter_link: { since: "6.4", ask: () => programType("netfilter") },
  /** Programs that a system call runs, and that may make some. */
  syscall_program: { since: "5.14", ask: () => programType("syscall") },
} satisfies Record<string, Probe>;

const noBtf = { float: false, declTag: false, typeTag: false, enum64: false };

/** What {@link features.misc} can be asked about. @useDeclaredType */
export type MiscFeature = keyof typeof probes;

/** All of them. */
export function miscFeatures(): MiscFeature[] {
  return Object.keys(probes) as MiscFeature[];
}

/** Whether the kernel has a feature. Throws SystemError where the process may not ask. */
export function misc(name: MiscFeature): boolean {
  const probe: Probe | undefined = probes[name];
  if (!probe) throw new RangeError(`"${name}" is no feature; known are ${miscFeatures().join(", ")}`);
  return remember(name, probe.ask);
}

/** The Linux version that brought a feature. */
export function miscSince(name: MiscFeature): string {
  return probes[name].since;
}

/** BPF_LINK_CREATE with a program of a type; gives its result, which is never a link. */
function tryLink(
  type: ProgramType,
  attachType: AttachType,
  values: Parameters<typeof linkCreate.build>[0],
  expectedAttachType?: AttachType,
): number {
  const code = assemble(move(0, 0), exit());
  const program = callBpf(
    BpfCommand.PROG_LOAD,
    programAttributes(code, type, expectedAttachType && { attachType: expectedAttachType }),
  );
  if (program < 0) return program;
  using fd = Fd.adopt(program, "probe for links");
  const attr = linkCreate.build({
    progFd: fd.number,
    target: 0xffff_ffff,
    attachType: attachTypeTable.number(attachType),
    ...values,
  });
  return closed(callBpf(BpfCommand.LINK_CREATE, attr));
}

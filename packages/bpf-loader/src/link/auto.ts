import { NotSupportedError } from "@weir/syscall";
import type { AttachableProgram } from "./create.js";
import { attachIterator } from "./iterator.js";
import { attachKprobe } from "./kprobe.js";
import type { BpfLink } from "./link.js";
import { attachKprobeMulti, attachUprobeMulti } from "./multi.js";
import { attachRawTracepoint, attachTracepoint } from "./tracepoint.js";
import { attachTracing } from "./tracing.js";
import { attachUprobe } from "./uprobe.js";

/** A program, with what the name of its section says about where it belongs. */
export interface SectionedProgram extends AttachableProgram {
  /** "kprobe/do_unlinkat"; "" if it was not loaded from an object. */
  readonly section: string;
  /** What stands behind the slash: "do_unlinkat". */
  readonly attachTarget: string;
}

/** What {@link BpfProgram.attach} does: as libbpf's bpf_program__attach, by the first part of the section's name. */
export function attachBySection(program: SectionedProgram): BpfLink {
  const { section } = program;
  const kind = section.slice(0, section.includes("/") ? section.indexOf("/") : undefined).replace(/\.s$/, "");
  switch (kind) {
    case "kprobe":
    case "kretprobe": {
      const [, symbol, offset] = targetOf(program, /^([\w.$]+)(?:\+(0x[\da-f]+|\d+))?$/i, "a function");
      return attachKprobe(program, symbol!, { return: kind === "kretprobe", offset: Number(offset ?? 0) });
    }
    case "ksyscall":
    case "kretsyscall": {
      const [, name] = targetOf(program, /^(\w+)$/, "a system call");
      return attachKprobe(program, syscallFunction(name!), { return: kind === "kretsyscall" });
    }
    case "kprobe.multi":
    case "kretprobe.multi":
    case "kprobe.session": {
      const [pattern] = targetOf(program, /^[\w.*?$]+$/, "functions");
      return attachKprobeMulti(program, { pattern: pattern!, return: kind === "kretprobe.multi" });
    }
    case "uprobe":
    case "uretprobe": {
      const place = /^(.+):([^:+]+)(?:\+(0x[\da-f]+|\d+))?$/i;
      const [, path, symbol, offset = 0] = targetOf(program, place, "PATH:FUNCTION");
      const number = /^(0x[\da-f]+|\d+)$/i.test(symbol!);
      return attachUprobe(program, path!, {
        ...(number
          ? { offset: Number(symbol) + Number(offset) }
          : { symbol: symbol!, offset: Number(offset) }),
        return: kind === "uretprobe",
      });
    }
    case "uprobe.multi":
    case "uretprobe.multi":
    case "uprobe.session": {
      const [, path, pattern] = targetOf(program, /^(.+):([^:]+)$/, "PATH:FUNCTIONS");
      return attachUprobeMulti(program, path!, { pattern: pattern!, return: kind === "uretprobe.multi" });
    }
    case "tracepoint":
    case "tp": {
      const [, category, name] = targetOf(program, /^([\w-]+)\/([\w-]+)$/, "CATEGORY/NAME");
      return attachTracepoint(program, category!, name!);
    }
    case "raw_tracepoint":
    case "raw_tracepoint.w":
    case "raw_tp":
    case "raw_tp.w": {
      const [name] = targetOf(program, /^\w+$/, "a tracepoint");
      return attachRawTracepoint(program, name!);
    }
    default:
      return attachByType(program);
  }
}

/** Where the kernel itself knows what the program was loaded for. */
function attachByType(program: SectionedProgram): BpfLink {
  const { type, expectedAttachType, name } = program;
  if (type === "ext") return attachTracing(program);
  if (type === "tracing" && (expectedAttachType === "trace_iter" || program.section.startsWith("iter")))
    return attachIterator(program);
  if (type === "tracing" || (type === "lsm" && expectedAttachType !== "lsm_cgroup"))
    return attachTracing(program);
  throw new NotSupportedError({
    feature: `place for program "${name}" that its section${program.section ? ` "${program.section}"` : ""} would name`,
    hint: `Programs of type ${type} are attached by ${methods[type ?? ""] ?? "a method that says where"}.`,
  });
}

const methods: Record<string, string> = {
  sched_cls: "attachTcx, attachTc or attachNetkit",
  xdp: "attachXdp",
  cgroup_skb: "attachCgroup",
  cgroup_sock: "attachCgroup",
  cgroup_sock_addr: "attachCgroup",
  cgroup_sockopt: "attachCgroup",
  cgroup_sysctl: "attachCgroup",
  cgroup_device: "attachCgroup",
  sock_ops: "attachCgroup",
  lsm: "attachCgroup",
  socket_filter: "attachSocket",
  sk_reuseport: "attachSocket",
  sk_lookup: "attachNetns",
  flow_dissector: "attachNetns",
  netfilter: "attachNetfilter",
  sk_skb: "attachSockmap",
  sk_msg: "attachSockmap",
  perf_event: "attachPerfEvent",
  kprobe: "attachKprobe or attachUprobe",
  struct_ops: "attaching the struct_ops map that holds it",
};

function targetOf(program: SectionedProgram, form: RegExp, what: string): RegExpExecArray {
  const match = form.exec(program.attachTarget);
  if (match) return match;
  throw new RangeError(
    `section "${program.section}" of program "${program.name}" does not say what to attach to (${what} behind the slash)`,
  );
}

const syscallPrefixes: Record<string, string> = {
  x64: "__x64_",
  arm64: "__arm64_",
  riscv64: "__riscv_",
  s390x: "__s390x_",
};

/** The kernel function of a system call: architectures wrap them (CONFIG_ARCH_HAS_SYSCALL_WRAPPER). */
function syscallFunction(name: string): string {
  return `${syscallPrefixes[process.arch] ?? ""}sys_${name}`;
}

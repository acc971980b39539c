import { BpfCommand, errno, type Fd, tryBpf } from "@weir/syscall";
import { bpfError } from "../kernel/call.js";
import { type AttachType, attachTypeTable } from "../names/tables.js";
import { AttachFlag, programAttach } from "./attributes.js";
import { type AttachableProgram, explained, type NeededFeature, networkCapabilities } from "./create.js";
import { type LegacyKind, LegacyLink } from "./legacy.js";

/** What BPF_PROG_ATTACH is given besides the program. */
export interface ProgAttach {
  readonly kind: LegacyKind;
  /** A descriptor's number or a device's index. */
  readonly target: number;
  readonly attachType: AttachType;
  /** As it reads after 'attach program "x" to ': "cgroup /sys/fs/cgroup/a". */
  readonly place: string;
  readonly flags?: number;
  /** The program whose place it takes. */
  readonly replace?: { readonly fd: Fd } | undefined;
  readonly relative?: number;
  readonly expectedRevision?: bigint;
  readonly feature?: NeededFeature;
  readonly linkSince?: string;
  /** Whether the kernel can put another program in its place. */
  readonly replaceable?: "by flag" | "by attaching";
  /** Runs the calls where the target's number means something: a network namespace. */
  readonly within?: (<T>(work: () => T) => T) | undefined;
  /** Kept open for as long as the attachment is, for targets that are descriptors. */
  readonly held?: Fd | undefined;
}

/** BPF_PROG_ATTACH: how programs were attached before there were links. Detaching takes away this program alone. */
export function progAttach(program: AttachableProgram, options: ProgAttach): LegacyLink {
  const within = options.within ?? (<T>(work: () => T): T => work());
  const attachType = attachTypeTable.number(options.attachType);
  const { target } = options;
  const first = program.fd.duplicate();
  let current = first;
  const attach = (fd: Fd, flags: number, replace: Fd | undefined) => {
    const attr = programAttach.build({
      target,
      progFd: fd.number,
      attachType,
      flags: flags | (replace ? AttachFlag.REPLACE : 0),
      replaceFd: replace?.number ?? 0,
      // The place among others was taken by the first; whoever replaces it stands there too.
      relative: fd === first ? (options.relative ?? 0) : 0,
      expectedRevision: fd === first ? (options.expectedRevision ?? 0n) : 0n,
    });
    const result = within(() => tryBpf(BpfCommand.PROG_ATTACH, attr));
    if (result >= 0) return;
    const error = bpfError(
      BpfCommand.PROG_ATTACH,
      -result,
      `attach program "${program.name}" to ${options.place}`,
      networkCapabilities,
    );
    throw explained(error, options.feature);
  };
  try {
    attach(current, options.flags ?? 0, options.replace?.fd);
  } catch (error) {
    current.close();
    options.held?.close();
    throw error;
  }
  return new LegacyLink({
    kind: options.kind,
    // The descriptor stands for the attachment; the program's own is kept to detach that and no other.
    fd: options.held ?? program.fd.duplicate(),
    ...(options.linkSince !== undefined && { linkSince: options.linkSince }),
    detach() {
      const attr = programAttach.build({ target, progFd: current.number, attachType });
      const result = within(() => tryBpf(BpfCommand.PROG_DETACH, attr));
      // It is no longer there, or what it was attached to is gone: nothing of ours is left.
      if (result < 0 && result !== -errno.ENOENT! && result !== -errno.ENODEV!) {
        throw bpfError(
          BpfCommand.PROG_DETACH,
          -result,
          `detach program "${program.name}" from ${options.place}`,
          networkCapabilities,
        );
      }
    },
    release() {
      current.close();
    },
    ...(options.replaceable && {
      update(next: { readonly fd: Fd }) {
        const replacement = next.fd.duplicate();
        try {
          if (options.replaceable === "by flag") attach(replacement, options.flags ?? 0, current);
          else attach(replacement, options.flags ?? 0, undefined);
        } catch (error) {
          replacement.close();
          throw error;
        }
        current.close();
        current = replacement;
      },
    }),
  });
}

import { type Fd, NotSupportedError } from "@weir/syscall";
import { BpfLink, type LinkUpdateOptions } from "./link.js";

/** How a program is attached where the kernel has no link for it. */
export type LegacyKind =
  | "tc filter"
  | "tcx"
  | "netkit"
  | "xdp"
  | "cgroup"
  | "sockmap"
  | "perf event"
  | "struct_ops";

/** The attachment behind a {@link LegacyLink}. */
export interface LegacyAttachment {
  readonly kind: LegacyKind;
  /** A descriptor that stands for it: of the program, the map or the perf event. Closed with the link. */
  readonly fd: Fd;
  /** The Linux version since when the kernel has a link for it; undefined if it has none. */
  readonly linkSince?: string;
  /** Ends it; not called again once it has returned. */
  detach(): void;
  /** Closes what else it holds; called once, when the link is closed. */
  release?(): void;
  /** Replaces the program; undefined where that cannot be done. */
  readonly update?: (program: { readonly fd: Fd; readonly name: string }, options: LinkUpdateOptions) => void;
}

/**
 * An attachment that the kernel has no link for, or that was made without one: a filter of the classic tc, XDP set
 * through netlink, a program attached to a cgroup with BPF_PROG_ATTACH, a perf event. It cannot be pinned. Closing it
 * detaches the program like that of any other link; {@link LegacyLink.disconnect} leaves it where it is.
 */
export class LegacyLink extends BpfLink {
  /** How the program is attached. */
  readonly kind: LegacyKind;
  readonly #attachment: LegacyAttachment;
  #attached = true;

  /** Made by the methods of BpfProgram that attach. */
  constructor(attachment: LegacyAttachment) {
    super(attachment.fd);
    this.kind = attachment.kind;
    this.#attachment = attachment;
  }

  /** Throws NotSupportedError: there is no link that the kernel could tell about. */
  override get info(): never {
    throw this.#noLink("information about");
  }

  /** Replaces the program. Throws SystemError, and NotSupportedError where such an attachment keeps its program. */
  override update(
    program: { readonly fd: Fd; readonly name: string },
    options: LinkUpdateOptions = {},
  ): void {
    if (!this.#attachment.update) throw this.#noLink("replacement of the program of");
    this.#attachment.update(program, options);
  }

  /** Detaches the program now; a second call does nothing. Throws SystemError. */
  override detach(): void {
    if (!this.#attached) return;
    this.#attachment.detach();
    this.#attached = false;
  }

  /** Throws NotSupportedError: only links can be pinned. */
  override pin(_path: string): never {
    throw this.#noLink("pinning of");
  }

  /** Leaves the program attached when this is closed. What hangs on a descriptor alone, a perf event, ends all the same. */
  disconnect(): void {
    this.#attached = false;
  }

  /** Detaches the program unless {@link LegacyLink.disconnect} was called; a second call does nothing. */
  override close(): void {
    try {
      if (!this.fd.closed) this.detach();
    } finally {
      if (!this.fd.closed) this.#attachment.release?.();
      this.fd.close();
    }
  }

  #noLink(what: string): NotSupportedError {
    const since = this.#attachment.linkSince;
    return new NotSupportedError({
      feature: `${what} a ${this.kind} attachment that is no BPF link`,
      ...(since !== undefined && { since }),
    });
  }
}

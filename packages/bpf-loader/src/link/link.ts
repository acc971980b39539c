import { BpfCommand, errno, type Fd, NotSupportedError, tryBpf } from "@weir/syscall";
import { objectId } from "../kernel/attributes.js";
import { bpfError, openBpf } from "../kernel/call.js";
import { objectIds } from "../kernel/ids.js";
import { objectInfo, openPin, pinObject } from "../kernel/pin.js";
import { linkTypeTable } from "../names/tables.js";
import { AttachFlag, linkDetach, linkInfo, linkUpdate } from "./attributes.js";
import { decodeLinkInfo, type LinkInfo } from "./info.js";

/** How to replace the program of a link. */
export interface LinkUpdateOptions {
  /** Replace only if this is the program that is attached: EPERM or EINVAL tells that it is another. */
  readonly expected?: { readonly fd: Fd } | undefined;
}

/**
 * A program attached to something. Closing it detaches the program, unless the link is pinned or open elsewhere.
 * Where the kernel has no link for an attachment, this is a {@link LegacyLink}.
 */
export class BpfLink implements Disposable {
  /** The link's descriptor. */
  readonly fd: Fd;

  /** Use {@link BpfLink.adopt}. */
  protected constructor(fd: Fd) {
    this.fd = fd;
  }

  /** Takes over the descriptor of a link. */
  static adopt(fd: Fd): BpfLink {
    return new BpfLink(fd);
  }

  /** Opens a pinned link. Throws SystemError, also if what is pinned is no link. */
  static open(path: string): BpfLink {
    return new BpfLink(openPin(path, "link"));
  }

  /** Opens a link by its id; takes CAP_SYS_ADMIN; Linux 5.8. Throws SystemError: ENOENT if there is none. */
  static openById(id: number): BpfLink {
    const name = `link ${id}`;
    return new BpfLink(
      openBpf(BpfCommand.LINK_GET_FD_BY_ID, objectId.build({ id }), name, `open ${name}`, ["CAP_SYS_ADMIN"]),
    );
  }

  /** The ids of all links in the kernel, as `bpftool link show` lists them; takes CAP_SYS_ADMIN; Linux 5.8. */
  static ids(): Generator<number> {
    return objectIds(BpfCommand.LINK_GET_NEXT_ID, "links");
  }

  /** What the kernel says about it now. Throws SystemError. */
  get info(): LinkInfo {
    return decodeLinkInfo(this.fd);
  }

  /**
   * Replaces the program without a gap; Linux 5.7 for cgroups, later for others.
   * @throws NotSupportedError for links whose program the kernel never replaces (tracing, perf events, multi); SystemError
   */
  update(program: { readonly fd: Fd; readonly name: string }, options: LinkUpdateOptions = {}): void {
    const attr = linkUpdate.build({
      linkFd: this.fd.number,
      newFd: program.fd.number,
      flags: options.expected ? AttachFlag.REPLACE : 0,
      oldFd: options.expected?.fd.number ?? 0,
    });
    this.#change(
      BpfCommand.LINK_UPDATE,
      tryBpf(BpfCommand.LINK_UPDATE, attr),
      `replace the program of the ${this.fd.name} by "${program.name}"`,
      "replacement of the program",
    );
  }

  /**
   * Detaches the program now, though the link stays open or pinned; Linux 5.9.
   * @throws NotSupportedError for links that end only with their last descriptor (tracing, perf events, multi): close
   *   them; SystemError
   */
  detach(): void {
    this.#change(
      BpfCommand.LINK_DETACH,
      tryBpf(BpfCommand.LINK_DETACH, linkDetach.build({ fd: this.fd.number })),
      `detach the ${this.fd.name}`,
      "early end",
    );
  }

  /** Pins it in a BPF filesystem, so that the program stays attached when this process ends. Throws SystemError. */
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

  #change(command: number, result: number, action: string, feature: string): void {
    if (result >= 0) return;
    // link_update and link_detach of kernel/bpf/syscall.c, for links without such an operation.
    if (result === -errno.EOPNOTSUPP! || (command === BpfCommand.LINK_UPDATE && result === -errno.EINVAL!)) {
      const type = linkTypeTable.name(objectInfo(this.fd, linkInfo).type) ?? "this type";
      const cause = bpfError(command, -result, action);
      if (result === -errno.EINVAL! && updatable.has(type)) throw cause;
      throw new NotSupportedError({
        feature: `${feature} for links of type ${type}`,
        hint: "Close the link, and its pin if it has one, to end it.",
        cause,
      });
    }
    throw bpfError(command, -result, action, ["CAP_BPF", "CAP_NET_ADMIN"]);
  }
}

/** Links with an update_prog or update_map operation. */
const updatable = new Set<string>([
  "cgroup",
  "netns",
  "xdp",
  "tcx",
  "netkit",
  "iter",
  "struct_ops",
  "sockmap",
]);

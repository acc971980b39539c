import { BpfCommand, type Fd, tryBpf } from "@weir/syscall";
import { type AttachType, attachTypeTable, type LinkType, linkTypeTable } from "../names/tables.js";
import { descriptor, linkInfo, linkUpdate } from "./attributes.js";
import { bpfError } from "./call.js";
import { objectInfo, openPin, pinObject } from "./pin.js";

/** What the kernel says about a link. */
export interface LinkInfo {
  readonly id: number;
  /** Undefined for a type that is newer than this library. */
  readonly type: LinkType | undefined;
  /** Id of the program that is attached. */
  readonly programId: number;
  /** For tcx: the device, 0 once it is gone or the link is detached, and the direction. */
  readonly tcx: { readonly ifindex: number; readonly attachType: AttachType | undefined } | undefined;
}

/** A program attached to something. Closing it detaches the program, unless the link is pinned or open elsewhere. */
export class BpfLink implements Disposable {
  readonly fd: Fd;

  private constructor(fd: Fd) {
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

  /** What the kernel says about it now. */
  get info(): LinkInfo {
    const raw = objectInfo(this.fd, linkInfo);
    const type = linkTypeTable.name(raw.type);
    return {
      id: raw.id,
      type,
      programId: raw.progId,
      tcx:
        type === "tcx"
          ? { ifindex: raw.ifindex, attachType: attachTypeTable.name(raw.attachType) }
          : undefined,
    };
  }

  /** Replaces the program without a gap. Throws SystemError. */
  update(program: { readonly fd: Fd; readonly name: string }): void {
    const attr = linkUpdate.build({ linkFd: this.fd.number, newProgFd: program.fd.number });
    const result = tryBpf(BpfCommand.LINK_UPDATE, attr);
    if (result < 0) {
      throw bpfError(
        BpfCommand.LINK_UPDATE,
        -result,
        `replace the program of the ${this.fd.name} by "${program.name}"`,
        ["CAP_BPF", "CAP_NET_ADMIN"],
      );
    }
  }

  /** Detaches the program now, though the link stays open or pinned; Linux 5.9. Throws SystemError. */
  detach(): void {
    const result = tryBpf(BpfCommand.LINK_DETACH, descriptor.build({ fd: this.fd.number }));
    if (result < 0)
      throw bpfError(BpfCommand.LINK_DETACH, -result, `detach the ${this.fd.name}`, [
        "CAP_BPF",
        "CAP_NET_ADMIN",
      ]);
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
}

import { closeSync, openSync } from "node:fs";
import { errno, Fd, SystemError } from "@weir/syscall";
import { kernelBefore } from "../kernel/call.js";
import { type AttachType, attachTypeTable } from "../names/tables.js";
import { type Anchor, anchorFields } from "./anchor.js";
import { AttachFlag, linkCreateOrdered } from "./attributes.js";
import { type AttachableProgram, createLink, LINK_CREATE, networkCapabilities } from "./create.js";
import type { BpfLink } from "./link.js";
import { progAttach } from "./prog-attach.js";

/** How to attach a program to a cgroup (version 2). */
export interface CgroupOptions extends Anchor {
  /** What it handles; by the section that the program came from if absent. */
  readonly attachType?: AttachType;
  /** false: attach without a link, so that the program stays until somebody detaches it (BPF_PROG_ATTACH). */
  readonly link?: boolean;
  /**
   * Without a link, whether programs of cgroups below it run too ("multi"), run in its place ("override") or may not be
   * attached ("none"). Links are always "multi", and so is this if absent.
   */
  readonly mode?: "multi" | "override" | "none";
  /** Run before the programs of cgroups below; Linux 6.15. */
  readonly preorder?: boolean;
  /** Without a link, the program whose place to take; Linux 5.5. */
  readonly replace?: { readonly fd: Fd };
}

/** What {@link BpfProgram.attachCgroup} does. */
export function attachCgroup(
  program: AttachableProgram,
  cgroup: string | Fd,
  options: CgroupOptions = {},
): BpfLink {
  const attachType = options.attachType ?? program.expectedAttachType;
  if (!attachType) {
    throw new RangeError(
      `say what program "${program.name}" handles in the cgroup (attachType): its section does not`,
    );
  }
  const plain = options.link === false;
  if (!plain && (options.replace || (options.mode ?? "multi") !== "multi"))
    throw new RangeError("links to cgroups replace no program and are always multi: give link: false");
  const folder = typeof cgroup === "string" ? openFolder(cgroup) : cgroup.duplicate();
  if (plain) return legacy(program, folder, attachType, options);
  const { flags, ...place } = anchorFields(options);
  const attr = linkCreateOrdered.build({
    progFd: program.fd.number,
    target: folder.number,
    attachType: attachTypeTable.number(attachType),
    flags: flags | (options.preorder ? AttachFlag.PREORDER : 0),
    ...place,
  });
  try {
    const action = `attach program "${program.name}" to ${folder.name}`;
    const link = createLink(
      LINK_CREATE,
      attr,
      `cgroup link of ${program.name}`,
      action,
      networkCapabilities,
      neededFor(options),
    );
    folder.close();
    return link;
  } catch (error) {
    if ((error as Error).name === "NotSupportedError" && kernelBefore(5, 7))
      return legacy(program, folder, attachType, options);
    folder.close();
    throw error;
  }
}

function neededFor(options: CgroupOptions) {
  if (options.before !== undefined || options.after !== undefined || options.expectedRevision !== undefined)
    return { name: "an order among the programs of a cgroup", since: "6.17" } as const;
  if (options.preorder)
    return { name: "programs of cgroups that run before those below", since: "6.15" } as const;
  return { name: "links to cgroups", since: "5.7" } as const;
}

const modes = { multi: AttachFlag.ALLOW_MULTI, override: AttachFlag.ALLOW_OVERRIDE, none: 0 };

function legacy(
  program: AttachableProgram,
  folder: Fd,
  attachType: AttachType,
  options: CgroupOptions,
): BpfLink {
  const mode = options.mode ?? "multi";
  const { flags, ...place } = anchorFields(options);
  return progAttach(program, {
    kind: "cgroup",
    target: folder.number,
    attachType,
    place: folder.name,
    flags: flags | modes[mode] | (options.preorder ? AttachFlag.PREORDER : 0),
    replace: options.replace,
    ...place,
    linkSince: "5.7",
    // Among many the kernel must be told which to replace; where there is only one, attaching replaces it.
    replaceable: mode === "multi" ? "by flag" : "by attaching",
    held: folder,
  });
}

function openFolder(path: string): Fd {
  let number: number | undefined;
  try {
    number = openSync(path, "r");
    return Fd.adopt(number, `cgroup ${path}`);
  } catch (error) {
    if (number !== undefined) closeSync(number);
    const { errno: code } = error as NodeJS.ErrnoException;
    throw new SystemError({
      errno: code === undefined ? errno.EINVAL! : Math.abs(code),
      syscall: "open",
      action: `open the cgroup ${path}`,
      hint: "It must be a folder of the cgroup2 filesystem; /proc/mounts says where that is.",
      cause: error,
    });
  }
}
